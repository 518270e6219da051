"""Carries out evictions: mark at the hub, rename into the trash, delete, report.

Killed in between, the replica stays `evicting` until somebody takes the eviction up again: every step can be done twice.
Blobs that another replica of the access group still lists are never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from forebay.cache.contents import distinct_digests, load_manifest
from forebay.cache.place import described_bytes, discard
from forebay.cache.policy import Candidate, Decision, Policy, decide
from forebay.cache.volume import VolumeLayout
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.fsio import Disk, used_bytes_below
from forebay.wire.cache import Replica, ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

if TYPE_CHECKING:
    from pathlib import Path

_log = structlog.get_logger("forebay.evict")

ConfirmLake = Callable[[Version], None]
"""Raises a ForebayError unless the lake was seen to hold every object of the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """What one eviction did. `error` is set when the replica stayed."""

    ref: str
    reason: str
    freed_bytes: int
    error: ForebayError | None = None


class Evictor:
    """Chooses and removes replicas of one volume."""

    def __init__(
        self,
        hub: Hub,
        layout: VolumeLayout,
        volume_id: str,
        *,
        policy: Policy,
        confirm_lake: ConfirmLake,
        disk: Disk,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._policy = policy
        self._confirm_lake = confirm_lake
        self._disk = disk
        self._clock = clock

    def decisions(self, missing_bytes: int = 0) -> list[Decision]:
        """What would go now and what stays, each with its reason; changes nothing."""
        volume = self._hub.volumes.get(self._volume_id)
        return decide(
            self.candidates(),
            self._policy,
            used_bytes=volume.used_bytes + volume.reserved_bytes,
            limit_bytes=volume.limit_bytes,
            missing_bytes=missing_bytes,
            now=self._clock.now(),
        )

    def candidates(self) -> list[Candidate]:
        """Every replica with the bytes that only it holds."""
        replicas = self._hub.replicas.all(self._volume_id)
        alone = self._alone_bytes(replicas)
        return [
            Candidate(
                replica=replica,
                alone_bytes=alone[replica.ref],
                refill_seconds=replica.fill_seconds * alone[replica.ref] / max(1, replica.size_bytes),
            )
            for replica in replicas
        ]

    def make_room(self, missing_bytes: int) -> int:
        """Evict what policy allows until `missing_bytes` are free or nothing more may go; the bytes freed."""
        freed_bytes = 0
        tried: set[str] = set()
        while freed_bytes < missing_bytes:
            going = [item for item in self.decisions(missing_bytes - freed_bytes) if item.evict]
            going = [item for item in going if item.candidate.replica.ref not in tried]
            if not going:
                break
            tried.add(going[0].candidate.replica.ref)
            freed_bytes += self.evict(going[0].candidate.replica, going[0].reason).freed_bytes
        return freed_bytes

    def sweep(self) -> list[Evicted]:
        """Evict everything that is due: stale, damaged, or above the high mark."""
        return [self.evict(item.candidate.replica, item.reason) for item in self.decisions() if item.evict]

    def evict(self, replica: Replica, reason: str) -> Evicted:
        """Remove one replica; an error is returned, not raised, so that one that will not go holds up no other."""
        try:
            version = self._hub.catalog.resolve(replica.ref)
            if replica.state is not ReplicaState.EVICTING:
                self._confirm_lake(version)
            freed_bytes = self._evict(version, reason)
        except ForebayError as error:
            _log.warning("eviction-failed", ref=replica.ref, kind=error.kind)
            return Evicted(ref=replica.ref, reason=reason, freed_bytes=0, error=error)
        return Evicted(ref=replica.ref, reason=reason, freed_bytes=freed_bytes)

    def _evict(self, version: Version, reason: str) -> int:
        grant = self._hub.replicas.begin_evict(self._volume_id, version, reason)
        # A fill that links one of these blobs meanwhile gives it its name again when it publishes.
        kept = self._digests_of_others(grant.replica)
        going = list(_not_in(self._digests(version), kept))
        tree = self._layout.tree(version.group, version.dataset, version.number)
        # One name per version: an eviction that is taken up again finds what the killed one left.
        trash = self._layout.trash / f"evicted-{version.group}-{version.dataset}-v{version.number}"
        stuck_before = self._disk.remove_tree(trash) if trash.exists() else []
        if tree.exists() and not stuck_before:
            discard(self._layout, tree, trash.name, self._disk)
        self._disk.make_directories(trash)
        for digest, _ in going:
            self._drop_blob(version.group, digest, trash)
        freed_bytes = sum(size_bytes for _, size_bytes in going) + described_bytes(trash)
        freed_bytes -= self._empty(trash, version)
        self._hub.replicas.finish_evict(self._volume_id, version, grant.token, max(0, freed_bytes))
        return max(0, freed_bytes)

    def _empty(self, trash: Path, version: Version) -> int:
        """Delete what was put into the trash; the bytes that could not be removed (they go on counting)."""
        stuck = self._disk.remove_tree(trash)
        if not stuck:
            return 0
        _log.warning("trash-stuck", ref=version.ref, files=len(stuck), first=str(stuck[0]))
        return used_bytes_below(trash)

    def _drop_blob(self, group: str, digest: str, trash: Path) -> None:
        with suppress(FileNotFoundError):
            self._disk.rename(self._layout.blob(group, digest), trash / digest)

    def _alone_bytes(self, replicas: Sequence[Replica]) -> dict[str, int]:
        """Per replica, the bytes of blobs that no other replica of its access group holds."""
        alone: dict[str, int] = {}
        for group in {replica.group for replica in replicas}:
            members = [replica for replica in replicas if replica.group == group]
            tables = [self._digests(self._hub.catalog.resolve(replica.ref)) for replica in members]
            counts = _holders(tables)
            for replica, table in zip(members, tables, strict=True):
                only = pc.is_in(table["digest"], value_set=counts)
                alone[replica.ref] = int(pc.sum(table.filter(only)["size_bytes"]).as_py() or 0)
        return alone

    def _digests_of_others(self, replica: Replica) -> pa.Array:
        others = [
            self._digests(self._hub.catalog.resolve(other.ref))
            for other in self._hub.replicas.all(self._volume_id)
            if other.group == replica.group and other.ref != replica.ref
        ]
        return pa.concat_tables([table.select(["digest"]) for table in others])["digest"] if others else None

    def _digests(self, version: Version) -> pa.Table:
        return distinct_digests(load_manifest(self._hub.catalog, version))


def _not_in(own: pa.Table, kept: pa.Array | None) -> Iterable[tuple[str, int]]:
    going = own if kept is None else own.filter(pc.invert(pc.is_in(own["digest"], value_set=kept)))
    for digest, size_bytes in zip(going["digest"].to_pylist(), going["size_bytes"].to_pylist(), strict=True):
        yield digest.hex(), size_bytes


def _holders(tables: Sequence[pa.Table]) -> pa.Array:
    """The digests that only one of the tables holds."""
    every = pa.concat_tables(tables).group_by("digest").aggregate([("size_bytes", "count")])
    return every.filter(pc.equal(every["size_bytes_count"], 1))["digest"]
