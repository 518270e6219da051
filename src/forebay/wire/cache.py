"""What the hub knows about volumes, replicas, fills, leases and pins.

Values only. A `token` is a fencing token: it grows with every grant on a volume, and a report that carries an older
one than the record is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
    """Who holds a fill or a lease: shown to people, never used to decide."""

    user: str
    host: str
    pid: int
    purpose: str

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
    """A volume and its account: `used_bytes` of files and trash, `reserved_bytes` of fills with their temp files."""

    volume_id: str
    path: str
    limit_bytes: int
    used_bytes: int
    reserved_bytes: int
    state: VolumeState = VolumeState.NORMAL
    state_reason: str = ""
    state_since: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a fill is. `present_*` was on the volume before; `moved_*` came over the network in this fill."""

    total_files: int = 0
    total_bytes: int = 0
    present_files: int = 0
    present_bytes: int = 0
    moved_files: int = 0
    moved_bytes: int = 0

    @property
    def done_bytes(self) -> int:
        return self.present_bytes + self.moved_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One version, or a subset of one, on one volume, with the reason of its state, and since when."""

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

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number, self.subset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The replica is ready; take a lease."""

    replica: Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """You hold the fill. `fill_id` names its folder under incoming/ and stays the same over takeovers."""

    replica: Replica
    fill_id: str
    token: int
    takeover: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Somebody else fills (or evicts) it: wait and ask again."""

    replica: Replica
    holder: str
    progress: Progress


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """The bytes are set aside for this fill."""

    reserved_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRoom:
    """`missing_bytes` must be freed first; `never` when the volume's limit could not hold it even when empty."""

    missing_bytes: int
    never: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FillDone:
    """The holder's report: what the fill added to the volume, what it moved, and what it learned."""

    added_bytes: int
    moved_bytes: int
    present_bytes: int
    seconds: float
    seal_digest: str


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
class Savings:
    """`uses` opened `conventional_bytes` in all (a download for each); only `moved_bytes` came from the lake."""

    ref: str
    uses: int
    conventional_bytes: int
    moved_bytes: int

    @property
    def saved_bytes(self) -> int:
        return max(0, self.conventional_bytes - self.moved_bytes)
