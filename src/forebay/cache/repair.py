"""What recover has to do, pure: what the hub's records say against what the volume shows.

BRAKE: when more than 5 % of the replicas would be called lost or orphaned, or more than 5 % of the blobs orphaned, the
plan says so and must not be carried out unasked. Blobs are only judged while every tree of their root is sound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.cache.volume import Completed
from forebay.wire.cache import OpenFill, Replica, ReplicaState

BRAKE_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFound:
    """A tree on the volume. `fault` says what is wrong with its files, "" when every one has its size."""

    group: str
    dataset: str
    number: int
    path: Path
    completed: Completed | None
    fault: str

    @property
    def ref(self) -> str:
        return f"{self.dataset}@v{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobsFound:
    """The blobs of one root: how many, and the digests that no tree there lists."""

    group: str
    blobs: int
    orphans: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What to do, and what it would do to the volume's contents (`brake` is "" when nothing stands against it)."""

    adopt: tuple[TreeFound, ...]
    forget: tuple[Replica, ...]
    damaged: tuple[TreeFound, ...]
    orphan_trees: tuple[TreeFound, ...]
    orphan_blobs: Mapping[str, tuple[str, ...]]
    remove_incoming: tuple[str, ...]
    brake: str


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
    live = {fill.ref for fill in fills if fill.live}
    live |= {
        replica.ref
        for replica in replicas
        if replica.state is ReplicaState.EVICTING and now - replica.since < hold_seconds
    }
    idle_trees = [tree for tree in trees if tree.ref not in live]
    adopt = [tree for tree in idle_trees if tree.completed and not tree.fault and not _known(records.get(tree.ref))]
    damaged = [tree for tree in idle_trees if tree.completed and tree.fault and _is(records, tree, ReplicaState.READY)]
    orphans = [tree for tree in idle_trees if _orphan(tree, records)]
    marked = {tree.ref for tree in trees if tree.completed}
    forget = [item for item in replicas if item.state is ReplicaState.READY and item.ref not in marked]
    judged = [found for found in blobs if not live and all(not t.fault for t in trees if t.group == found.group)]
    orphan_blobs = {found.group: found.orphans for found in judged if found.orphans}
    return Repairs(
        adopt=tuple(adopt),
        forget=tuple(forget),
        damaged=tuple(damaged),
        orphan_trees=tuple(orphans),
        orphan_blobs=orphan_blobs,
        remove_incoming=tuple(name for name in incoming if name not in {fill.fill_id for fill in fills}),
        brake=_brake(replicas, trees, judged, forget, damaged, orphans),
    )


def _known(replica: Replica | None) -> bool:
    """Whether the records already say what a complete tree says, or say that it is on its way out."""
    return replica is not None and replica.state in (ReplicaState.READY, ReplicaState.EVICTING)


def _is(records: Mapping[str, Replica], tree: TreeFound, state: ReplicaState) -> bool:
    record = records.get(tree.ref)
    return record is not None and record.state is state


def _orphan(tree: TreeFound, records: Mapping[str, Replica]) -> bool:
    """A tree that nobody can use: without marker and not waiting for its repair, or broken and unknown."""
    if tree.completed is None:
        return not _is(records, tree, ReplicaState.DAMAGED)
    return bool(tree.fault) and not _known(records.get(tree.ref))


def _brake(
    replicas: Sequence[Replica],
    trees: Sequence[TreeFound],
    blobs: Sequence[BlobsFound],
    forget: Sequence[Replica],
    damaged: Sequence[TreeFound],
    orphans: Sequence[TreeFound],
) -> str:
    everything = len({replica.ref for replica in replicas} | {tree.ref for tree in trees})
    gone = len(forget) + len(damaged) + len(orphans)
    if gone > BRAKE_SHARE * everything:
        return f"{gone} of {everything} replicas would be called lost, damaged or orphaned"
    for found in blobs:
        if len(found.orphans) > BRAKE_SHARE * found.blobs:
            return f"{len(found.orphans)} of {found.blobs} blobs of {found.group} would be called orphaned"
    return ""
