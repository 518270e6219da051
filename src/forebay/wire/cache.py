"""What the hub knows about volumes, replicas, fills, leases and pins.

Values only. A `token` is a fencing token: it grows with every grant on a volume, and a report that carries an older
one than the record is refused. Where there are several kinds of answer, `answer` names the kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from forebay.wire.catalog import ref_of


class ReplicaState(StrEnum):
    """absent -> filling -> ready -> evicting -> absent; `damaged` is left by filling again."""

    ABSENT = "absent"
    FILLING = "filling"
    READY = "ready"
    EVICTING = "evicting"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a fill or a lease: shown to people, never used to decide.

    `process` is that very process among all that a machine ever ran (see forebay.vouch), "" where it can't be told:
    who waits on the same machine sees by it that the holder is dead.
    """

    user: str
    host: str
    pid: int
    purpose: str
    process: str = ""

    def __str__(self) -> str:
        return f"{self.user} on {self.host} (pid {self.pid}, {self.purpose})"


class VolumeState(StrEnum):
    """The health of a volume; `cache.health` says what each allows."""

    NORMAL = "normal"
    UNSTABLE = "unstable"
    DOWN = "down"


class Sign(StrEnum):
    """What was seen of a volume's health; `gone` means that it is not mounted, or not ours."""

    GOOD = "good"
    BAD = "bad"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """One sign, with the reason of a bad one."""

    sign: Sign
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume and its account: `used_bytes` of files and trash, `reserved_bytes` of fills with their temp files.

    `path` is where it was seen first; each host may have it somewhere else.
    `bandwidth_bytes_s` is what lately came from the lake in a second of a fill; 0 while nothing did.
    `added_bytes` ever came onto the account, and `counts` times it was replaced: see `set_used_bytes`, `free_bytes`.
    """

    volume_id: str
    path: str
    limit_bytes: int
    used_bytes: int
    reserved_bytes: int
    state: VolumeState = VolumeState.NORMAL
    state_reason: str = ""
    state_since: float = 0.0
    bandwidth_bytes_s: float = 0.0
    added_bytes: int = 0
    counts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The most that a team's replicas may hold of a volume; what two of them share counts once."""

    volume_id: str
    team: str
    limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a fill is. `present_*` was on the volume before; `moved_*` came over the network in this fill.

    `peer_bytes` of the moved ones came from other sites, the rest from the lake. Beside those, `again_bytes` came from
    the lake, for files whose first bytes were not what they should be.
    """

    total_files: int = 0
    total_bytes: int = 0
    present_files: int = 0
    present_bytes: int = 0
    moved_files: int = 0
    moved_bytes: int = 0
    again_bytes: int = 0
    peer_bytes: int = 0

    @property
    def lake_bytes(self) -> int:
        """All that was read from the lake."""
        return self.moved_bytes - self.peer_bytes + self.again_bytes

    @property
    def done_bytes(self) -> int:
        return self.present_bytes + self.moved_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One version, or a subset of one, on one volume, with the reason of its state, and since when.

    `fill_bytes` is what its fill moved in `fill_seconds`. `team` and `stale_after_s` are its dataset's. Of a retired
    version it goes from `release_at` on (0: it is not retired).
    """

    volume_id: str
    dataset: str
    number: int
    group: str
    manifest_digest: str
    state: ReplicaState
    reason: str
    since: float
    token: int
    files: int
    size_bytes: int
    fill_seconds: float
    last_used_at: float
    lake_confirmed_at: float
    attempts: int
    leases: int
    pinned_by: str
    pin_reason: str
    pin_until: float
    verified_at: float = 0.0
    """When every file was last seen to be what the manifest says; 0: not since recover found it."""
    subset: str = ""
    selection: str = ""
    fill_bytes: int = 0
    team: str = ""
    stale_after_s: float | None = None
    release_at: float = 0.0

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The replica is ready; take a lease."""

    replica: Replica
    answer: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """You hold the fill. `fill_id` names its folder under incoming/ and stays the same over takeovers."""

    replica: Replica
    fill_id: str
    token: int
    takeover: bool
    answer: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Somebody else fills (or evicts) it: wait and ask again. `process` is the filling holder's.

    `fill_id` is empty while it is evicted.
    """

    replica: Replica
    holder: str
    progress: Progress
    process: str = ""
    fill_id: str = ""
    answer: Literal["waiting"] = "waiting"


Claim = Ready | Granted | Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFill:
    """A fill under way, or one that failed and left something for the next try (`live` False)."""

    fill_id: str
    ref: str
    token: int
    holder: str
    live: bool
    reserved_bytes: int
    progress: Progress
    process: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A reader waits for this entry of the manifest (by its row); `number` grows from wish to wish of a fill."""

    number: int
    entry: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The bytes are set aside for this fill."""

    reserved_bytes: int
    answer: Literal["reserved"] = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """`missing_bytes` must be freed first; `never` when the limit could not hold it even when all else had gone.

    Of the volume, or of the team's `quota` where there is one: then only the team's own replicas may go.
    """

    missing_bytes: int
    never: bool
    quota: Quota | None = None
    answer: Literal["no-room"] = "no-room"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillDone:
    """The holder's report: what the fill added to the volume, what it moved, and what it learned.

    `moved_bytes` came from the lake, `peer_bytes` from other sites.

    `learned_files` are those whose digest was learned with nothing to check it against.
    """

    added_bytes: int
    moved_bytes: int
    present_bytes: int
    seconds: float
    seal_digest: str
    learned_files: int = 0
    peer_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Somebody is using a replica now, until `expires_at` unless it is renewed."""

    lease_id: str
    volume_id: str
    dataset: str
    number: int
    holder: Holder
    token: int
    granted_at: float
    expires_at: float
    subset: str = ""

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictGrant:
    """The replica is marked `evicting`: remove its files, then report with this token."""

    replica: Replica
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEvent:
    """One line of a volume's history: what happened to which replica, and why."""

    at: float
    volume_id: str
    ref: str
    event: str
    reason: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a version, as the ledger has it."""

    at: float
    ref: str
    size_bytes: int


class LedgerKey(StrEnum):
    """What the ledger is added up by. A month is one of UTC, as `2026-12`."""

    VERSION = "version"
    DATASET = "dataset"
    TEAM = "team"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """`uses` opened `conventional_bytes` in all (a download for each); only `moved_bytes` came from the lake.

    `peer_bytes` came from other sites.
    `seconds_saved` is what those downloads would have taken at the bandwidth measured here, less what the fills took.
    """

    by: LedgerKey
    key: str
    uses: int
    conventional_bytes: int
    moved_bytes: int
    seconds_saved: float
    peer_bytes: int = 0

    @property
    def saved_bytes(self) -> int:
        return max(0, self.conventional_bytes - self.moved_bytes)
