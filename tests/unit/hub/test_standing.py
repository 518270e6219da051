"""How one version stands at one place, in one word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from forebay.cache.policy import Policy
from forebay.hub.board.standing import SOON_S, Errand, Filling, Known, Look, look_at, look_over, parts_of
from forebay.wire.cache import ReplicaState
from forebay.wire.sites import TaskKind, TaskState

NOW = 1_800_000_000.0
DAY_S = 86400.0
POLICY = Policy(stale_after_s=7 * DAY_S, grace_s=600.0)
ABSENT = Known(ref="clicks@v1", subset="", selection="", size_bytes=100, files=1, volume_id="v")
READY = replace(ABSENT, state=ReplicaState.READY, since=NOW - 3 * DAY_S, last_used_at=NOW - DAY_S)
FILL = Filling(
    done_bytes=62,
    total_bytes=100,
    moved_bytes=50,
    rate_bytes_s=0.0,
    started_at=NOW - 20.0,
    told_at=NOW - 10.0,
    is_held=True,
    by="ada",
)


def errand(kind: TaskKind) -> Errand:
    return Errand(
        task_id="t",
        kind=kind,
        state=TaskState.WAITING,
        reason="",
        asked_by="ada",
        failures=0,
        next_try_at=0.0,
        last_error="",
        unblock="",
    )


@pytest.mark.parametrize(
    ("known", "look"),
    [
        (ABSENT, Look.ABSENT),
        (replace(ABSENT, errands=(errand(TaskKind.FILL),)), Look.QUEUED),
        (replace(ABSENT, errands=(errand(TaskKind.SCRUB),)), Look.ABSENT),
        (replace(ABSENT, state=ReplicaState.FILLING, fill=FILL), Look.FILLING),
        (replace(ABSENT, state=ReplicaState.FILLING, fill=replace(FILL, is_held=False)), Look.QUEUED),
        (replace(ABSENT, state=ReplicaState.FILLING), Look.QUEUED),
        (READY, Look.READY),
        (replace(READY, errands=(errand(TaskKind.EVICT),)), Look.EVICTING),
        (replace(READY, last_used_at=NOW - 6.5 * DAY_S), Look.STALE),
        (replace(READY, last_used_at=NOW - 6.5 * DAY_S, leases=1), Look.READY),
        (replace(READY, last_used_at=NOW - 6.5 * DAY_S, pinned_by="vera"), Look.READY),
        (replace(READY, release_at=NOW + 60.0), Look.STALE),
        (replace(READY, state=ReplicaState.DAMAGED), Look.DAMAGED),
        (replace(READY, state=ReplicaState.EVICTING), Look.EVICTING),
    ],
)
def test_one_word_says_it(known: Known, look: Look) -> None:
    assert look_at(known, POLICY, NOW) is look


def test_what_is_there_in_part_is_not_absent() -> None:
    part = replace(READY, subset="day_0*")
    assert look_over(ABSENT, (part,), POLICY, NOW) is Look.PARTIAL
    assert look_over(ABSENT, (replace(ABSENT, subset="day_0*"),), POLICY, NOW) is Look.ABSENT
    assert look_over(READY, (part,), POLICY, NOW) is Look.READY


def subset(state: ReplicaState = ReplicaState.READY, **more: Any) -> Known:
    about = {"last_used_at": NOW, "since": NOW - DAY_S, **more}
    return replace(ABSENT, subset="day_0*", state=state, **about)


def test_what_subsets_say_is_said_once_for_those_that_stand_alike_and_care_comes_first() -> None:
    plain, larger, pinned = subset(), subset(size_bytes=200), subset(pinned_by="vera")
    filling = subset(ReplicaState.FILLING, fill=FILL)
    damaged = subset(ReplicaState.DAMAGED)
    found = parts_of(ABSENT, (plain, filling, larger, pinned, damaged), POLICY, NOW)
    assert [(part.look, part.known, part.more) for part in found] == [
        (Look.DAMAGED, damaged, 0),
        (Look.FILLING, filling, 0),
        (Look.READY, pinned, 0),
        (Look.READY, larger, 1),
    ]


def test_beside_the_version_itself_a_mere_subset_says_nothing_more() -> None:
    parts = (subset(), subset(pinned_by="vera"), subset(ReplicaState.ABSENT))
    assert [part.known.pinned_by for part in parts_of(READY, parts, POLICY, NOW)] == ["vera"]
    asked = subset(ReplicaState.ABSENT, errands=(errand(TaskKind.FILL),))
    assert [part.look for part in parts_of(ABSENT, (asked,), POLICY, NOW)] == [Look.QUEUED]


def test_it_leaves_when_it_has_been_idle_for_so_long() -> None:
    assert READY.leaves_at(POLICY) == NOW + 6 * DAY_S
    assert replace(READY, stale_after_s=2 * DAY_S).leaves_at(POLICY) == NOW + DAY_S
    assert replace(READY, stale_after_s=0.0).leaves_at(POLICY) is None
    assert READY.leaves_at(Policy(stale_after_s=None)) is None
    assert replace(READY, release_at=NOW + 5.0).leaves_at(POLICY) == NOW + 5.0


def test_what_has_just_come_does_not_leave_within_its_grace() -> None:
    fresh = replace(READY, since=NOW, last_used_at=NOW - 30 * DAY_S)
    assert fresh.leaves_at(Policy(stale_after_s=7 * DAY_S, grace_s=2 * SOON_S)) == NOW + 2 * SOON_S


def test_a_fill_tells_how_far_how_fast_and_how_long() -> None:
    assert FILL.share == 0.62
    assert FILL.bytes_s == 5.0
    assert FILL.left_s == pytest.approx(38 / 5.0)
    told = replace(FILL, rate_bytes_s=19.0)
    assert told.left_s == pytest.approx(2.0)


def test_a_fill_of_which_nothing_comes_has_no_end_in_sight() -> None:
    still = replace(FILL, moved_bytes=0)
    assert still.left_s is None
    assert replace(FILL, total_bytes=0).left_s is None
    assert replace(FILL, total_bytes=0).share == 0.0
