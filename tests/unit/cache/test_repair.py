"""What recover would do, and when it must ask first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.repair import BlobsFound, Repairs, TreeFound, plan_loss, plan_repairs
from forebay.wire.cache import OpenFill, Progress, Replica, ReplicaState
from tests.unit.cache.test_place import completed
from tests.unit.cache.test_policy import NOW, REPLICA


def tree(number: int = 1, *, marked: bool = True, fault: str = "") -> TreeFound:
    marker = completed(1) if marked else None
    return TreeFound(
        group="default",
        dataset="clicks",
        number=number,
        path=Path("x"),
        completed=marker,
        fault=fault if marked else "",
    )


def replica(number: int = 1, state: ReplicaState = ReplicaState.READY, since: float = NOW - 100) -> Replica:
    return replace(REPLICA, number=number, state=state, since=since)


def fill(number: int = 1, *, live: bool) -> OpenFill:
    return OpenFill(
        fill_id=f"fill{number}",
        ref=f"clicks@v{number}",
        token=1,
        holder="",
        live=live,
        reserved_bytes=1,
        progress=Progress(),
    )


def plan(
    replicas: list[Replica],
    trees: list[TreeFound],
    fills: list[OpenFill] | None = None,
    blobs: list[BlobsFound] | None = None,
    incoming: list[str] | None = None,
) -> Repairs:
    return plan_repairs(
        replicas=replicas,
        trees=trees,
        blobs=blobs or [],
        fills=fills or [],
        incoming=incoming or [],
        now=NOW,
        hold_seconds=10.0,
    )


MANY = [replica(number) for number in range(2, 102)]
MANY_TREES = [tree(number) for number in range(2, 102)]


def test_a_volume_that_agrees_needs_nothing() -> None:
    repairs = plan(MANY, MANY_TREES)
    assert repairs == plan([], [])


def test_an_unknown_complete_tree_is_adopted_and_is_no_loss() -> None:
    repairs = plan([], [tree(1), tree(2)])
    assert len(repairs.adopt) == 2
    assert not repairs.brake


def test_CRASH_a_fill_killed_before_its_report_is_adopted() -> None:
    repairs = plan([replica(1, ReplicaState.FILLING)], [tree(1)], [fill(1, live=False)])
    assert [found.ref for found in repairs.adopt] == ["clicks@v1"]
    assert [found.fill_id for found in repairs.end_fills] == ["fill1"]
    assert not repairs.brake


def test_CRASH_a_tree_without_marker_of_a_dead_fill_is_cleared_away_and_is_no_loss() -> None:
    repairs = plan([replica(1, ReplicaState.FILLING)], [tree(1, marked=False)], [fill(1, live=False)])
    assert [found.ref for found in repairs.unfinished_trees] == ["clicks@v1"]
    assert not repairs.orphan_trees
    assert not repairs.brake


def test_CRASH_a_dead_eviction_is_ended_and_is_no_loss() -> None:
    repairs = plan([replica(1, ReplicaState.EVICTING)], [tree(1)])
    assert [found.ref for found in repairs.end_evictions] == ["clicks@v1"]
    assert not repairs.adopt
    assert not repairs.brake


def test_the_living_are_left_alone() -> None:
    filling = plan([replica(1, ReplicaState.FILLING)], [tree(1, marked=False)], [fill(1, live=True)])
    evicting = plan([replica(1, ReplicaState.EVICTING, since=NOW - 5)], [tree(1)])
    assert filling == evicting == plan([], [])


def test_BRAKE_an_empty_mount_is_no_evidence() -> None:
    repairs = plan(MANY, [])
    assert len(repairs.forget) == 100
    assert repairs.brake == "100 of 100 replicas would be called lost, damaged or orphaned"


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_BRAKE_more_than_five_in_a_hundred_stops(lost: int, damaged: int, orphaned: int) -> None:
    trees = [replace(found, fault="short" if at < damaged else "") for at, found in enumerate(MANY_TREES[: 100 - lost])]
    trees += [tree(1000 + number, marked=False) for number in range(orphaned)]
    repairs = plan(MANY, trees)
    assert (len(repairs.forget), len(repairs.damaged), len(repairs.orphan_trees)) == (lost, damaged, orphaned)
    assert bool(repairs.brake) == (lost + damaged + orphaned > 0.05 * (100 + orphaned))


@pytest.mark.parametrize(
    ("state", "becomes"),
    [
        (ReplicaState.READY, "damaged"),
        (ReplicaState.DAMAGED, "as it was"),
        (ReplicaState.FILLING, "forgotten"),
        (ReplicaState.EVICTING, "forgotten"),
    ],
)
def test_what_was_ready_on_a_lost_volume_is_damaged_and_what_was_on_its_way_is_forgotten(
    state: ReplicaState, becomes: str
) -> None:
    one = replica(1, state)
    loss = plan_loss([one])
    assert (loss.damaged == (one,), loss.forget == (one,)) == (becomes == "damaged", becomes == "forgotten")


def test_a_lost_replica_waits_and_is_adopted_where_its_tree_is_back() -> None:
    lost = replica(1, ReplicaState.DAMAGED)
    assert plan([lost], []) == plan([], [])
    assert [found.ref for found in plan([lost], [tree(1)]).adopt] == [lost.ref]


def test_a_ready_replica_without_its_marker_is_damaged_not_lost() -> None:
    repairs = plan([*MANY, replica(1)], [*MANY_TREES, tree(1, marked=False)])
    assert [found.ref for found in repairs.damaged] == ["clicks@v1"]
    assert not repairs.forget
    assert not repairs.brake


def test_what_waits_for_its_repair_is_left_alone() -> None:
    assert plan([replica(1, ReplicaState.DAMAGED)], [tree(1, marked=False)]) == plan([], [])


def test_BRAKE_blobs_are_judged_only_while_all_could_be_read() -> None:
    few = BlobsFound(group="default", blobs=100, orphans=("a", "b"))
    many = replace(few, orphans=tuple("abcdef"))
    assert plan(MANY, MANY_TREES, blobs=[few]).orphan_blobs == {"default": ("a", "b")}
    assert "blobs of default" in plan(MANY, MANY_TREES, blobs=[many]).brake
    assert not plan(MANY, MANY_TREES, blobs=[replace(few, sound=False)]).orphan_blobs
    broken = [*MANY_TREES[1:], tree(2, fault="its manifest: damaged")]
    assert not plan(MANY, broken, blobs=[few]).orphan_blobs
    assert not plan(MANY, MANY_TREES, [fill(2, live=True)], blobs=[few]).orphan_blobs


def test_folders_that_no_fill_owns_are_removed() -> None:
    assert plan([], [], [fill(1, live=False)], incoming=["fill1", "junk"]).remove_incoming == ("junk",)
