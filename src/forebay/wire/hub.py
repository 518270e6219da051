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
    HealthReport,
    Holder,
    Lease,
    LedgerKey,
    NoRoom,
    OpenFill,
    Progress,
    Quota,
    Replica,
    Reserved,
    Savings,
    Use,
    Volume,
    Wish,
)
from forebay.wire.catalog import AddedVersion, Dataset, Lineage, NewSubset, NewVersion, TagMove, Version
from forebay.wire.downtimes import Downtimes
from forebay.wire.links import LinkRecord, Sources, Ticketed, TransferReport
from forebay.wire.previews import Previews
from forebay.wire.retention import Retention
from forebay.wire.rules import Rules
from forebay.wire.runs import Runs
from forebay.wire.sites import Sites


class Catalog(Protocol):
    """Datasets, versions, manifests, tags and lineage."""

    def datasets(self) -> list[Dataset]:
        """All datasets, by name."""

    def dataset(self, name: str) -> Dataset:
        """One dataset; NotFoundError `dataset-not-found` with the nearest names."""

    def versions(self, name: str, *, retired: bool = False) -> list[Version]:
        """The versions of a dataset, newest first; those that were `retired`, too, if asked for. No subsets."""

    def resolve(self, ref: str) -> Version:
        """`name@v3`, `name@tag`, `name@<digest prefix>` or `name` (the latest); NotFoundError, InputError.

        Each with a subset that was declared before, too: `name@v3[day_0*]`. The latest is never a retired one; a
        number names one, but to open, fill, tag or run on it is a ConflictError `version-retired`.
        """

    def store_manifest(self, parquet: Path) -> str:
        """Keep a manifest file (copied, checked); return its manifest digest. Idempotent."""

    def manifest_path(self, manifest_digest: str) -> Path:
        """A local file with that manifest. DamagedError when its content does not match the digest."""

    def store_seal(self, parquet: Path) -> str:
        """Keep a seal file (the learned digests, in the manifest's order); return its digest. Idempotent."""

    def seal_path(self, manifest_digest: str) -> Path | None:
        """A local file with the digests learned so far for that manifest; None while there are none."""

    def seal(self, manifest_digest: str, seal_digest: str) -> None:
        """Record learned digests. Known ones never change: ConflictError `digest-mismatch` names the path.

        A version and its subsets learn from each other.
        """

    def store_recipe(self, manifest_digest: str, parquet: Path) -> None:
        """Keep what the cut files of a subset's manifest are made of (catalog.recipe). The first one stays."""

    def recipe_path(self, manifest_digest: str) -> Path:
        """A local file with that recipe; NotFoundError `recipe-not-found`."""

    def add_version(self, new: NewVersion) -> AddedVersion:
        """Add a version (and its dataset when new). The same content as the latest version adds nothing.

        ConflictError `other-team` when the dataset is another team's than the one named.
        """

    def set_team(self, dataset: str, team: str) -> Dataset:
        """Whose quota the dataset's replicas count against, "" for nobody's; InputError `bad-team`."""

    def set_stale_after(self, dataset: str, seconds: float | None) -> Dataset:
        """How long its replicas may be idle: as the site has it (None), or for ever (0)."""

    def describe(self, dataset: str, description: str) -> Dataset:
        """What it is, in words that the search finds, "" for none; InputError `bad-description`."""

    def add_subset(self, new: NewSubset) -> Version:
        """Declare a subset of a version, or find the one of that name; it knows what its version's seal knows.

        InputError `bad-subset` when its manifest names a file that its version has not.
        """

    def remove_version(self, dataset: str, number: int) -> None:
        """Forget a version with its subsets. ConflictError while a tag, a child or a replica holds one of them."""

    def remove_dataset(self, name: str) -> None:
        """Forget a dataset with all its versions, on the same conditions."""

    def tag(self, dataset: str, tag: str, number: int, moved_by: str) -> TagMove:
        """Point a tag at a version."""

    def untag(self, dataset: str, tag: str, moved_by: str) -> TagMove:
        """Remove a tag; its history stays."""

    def tag_history(self, dataset: str, tag: str | None = None) -> list[TagMove]:
        """Every move of a tag (or of all tags), newest first."""

    def restore_version(self, new: NewVersion, number: int) -> Version:
        """Recover: put back a version (or a subset) under its old number; ConflictError when other content holds it."""

    def lineage(self, dataset: str, number: int) -> Lineage:
        """All ancestors and descendants."""


class Volumes(Protocol):
    """Volumes, their accounts, their history and the ledger."""

    def add(self, volume_id: str, path: str, limit_bytes: int, host: str = "") -> Volume:
        """Make a volume known, and its limit, and that this host has it at this path (others may have another)."""

    def get(self, volume_id: str) -> Volume:
        """One volume with its account; NotFoundError `volume-not-found`."""

    def at(self, path: str, host: str = "") -> Volume | None:
        """The volume that this host has seen at this path; the newest where there were several."""

    def set_used_bytes(self, volume_id: str, used_bytes: int, added_bytes: int | None = None) -> None:
        """Recover: replace the account by what was counted on the volume.

        `added_bytes` is what the volume said before the count began: what came onto the account since is added.
        """

    def free_bytes(self, volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        """Something that the account counted was deleted. A negative number: so much counts from now on.

        `counts` is what the volume said before the deletion began: nothing happens when it was counted since, as that
        count may have found the bytes gone already.
        """

    def report_health(self, volume_id: str, report: HealthReport) -> Volume:
        """A sign of the volume's health was seen: the volume with the state that follows from it."""

    def record(self, volume_id: str, ref: str, event: str, reason: str, size_bytes: int) -> None:
        """Add a line to the volume's history."""

    def events(self, volume_id: str, limit: int) -> list[CacheEvent]:
        """The volume's history, newest first."""

    def savings(self, volume_id: str, by: LedgerKey = LedgerKey.VERSION) -> list[Savings]:
        """What the cache saved against a download per use, added up by version, dataset, team or month."""

    def uses(self, volume_id: str, since: float = 0.0) -> list[Use]:
        """Every use since a moment, oldest first."""

    def quotas(self, volume_id: str) -> list[Quota]:
        """The teams' quotas on a volume, by team."""

    def set_quota(self, volume_id: str, team: str, limit_bytes: int) -> Quota:
        """Give a team a quota, or another one; InputError `bad-team`, NotFoundError `volume-not-found`."""

    def remove_quota(self, volume_id: str, team: str) -> None:
        """Take a team's quota away; NotFoundError `quota-not-found`."""


class Fills(Protocol):
    """Who moves a version to a volume (ONE-FILL), and the room for it (FITS)."""

    def claim(self, volume_id: str, version: Version, holder: Holder, *, dead_token: int = 0) -> Claim:
        """Ask for a replica: it is ready, or you may fill it, or somebody to wait for.

        With `dead_token` the asker vouches that the process which holds the fill under that token is dead: it has
        looked, on the machine where that process ran. Then it need not wait until the hold has run out.
        """

    def look(self, volume_id: str, version: Version) -> Claim | None:
        """The same without claiming: Ready, Waiting, or None when nobody holds it."""

    def reserve(
        self, fill_id: str, token: int, need_bytes: int, free_bytes: int, team_bytes: int = 0
    ) -> Reserved | NoRoom:
        """Set bytes aside for a fill, before the first byte comes; replaces the fill's earlier reservation.

        As the holder sees it: `free_bytes` is what the volume's file system has left, `team_bytes` what the dataset's
        team would hold with this version. The team's other fills come on top of that.
        """

    def renew(self, fill_id: str, token: int, progress: Progress) -> None:
        """Heartbeat with progress; ConflictError `fenced` when another holder has taken over."""

    def finish(self, fill_id: str, token: int, done: FillDone) -> Replica:
        """The files are in place and marked complete; ConflictError `fenced` for a stale token."""

    def fail(self, fill_id: str, token: int, reason: str, kept_bytes: int, *, damaged: bool = False) -> None:
        """Give up: `kept_bytes` that this fill brought stay on the volume for the next try (0: none do).

        `damaged`: the files of an earlier, damaged replica are still in their place. ConflictError `fenced`.
        """

    def prefer(self, volume_id: str, version: Version, entries: Sequence[int]) -> None:
        """Readers wait for these entries of the manifest: whoever fills the version shall move them next.

        Idempotent; nothing happens while nobody fills it. Wishes outlive a holder that is replaced, not the fill.
        """

    def wishes(self, fill_id: str, token: int, after: int) -> list[Wish]:
        """For the holder: the wishes behind number `after`, oldest first; none for a stale token."""

    def open_fills(self, volume_id: str) -> list[OpenFill]:
        """Fills that may own a folder under incoming/."""

    def abandon(self, fill_id: str) -> int:
        """End a fill whose holder is gone; ConflictError `in-use`.

        What it had reserved goes into the account, since its leftovers are still there: the number of bytes, which
        whoever deletes them reports as free.
        """


class Leases(Protocol):
    """Who uses a replica now (IN-USE)."""

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        """Use a ready replica; ConflictError `not-ready` otherwise. Written to the ledger as one use."""

    def renew(self, lease_id: str) -> Lease:
        """Heartbeat; ConflictError `lease-lost` when it was given up or its replica has gone."""

    def release(self, lease_id: str) -> None:
        """End a lease. Idempotent."""

    def live(self, volume_id: str) -> list[Lease]:
        """Leases that have not expired."""

    def lapsed(self, volume_id: str) -> list[Lease]:
        """Leases that ran out within the last week and were never given back; their holders may still renew them."""


class Replicas(Protocol):
    """Versions on volumes: what is there, what is kept, what goes."""

    def all(self, volume_id: str) -> list[Replica]:
        """All replicas on a volume that are not absent, by dataset and number."""

    def get(self, volume_id: str, version: Version) -> Replica | None:
        """One replica, or None when it is absent."""

    def pin(self, volume_id: str, version: Version, by: str, reason: str, until: float) -> Replica:
        """Keep it until told otherwise (`until` 0) or until a moment; NotFoundError when it is absent."""

    def unpin(self, volume_id: str, version: Version) -> Replica:
        """Take the pin away; NotFoundError when it is absent."""

    def confirm_lake(self, volume_id: str, version: Version) -> None:
        """The lake was seen, now, to hold every object of this version."""

    def begin_evict(self, volume_id: str, version: Version, reason: str) -> EvictGrant:
        """Mark `evicting`; ConflictError `in-use`, `pinned` or `not-ready`."""

    def renew_evict(self, volume_id: str, version: Version, token: int) -> None:
        """Heartbeat of an eviction; ConflictError `fenced` when another process goes on with it."""

    def abandon_evict(self, volume_id: str, version: Version, token: int) -> None:
        """The holder can't go on half way: whoever comes next may at once; ConflictError `fenced` as above."""

    def cancel_evict(self, volume_id: str, version: Version, token: int, reason: str, *, damaged: bool) -> None:
        """Nothing could be moved: it is ready (or damaged) again; ConflictError `fenced`."""

    def finish_evict(self, volume_id: str, version: Version, token: int, freed_bytes: int) -> None:
        """The files are gone and `freed_bytes` came free; ConflictError `fenced`."""

    def mark_verified(self, volume_id: str, version: Version, token: int) -> None:
        """Every file of the replica with this token was found to be what the manifest says; another one stays."""

    def mark_damaged(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> Replica:
        """A file does not match its digest: no new lease until it is filled again; ConflictError `not-ready`.

        With a `token`, only the replica that has it is meant, not one that was filled meanwhile.
        """

    def adopt(self, volume_id: str, version: Version, token: int, fill_seconds: float) -> Replica:
        """Recover: a complete tree was found that the records did not know."""

    def forget(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> None:
        """Recover: the records named a replica that is not on the volume.

        With a `token`, only the replica that has it is meant: ConflictError `not-ready` when it is another by now.
        """


class Links(Protocol):
    """How fast, how far and how dear it is from lakes and sites to sites, and fetching from each other."""

    def all(self) -> list[LinkRecord]:
        """Every link that was measured or declared, by source and target."""

    def report(self, volume_id: str, report: TransferReport) -> None:
        """A fill on this volume has moved something; concurrent reports lose nothing. InputError `bad-link`."""

    def declare(
        self,
        source: str,
        target: str,
        *,
        bandwidth_bytes_s: float | None = None,
        latency_s: float | None = None,
        price_byte: float | None = None,
    ) -> LinkRecord:
        """Say what is known of a link; what is None stays as it was said before. InputError `bad-link`.

        Bandwidth and latency are what is believed until transfers tell more; prices are never learned.
        """

    def forget(self, source: str, target: str) -> None:
        """Forget what was declared of a link and what was measured; NotFoundError `link-not-found`."""

    def serve(self, volume_id: str, url: str) -> None:
        """Others find this volume's blobs at that address for a minute and a half from now; "" ends it now."""

    def holders(self, fill_id: str, token: int, lake: str) -> Sources:
        """For a fill's holder: who has the version ready and serves it, with tickets; ConflictError `fenced`."""

    def ticketed(self, volume_id: str, ticket: str) -> Ticketed:
        """For who serves a volume: what this ticket is good for there, now; NotAllowedError `bad-ticket`."""

    def suspect(self, fill_id: str, token: int, volume_id: str, digest: str) -> None:
        """For a fill's holder: what that volume served as this blob was something else. It is to be verified there."""


class Hub(Protocol):
    """A hub: the embedded one on a local database, or a client of a remote one."""

    @property
    def owner(self) -> str:
        """The hub's own id: volumes are marked with it."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def volumes(self) -> Volumes: ...

    @property
    def fills(self) -> Fills: ...

    @property
    def leases(self) -> Leases: ...

    @property
    def replicas(self) -> Replicas: ...

    @property
    def links(self) -> Links: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def sites(self) -> Sites: ...

    @property
    def downtimes(self) -> Downtimes: ...

    @property
    def rules(self) -> Rules: ...

    @property
    def runs(self) -> Runs: ...

    @property
    def previews(self) -> Previews: ...

    def close(self) -> None: ...
