"""The `Hub` protocol: all that client, agent and command line may ask of a hub, embedded or remote.

A call either returns its value or raises a `ForebayError`; nothing here carries dataset bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from forebay.wire.cache import (
    CacheEvent,
    Claim,
    EvictGrant,
    FillDone,
    Holder,
    Lease,
    NoRoom,
    Progress,
    Replica,
    Reserved,
    Savings,
    Volume,
)
from forebay.wire.catalog import AddedVersion, Dataset, Lineage, NewVersion, TagMove, Version


class Catalog(Protocol):
    """Datasets, versions, manifests, tags and lineage."""

    def datasets(self) -> list[Dataset]:
        """All datasets, by name."""

    def dataset(self, name: str) -> Dataset:
        """One dataset; NotFoundError `dataset-not-found` with the nearest names."""

    def versions(self, name: str) -> list[Version]:
        """All versions of a dataset, newest first."""

    def resolve(self, ref: str) -> Version:
        """`name@v3`, `name@tag`, `name@<digest prefix>` or `name` (the latest); NotFoundError, InputError."""

    def store_manifest(self, parquet: Path) -> str:
        """Keep a manifest file (copied, checked); return its manifest digest. Idempotent."""

    def manifest_path(self, manifest_digest: str) -> Path:
        """A local file with that manifest. DamagedError when its content does not match the digest."""

    def store_seal(self, parquet: Path) -> str:
        """Keep a seal file (the learned digests, in the manifest's order); return its digest. Idempotent."""

    def seal_path(self, manifest_digest: str) -> Path | None:
        """A local file with the digests learned so far for that manifest; None while there are none."""

    def seal(self, manifest_digest: str, seal_digest: str) -> None:
        """Record learned digests. Known ones never change: ConflictError `digest-mismatch` names the path."""

    def add_version(self, new: NewVersion) -> AddedVersion:
        """Add a version (and its dataset when new). The same content as the latest version adds nothing."""

    def remove_version(self, dataset: str, number: int) -> None:
        """Forget a version. ConflictError while a tag, a child or a replica holds it."""

    def remove_dataset(self, name: str) -> None:
        """Forget a dataset with all its versions, on the same conditions."""

    def tag(self, dataset: str, tag: str, number: int, moved_by: str) -> TagMove:
        """Point a tag at a version."""

    def untag(self, dataset: str, tag: str, moved_by: str) -> TagMove:
        """Remove a tag; its history stays."""

    def tag_history(self, dataset: str, tag: str | None = None) -> list[TagMove]:
        """Every move of a tag (or of all tags), newest first."""

    def lineage(self, dataset: str, number: int) -> Lineage:
        """All ancestors and descendants."""


class Replicas(Protocol):
    """Volumes and what is on them: fills, leases, pins, evictions, and the ledger."""

    def add_volume(self, volume_id: str, path: str, limit_bytes: int) -> Volume:
        """Make a volume known, or update its path and limit."""

    def volume(self, volume_id: str) -> Volume:
        """One volume with its account; NotFoundError."""

    def replicas(self, volume_id: str) -> list[Replica]:
        """All replicas on a volume that are not absent."""

    def replica(self, volume_id: str, dataset: str, number: int) -> Replica | None:
        """One replica, or None when it is absent."""

    def claim(self, volume_id: str, version: Version, holder: Holder) -> Claim:
        """Ask for a replica: ready, or the right to fill it, or somebody to wait for."""

    def waiting(self, volume_id: str, dataset: str, number: int) -> Claim | None:
        """Look without claiming: Ready, Waiting, or None when nobody holds it."""

    def reserve(self, fill_id: str, token: int, need_bytes: int) -> Reserved | NoRoom:
        """Set bytes aside for a fill, before the first byte comes. Replaces the fill's earlier reservation."""

    def renew_fill(self, fill_id: str, token: int, progress: Progress) -> None:
        """Heartbeat with progress; ConflictError `fenced` when another holder has taken over."""

    def finish_fill(self, fill_id: str, token: int, done: FillDone) -> Replica:
        """The files are in place and marked complete; ConflictError `fenced` for a stale token."""

    def fail_fill(self, fill_id: str, token: int, reason: str, kept_bytes: int) -> None:
        """Give up: `kept_bytes` of verified leftovers stay under incoming/ for the next try (0: none do)."""

    def lease(self, volume_id: str, dataset: str, number: int, holder: Holder, moved_bytes: int) -> Lease:
        """Use a ready replica; ConflictError `not-ready` otherwise. Written to the ledger as one use."""

    def renew_lease(self, lease_id: str) -> Lease:
        """Heartbeat; ConflictError `lease-lost` when it had expired and the replica is no longer ready."""

    def release(self, lease_id: str) -> None:
        """End a lease. Idempotent."""

    def leases(self, volume_id: str) -> list[Lease]:
        """Live leases."""

    def pin(self, volume_id: str, dataset: str, number: int, by: str, reason: str, until: float) -> Replica:
        """Keep it until told otherwise (`until` 0) or until a moment."""

    def unpin(self, volume_id: str, dataset: str, number: int) -> Replica:
        """Take the pin away."""

    def confirm_lake(self, volume_id: str, dataset: str, number: int) -> None:
        """The lake was seen, now, to hold every object of this version."""

    def begin_evict(self, volume_id: str, dataset: str, number: int, reason: str) -> EvictGrant:
        """Mark `evicting`; ConflictError `in-use`, `pinned` or `not-ready`."""

    def finish_evict(self, volume_id: str, dataset: str, number: int, token: int, freed_bytes: int) -> None:
        """The files are gone and `freed_bytes` came free."""

    def mark_damaged(self, volume_id: str, dataset: str, number: int, reason: str) -> Replica:
        """A file does not match its digest: no new lease until it is filled again."""

    def adopt(self, volume_id: str, version: Version, token: int) -> Replica:
        """Recover: a complete, checked tree was found that the records did not know."""

    def forget(self, volume_id: str, dataset: str, number: int, reason: str) -> None:
        """Recover: the records named a replica that is not on the volume."""

    def abandon_fill(self, volume_id: str, dataset: str, number: int) -> None:
        """Recover: end a fill whose holder is gone and whose leftovers were removed."""

    def open_fills(self, volume_id: str) -> Sequence[str]:
        """Ids of fills that may own a folder under incoming/."""

    def set_used_bytes(self, volume_id: str, used_bytes: int) -> None:
        """Recover: replace the account by what was counted on the volume."""

    def events(self, volume_id: str, limit: int) -> list[CacheEvent]:
        """The volume's history, newest first."""

    def savings(self, volume_id: str) -> Savings:
        """What the cache saved against a download per use."""


class Hub(Protocol):
    """A hub: the embedded one on a local database, or a client of a remote one."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def replicas(self) -> Replicas: ...

    def close(self) -> None: ...
