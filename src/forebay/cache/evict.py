"""Carries out evictions: mark at the hub, rename into the trash, delete, report.

Killed in between, the replica stays `evicting` until somebody takes the eviction up: every step can be done twice.
Blobs that another replica of the access group still lists are never touched, nor is a tree that came after the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.contents import distinct_digests, replica_manifest
from forebay.cache.disk_errors import disk_error
from forebay.cache.grip import Grip
from forebay.cache.machine import Terms
from forebay.cache.place import discard, is_complete
from forebay.cache.policy import Candidate, Decision, Policy, decide
from forebay.cache.volume import VolumeLayout
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError
from forebay.fsio import Disk, freed_bytes_below
from forebay.log import get_logger
from forebay.wire.cache import EvictGrant, Replica, ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_log = get_logger("evict")

_FREES = ".frees-"

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
        terms: Terms,
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._policy = policy
        self._confirm_lake = confirm_lake
        self._disk = disk
        self._clock = clock
        self._terms = terms
        # What a sealed manifest lists never changes.
        self._known: dict[str, pa.Table] = {}

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
            hold_seconds=self._terms.hold_seconds,
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
            # Asked again after each one: what it shared with others is theirs alone now.
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

        def renew() -> None:
            self._hub.replicas.renew_evict(self._volume_id, version, grant.token)

        with Grip("evict-heart", renew, bool, terms=self._terms, clock=self._clock) as grip:
            try:
                trash = self._take_away(version, grant, grip)
                freed_bytes = self._empty(trash, version, grant.token)
            except OSError as error:
                self._put_back(version, grant, error)
                raise disk_error(error, self._layout.root) from error
        self._hub.replicas.finish_evict(self._volume_id, version, grant.token, freed_bytes)
        return freed_bytes

    def _take_away(self, version: Version, grant: EvictGrant, grip: Grip) -> Path:
        """Rename the tree, then the blobs that nobody else lists, into a folder of the trash."""
        tree = self._tree(version)
        going = self._going(version, grant.replica)
        # One name per version: an eviction that is taken up again finds what the killed one left.
        trash = self._layout.trash / f"evicted-{version.group}-{version.dataset}-{tree.name}"
        self._disk.make_directories(trash)
        grip.check()
        if tree.exists():
            # Begun anew: what an earlier eviction of this version could not remove was reported then.
            for stuck in _doomed(trash):
                self._disk.remove_tree(stuck)
            name = f"{trash.name}/tree-{grant.token}"
            if discard(self._layout, tree, name, self._disk, before=grant.token) is None:
                raise ConflictError("fenced", f"{version.ref} was filled again while its eviction was paused")
        for digest in going:
            grip.check()
            with suppress(FileNotFoundError):
                self._disk.rename(self._layout.blob(version.group, digest), trash / digest)
        return trash

    def _put_back(self, version: Version, grant: EvictGrant, error: OSError) -> None:
        """The volume refused: when the tree is still in its place, nothing has happened to the replica.

        ConflictError `fenced` when it refused because somebody else has gone on with this eviction.
        """
        tree, replicas = self._tree(version), self._hub.replicas
        try:
            if tree.exists():
                why, damaged = f"its eviction failed: {error.strerror}", not is_complete(tree)
                replicas.cancel_evict(self._volume_id, version, grant.token, why, damaged=damaged)
            else:
                replicas.renew_evict(self._volume_id, version, grant.token)
        except ConflictError:
            raise
        except ForebayError as second:
            _log.warning("eviction-not-cancelled", ref=version.ref, kind=second.kind)

    def _empty(self, trash: Path, version: Version, token: int) -> int:
        """Delete what was put into the trash; the bytes that came free (what could not be removed goes on counting)."""
        # The name says what a folder's deletion frees: whoever ends it for a killed process knows it all the same.
        self._disk.rename(trash, trash.with_name(f"{trash.name}{_FREES}{freed_bytes_below(trash)}-{token}"))
        freed_bytes = 0
        for doomed in _doomed(trash):
            freed_bytes += int(doomed.name.rpartition(_FREES)[2].partition("-")[0])
            if stuck := self._disk.remove_tree(doomed):
                _log.warning("trash-stuck", ref=version.ref, files=len(stuck), first=str(stuck[0]))
                freed_bytes -= freed_bytes_below(doomed)
        return max(0, freed_bytes)

    def _going(self, version: Version, replica: Replica) -> list[str]:
        """The blobs that go with a replica: those that no other one lists, none while another one can't be read."""
        others = [
            other
            for other in self._hub.replicas.all(self._volume_id)
            if other.group == replica.group and other.ref != replica.ref
        ]
        try:
            kept = [self._digests(other) for other in others]
            own = self._digests(replica)
        except ForebayError as error:
            _log.warning("blobs-kept", ref=version.ref, kind=error.kind, why=error.message)
            return []
        # A fill that links one of these blobs meanwhile gives it its name again when it publishes.
        return [digest.hex() for digest in _not_in(own, kept)["digest"].to_pylist()]

    def _alone_bytes(self, replicas: Sequence[Replica]) -> dict[str, int]:
        """Per replica, the bytes of blobs that no other replica of its access group holds; 0 for an unreadable one."""
        alone = dict.fromkeys((replica.ref for replica in replicas), 0)
        for group in {replica.group for replica in replicas}:
            tables: dict[str, pa.Table] = {}
            for replica in replicas:
                with suppress(ForebayError):
                    if replica.group == group:
                        tables[replica.ref] = self._digests(replica)
            if tables:
                only = _held_once(list(tables.values()))
                for ref, table in tables.items():
                    mine = table.filter(pc.is_in(table["digest"], value_set=only))
                    alone[ref] = int(pc.sum(mine["size_bytes"]).as_py() or 0)
        return alone

    def _digests(self, replica: Replica) -> pa.Table:
        known = self._known.get(replica.manifest_digest)
        if known is not None:
            return known
        version = self._hub.catalog.resolve(replica.ref)
        manifest = replica_manifest(self._hub.catalog, version, self._tree(version))
        digests = distinct_digests(manifest)
        if manifest.sealed:
            self._known[replica.manifest_digest] = digests
        return digests

    def _tree(self, version: Version) -> Path:
        return self._layout.tree_of(version)


def _doomed(trash: Path) -> list[Path]:
    return sorted(trash.parent.glob(f"{trash.name}{_FREES}*"))


def _not_in(own: pa.Table, others: Sequence[pa.Table]) -> pa.Table:
    for other in others:
        own = own.filter(pc.invert(pc.is_in(own["digest"], value_set=other["digest"])))
    return own


def _held_once(tables: Sequence[pa.Table]) -> pa.ChunkedArray:
    """The digests that only one of the tables holds."""
    every = pa.concat_tables(tables).group_by("digest").aggregate([("size_bytes", "count")])
    return every.filter(pc.equal(every["size_bytes_count"], 1))["digest"]
