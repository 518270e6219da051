"""What recover has to do, pure: what the hub's records say against what the volume shows.

BRAKE: when more than 5 % of the replicas would be called lost, damaged or orphaned, or more than 5 % of the blobs
orphaned, the plan says so and must not be carried out unasked. What an interrupted fill or eviction left is no loss.
Blobs are only judged while every tree of their root is sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.cache.machine import is_held
from forebay.cache.volume import Completed
from forebay.wire.cache import OpenFill, Replica, ReplicaState
from forebay.wire.catalog import ref_of

BRAKE_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFound:
    """A tree on the volume. `fault` says what is wrong with its files, "" when every one has its size.

    `bad_digests` are those of the files with another size. `subset` is "?" and its folder for one that nobody knows.
    """

    group: str
    dataset: str
    number: int
    path: Path
    completed: Completed | None
    fault: str
    bad_digests: tuple[str, ...] = ()
    subset: str = ""

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobsFound:
    """The blobs of one root: how many, and the digests that nothing lists; `sound` when everything could be read."""

    group: str
    blobs: int
    orphans: tuple[str, ...]
    sound: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What to do, and what it would do to the volume's contents (`brake` is "" when nothing stands against it)."""

    adopt: tuple[TreeFound, ...]
    forget: tuple[Replica, ...]
    damaged: tuple[TreeFound, ...]
    orphan_trees: tuple[TreeFound, ...]
    unfinished_trees: tuple[TreeFound, ...]
    orphan_blobs: Mapping[str, tuple[str, ...]]
    end_fills: tuple[OpenFill, ...]
    end_evictions: tuple[Replica, ...]
    remove_incoming: tuple[str, ...]
    brake: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """`damaged` were ready: they stay noted until they come again or are let go. `forget` were on their way."""

    damaged: tuple[Replica, ...]
    forget: tuple[Replica, ...]


def plan_repairs(
    *,
    replicas: Sequence[Replica],
    trees: Sequence[TreeFound],
    blobs: Sequence[BlobsFound],
    fills: Sequence[OpenFill],
    incoming: Sequence[str],
    now: float,
    hold_seconds: float,
) -> Repairs:
    """Compare records and volume. Whatever a live holder is working on is left alone."""
    records = {replica.ref: replica for replica in replicas}
    evicting = [replica for replica in replicas if replica.state is ReplicaState.EVICTING]
    live = {fill.ref for fill in fills if fill.live}
    live |= {item.ref for item in evicting if is_held(item.since + hold_seconds, now, hold_seconds)}
    idle = [tree for tree in trees if tree.ref not in live]
    begun = {fill.ref for fill in fills} | {replica.ref for replica in evicting}
    found = {tree.ref for tree in trees}
    damaged = [tree for tree in idle if _is(records, tree, ReplicaState.READY) and not _sound(tree)]
    unknown = [tree for tree in idle if not _sound(tree) and tree.ref not in records]
    orphans = [tree for tree in unknown if tree.ref not in begun]
    forget = [item for item in replicas if item.state is ReplicaState.READY and item.ref not in found]
    judged = [item for item in blobs if item.sound and not live and not _any_fault(trees, item.group)]
    adopt = [tree for tree in idle if _sound(tree) and not _known(records.get(tree.ref), tree)]
    adopted = {tree.ref for tree in adopt}
    return Repairs(
        adopt=tuple(adopt),
        forget=tuple(forget),
        damaged=tuple(damaged),
        orphan_trees=tuple(orphans),
        unfinished_trees=tuple(tree for tree in idle if _unfinished(tree, records, begun)),
        orphan_blobs={item.group: item.orphans for item in judged if item.orphans},
        end_fills=tuple(fill for fill in fills if not fill.live),
        end_evictions=tuple(replica for replica in evicting if replica.ref not in live | adopted),
        remove_incoming=tuple(name for name in incoming if name not in {fill.fill_id for fill in fills}),
        brake=_brake(len(set(records) | found), len(forget) + len(damaged) + len(orphans), judged),
    )


def plan_loss(replicas: Sequence[Replica]) -> Loss:
    """What becomes of the records of a volume that is lost for good; BRAKE was asked before, by a person."""
    return Loss(
        damaged=tuple(item for item in replicas if item.state is ReplicaState.READY),
        forget=tuple(item for item in replicas if item.state in (ReplicaState.FILLING, ReplicaState.EVICTING)),
    )


def _sound(tree: TreeFound) -> bool:
    return tree.completed is not None and not tree.fault


def _any_fault(trees: Sequence[TreeFound], group: str) -> bool:
    return any(tree.fault for tree in trees if tree.group == group)


def _known(replica: Replica | None, tree: TreeFound) -> bool:
    """Whether the records already say what a complete tree says, or say that it is on its way out.

    A tree with a newer token than the record has is news: the hub has lost its last records, and its tokens with them.
    """
    if replica is None or (tree.completed is not None and tree.completed.token > replica.token):
        return False
    return replica.state in (ReplicaState.READY, ReplicaState.EVICTING)


def _is(records: Mapping[str, Replica], tree: TreeFound, state: ReplicaState) -> bool:
    record = records.get(tree.ref)
    return record is not None and record.state is state


def _unfinished(tree: TreeFound, records: Mapping[str, Replica], begun: set[str]) -> bool:
    """A tree without marker whose fill was killed before it could write one; its blobs stay for the next try."""
    if tree.completed is not None or tree.ref not in begun:
        return False
    return tree.ref not in records or _is(records, tree, ReplicaState.FILLING)


def _brake(everything: int, gone: int, blobs: Sequence[BlobsFound]) -> str:
    if gone > BRAKE_SHARE * everything:
        return f"{gone} of {everything} replicas would be called lost, damaged or orphaned"
    for found in blobs:
        if len(found.orphans) > BRAKE_SHARE * found.blobs:
            return f"{len(found.orphans)} of {found.blobs} blobs of {found.group} would be called orphaned"
    return ""
