"""Carries out evictions: mark at the hub, rename into the trash, delete, report.

Killed in between, the replica stays `evicting` until somebody takes the eviction up: every step can be done twice.
Blobs that another replica of the access group still lists are never touched, nor is a tree that came after the mark.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from forebay.cache import quarantine, stuck
from forebay.cache.bandwidth import bandwidths
from forebay.cache.disk_errors import disk_error
from forebay.cache.grip import Grip
from forebay.cache.holdings import Holder, Holdings
from forebay.cache.machine import Terms
from forebay.cache.place import discard, is_complete
from forebay.cache.policy import Candidates, Decision, Decisions, Policy, TeamQuota, decide
from forebay.cache.shares import Shares
from forebay.cache.stuck import FREES
from forebay.cache.trial import Trial
from forebay.cache.volume import VolumeLayout, tree_name
from forebay.clock import Clock
from forebay.errors import ConflictError, ForebayError, UnavailableError
from forebay.fsio import Disk, freed_bytes_below
from forebay.log import get_logger
from forebay.vouch import seen_alive
from forebay.wire.cache import EvictGrant, Quota, Replica, ReplicaState, Volume
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_log = get_logger("evict")

ConfirmLake = Callable[[Version], None]
"""Raises a ForebayError unless the lake was seen to hold every object of the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """What one eviction did. `error` is set when the replica stayed; `stuck` is what would not be removed.

    The bytes of what is stuck go on counting; every sweep tries it again.
    """

    ref: str
    reason: str
    freed_bytes: int
    error: ForebayError | None = None
    stuck: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamUse:
    """A quota, and what its team's replicas hold of the volume."""

    quota: Quota
    held_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """What a team holds of the volume, and what would go with the next sweep."""

    held_bytes: int
    decisions: Decisions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """The replicas, a trial of them in that order, and who shares what within each team that has a quota.

    For one decision: the trial is used up by it. `lost` as in `Candidates`.
    """

    replicas: Sequence[Replica]
    trial: Trial
    lost: frozenset[str] = frozenset()
    teams: Sequence[tuple[Quota, Shares]] = ()


def decide_on(
    seen: Seen,
    volume: Volume,
    policy: Policy,
    *,
    missing_bytes: int,
    team_missing_bytes: Mapping[str, int],
    now: float,
    hold_seconds: float,
) -> Decisions:
    """What policy says to all that was seen; what a fill lacks within its team's quota by the team."""
    return decide(
        Candidates(
            replicas=seen.replicas,
            bandwidths_bytes_s=bandwidths(seen.replicas, volume.bandwidth_bytes_s),
            trial=seen.trial,
            lost=seen.lost,
        ),
        policy,
        used_bytes=volume.used_bytes + volume.reserved_bytes,
        limit_bytes=volume.limit_bytes,
        missing_bytes=missing_bytes,
        now=now,
        hold_seconds=hold_seconds,
        quotas=[
            TeamQuota(
                quota=quota,
                held_bytes=held.held_bytes,
                trial=held.trial(item.ref for item in seen.replicas),
                missing_bytes=team_missing_bytes.get(quota.team, 0),
            )
            for quota, held in seen.teams
        ],
    )


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
        self.confirm_lake = confirm_lake
        self._disk = disk
        self._clock = clock
        self._terms = terms
        self._holdings = Holdings(hub.catalog, layout)
        self._lock = threading.Lock()  # around the holdings

    def decisions(self, missing_bytes: int = 0, *, team: str = "", team_missing_bytes: int = 0) -> Decisions:
        """What would go now and what stays, each with its reason; changes nothing.

        `missing_bytes` a fill lacks on the volume, `team_missing_bytes` within a team's quota.
        """
        return self._decide(self._look(), missing_bytes, {team: team_missing_bytes})

    def _decide(
        self, seen: Seen, missing_bytes: int = 0, team_missing_bytes: Mapping[str, int] | None = None
    ) -> Decisions:
        return decide_on(
            seen,
            self._hub.volumes.get(self._volume_id),
            self._policy,
            missing_bytes=missing_bytes,
            team_missing_bytes=team_missing_bytes or {},
            now=self._clock.now(),
            hold_seconds=self._terms.hold_seconds,
        )

    def frees(self, refs: Sequence[str]) -> list[int]:
        """What comes free as these go one after another: what two of them share, with the second one."""
        replicas = self._hub.replicas.all(self._volume_id)
        with self._lock:
            trial = self._holdings.update(replicas).trial(refs)
        freed: list[int] = []
        for at in range(len(refs)):
            freed.append(trial.alone_bytes[at])
            trial.release((at,))
        return freed

    def team_uses(self) -> list[TeamUse]:
        """Every quota on the volume, and what is held under it."""
        return [TeamUse(quota=quota, held_bytes=held.held_bytes) for quota, held in self._look().teams]

    def under_quota(self, team: str, limit_bytes: int) -> Planned:
        """What a team holds, and what would be due if that were its quota; changes nothing."""
        seen = self._look()
        quota = Quota(volume_id=self._volume_id, team=team, limit_bytes=limit_bytes)
        with self._lock:
            held = self._holdings.of_team(team, _whole(seen.replicas))
        others = [(other, their) for other, their in seen.teams if other.team != team]
        decisions = self._decide(replace(seen, teams=[*others, (quota, held)]))
        return Planned(held_bytes=held.held_bytes, decisions=decisions)

    def team_bytes(self, of: Holder, team: str) -> int:
        """What a team would hold with this here too; 0 for one without a quota."""
        if all(quota.team != team for quota in self._hub.volumes.quotas(self._volume_id)):
            return 0
        replicas = self._hub.replicas.all(self._volume_id)
        with self._lock:
            self._holdings.update(replicas)
            held = self._holdings.of_team(team, _whole(replicas))
            more_bytes = held.added_bytes(of.group, self._holdings.digests(of)) + self._holdings.unknown_bytes(of)
        return held.held_bytes + more_bytes

    def make_room(self, missing_bytes: int) -> int:
        """Evict what policy allows until `missing_bytes` are free or nothing more may go; the bytes freed."""
        freed_bytes = 0
        tried: set[str] = set()
        while freed_bytes < missing_bytes:
            going = self._untried(self.decisions(missing_bytes - freed_bytes), tried)
            if not going:
                break
            # Decided on again only when these were not enough: one of them would not go.
            for item in going:
                if freed_bytes < missing_bytes:
                    tried.add(item.candidate.replica.ref)
                    freed_bytes += self.evict(item.candidate.replica, item.reason).freed_bytes
        return freed_bytes

    def make_team_room(self, team: str, missing_bytes: int) -> bool:
        """Evict a team's own replicas until so much has come free of its quota; whether anything went.

        Nothing goes where that would not be enough.
        """
        tried: set[str] = set()
        while True:
            decisions = self.decisions(team=team, team_missing_bytes=missing_bytes)
            if decisions.team_freed_bytes(team) < missing_bytes:
                return False
            going = [item for item in self._untried(decisions, tried) if item.candidate.replica.team == team]
            tried |= {item.candidate.replica.ref for item in going}
            gone = [self.evict(item.candidate.replica, item.reason).error is None for item in going]
            if not going or any(gone):
                return bool(going)

    def sweep(self) -> list[Evicted]:
        """Evict everything that is due: stale, damaged, over a quota, or above the high mark."""
        self.clear_quarantine()
        self.clear_stuck()
        return [self.evict(item.candidate.replica, item.reason) for item in self.decisions().going]

    def clear_quarantine(self) -> int:
        """Delete what has rested in quarantine for its week; the bytes that came free."""
        if not (going := quarantine.rested(self._layout, self._clock.now())):
            return 0
        counts = self._hub.volumes.get(self._volume_id).counts
        freed_bytes, _ = stuck.try_again(self._layout, going, (), self._attempt(), self._disk)
        if freed_bytes:
            self._hub.volumes.free_bytes(self._volume_id, freed_bytes, counts)
        return freed_bytes

    def clear_stuck(self) -> list[Path]:
        """Try what earlier evictions could not remove; what is stuck still."""
        blobs, left = stuck.notes(self._layout), stuck.left_over(self._layout)
        if not blobs and not left:
            return []
        # In this order: an eviction that ends in between has reported what it left.
        replicas = self._hub.replicas.all(self._volume_id)
        busy = {_trash_name(item) for item in replicas if item.state is ReplicaState.EVICTING}
        left = [path for path in left if path.name.partition(FREES)[0] not in busy]
        free = self._unlisted(blobs, replicas)
        counts = self._hub.volumes.get(self._volume_id).counts
        freed_bytes, still = stuck.try_again(self._layout, left, free, self._attempt(), self._disk)
        if freed_bytes:
            self._hub.volumes.free_bytes(self._volume_id, freed_bytes, counts)
        if still:
            _log.warning("stuck", files=len(still), first=str(still[0]))
        return still

    def _attempt(self) -> str:
        """A name that no other attempt to delete something has."""
        return f"{self._clock.now():.6f}-{threading.get_ident()}"

    def evict(self, replica: Replica, reason: str) -> Evicted:
        """Remove one replica; an error is returned, not raised, so that one that will not go holds up no other."""
        try:
            version = self._hub.catalog.resolve(replica.ref)
            self._refuse_used(replica)
            self._confirm(version, replica)
            return self._evict(version, reason)
        except ForebayError as error:
            _log.warning("eviction-failed", ref=replica.ref, kind=error.kind)
            return Evicted(ref=replica.ref, reason=reason, freed_bytes=0, error=error)

    def _refuse_used(self, replica: Replica) -> None:
        """IN-USE: a lease that has run out proves nothing, as the clock may have jumped: a live holder renews it."""
        for lease in self._hub.leases.lapsed(self._volume_id):
            if (lease.ref, lease.token) == (replica.ref, replica.token) and seen_alive(lease.holder.process):
                why = f"{replica.ref} is in use by {lease.holder}, which has not renewed its lease lately"
                raise ConflictError("in-use", why, todo="It goes when that process has closed it or ended.")

    def _confirm(self, version: Version, replica: Replica) -> None:
        """See that the lake has all of it. An eviction that was begun and has moved nothing is taken back if not."""
        begun = replica.state is ReplicaState.EVICTING
        if begun and not is_complete(self._tree(version)):
            return
        try:
            self.confirm_lake(version)
        except ForebayError as error:
            if begun:
                grant = self._hub.replicas.begin_evict(self._volume_id, version, replica.reason)
                self._leave(version, grant, f"its eviction was taken back: {error.message}")
            raise

    def _leave(self, version: Version, grant: EvictGrant, why: str) -> None:
        """The replica is what it was before when its tree is still in its place; or else whoever comes next goes on."""
        tree, replicas = self._tree(version), self._hub.replicas
        if tree.exists():
            damaged = not is_complete(tree)
            replicas.cancel_evict(self._volume_id, version, grant.token, why, damaged=damaged)
        else:
            replicas.abandon_evict(self._volume_id, version, grant.token)

    def _evict(self, version: Version, reason: str) -> Evicted:
        grant = self._hub.replicas.begin_evict(self._volume_id, version, reason)

        def renew() -> None:
            self._hub.replicas.renew_evict(self._volume_id, version, grant.token)

        with Grip("evict-heart", renew, bool, terms=self._terms, clock=self._clock) as grip:
            try:
                trash, held_fast = self._take_away(version, grant, grip)
                freed_bytes, left = self._empty(trash, grant.token)
                # What is reported as free must not be back after a power cut.
                self._disk.sync_file_system(self._layout.root)
                self._layout.require_here()
            except OSError as error:
                self._put_back(version, grant, error)
                raise disk_error(error, self._layout.root) from error
        self._hub.replicas.finish_evict(self._volume_id, version, grant.token, freed_bytes)
        stays = (*held_fast, *left)
        if stays:
            why = f"{len(stays)} files could not be removed (first: {stays[0]}); tried again with every sweep"
            self._hub.volumes.record(self._volume_id, version.ref, "stuck", why, 0)
            _log.warning("stuck", ref=version.ref, files=len(stays), first=str(stays[0]))
        return Evicted(ref=version.ref, reason=reason, freed_bytes=freed_bytes, stuck=stays)

    def _take_away(self, version: Version, grant: EvictGrant, grip: Grip) -> tuple[Path, list[Path]]:
        """Rename the tree, then the blobs that nobody else lists, into a folder of the trash; and what would not go.

        A blob that refuses is noted and left: the replica is gone all the same, and its version may come again.
        """
        self._layout.require_here()
        tree = self._tree(version)
        going = self._going(version, grant.replica)
        held_fast: list[Path] = []
        # One name per version: an eviction that is taken up again finds what the killed one left.
        trash = self._layout.trash / _trash_name(grant.replica)
        self._disk.make_directories(trash)
        grip.check()
        if tree.exists():
            # Begun anew: what an earlier eviction of this version could not remove was reported then.
            for earlier in _doomed(trash):
                self._disk.remove_tree(earlier)
            name = f"{trash.name}/tree-{grant.token}"
            if discard(self._layout, tree, name, self._disk, before=grant.token) is None:
                raise ConflictError("fenced", f"{version.ref} was filled again while its eviction was paused")
        for digest in going:
            grip.check()
            blob = self._layout.blob(version.group, digest)
            try:
                with suppress(FileNotFoundError):
                    self._disk.rename(blob, trash / digest)
            except OSError as error:
                if not stuck.refuses_one(error):
                    raise
                stuck.note(self._layout, version.group, digest, self._disk)
                held_fast.append(blob)
        return trash, held_fast

    def _put_back(self, version: Version, grant: EvictGrant, error: OSError) -> None:
        """The volume refused: when the tree is still in its place, nothing has happened to the replica.

        ConflictError `fenced` when it refused because somebody else has gone on with this eviction.
        """
        try:
            self._leave(version, grant, f"its eviction failed: {error.strerror}")
        except ConflictError:
            raise
        except ForebayError as second:
            _log.warning("eviction-not-cancelled", ref=version.ref, kind=second.kind)

    def _empty(self, trash: Path, token: int) -> tuple[int, list[Path]]:
        """Delete what was put into the trash; the bytes that came free, and what stays and goes on counting."""
        # The name says what a folder's deletion frees: whoever ends it for a killed process knows it all the same.
        self._disk.rename(trash, trash.with_name(f"{trash.name}{FREES}{freed_bytes_below(trash)}-{token}"))
        freed_bytes, left = 0, list[Path]()
        for doomed in _doomed(trash):
            freed_bytes += int(doomed.name.rpartition(FREES)[2].partition("-")[0])
            if stays := self._disk.remove_tree(doomed):
                freed_bytes -= freed_bytes_below(doomed)
                left += stays
        return max(0, freed_bytes), left

    def _going(self, version: Version, replica: Replica) -> list[str]:
        """The blobs that go with a replica: those that no other one lists, none while another one can't be read."""
        with self._lock:
            shares = self._holdings.update(self._hub.replicas.all(self._volume_id))
            told = self._holdings.unreadable.get(replica.group)
            if isinstance(told, UnavailableError):
                # A hub that is away says nothing about the blobs, and nothing has moved yet: the eviction waits.
                raise told
            if told:
                _log.warning("blobs-kept", ref=version.ref, kind=told.kind, why=told.message)
                return []
            # A fill that links one of these blobs meanwhile gives it its name again when it publishes.
            going = shares.only(replica.ref) if replica.ref in shares else []
            kept = self._placed_by_fills(replica)
        return [digest for digest in going if digest not in kept]

    def _placed_by_fills(self, replica: Replica) -> set[str]:
        """The digests of versions that a fill is not done with: its reservation covers the blobs it placed."""
        known = {other.ref for other in self._hub.replicas.all(self._volume_id)}
        kept: set[str] = set()
        for ref in {fill.ref for fill in self._hub.fills.open_fills(self._volume_id)} - known:
            version = self._hub.catalog.resolve(ref)
            if version.group == replica.group:
                kept |= {digest.hex() for digest in self._holdings.digests(version)["digest"].to_pylist()}
        return kept

    def _look(self) -> Seen:
        replicas = self._hub.replicas.all(self._volume_id)
        quotas = self._hub.volumes.quotas(self._volume_id)
        whole = _whole(replicas)
        with self._lock:
            trial = self._holdings.trial(replicas)
            teams = [(quota, self._holdings.of_team(quota.team, whole)) for quota in quotas]
        damaged = [item for item in replicas if item.state is ReplicaState.DAMAGED]
        lost = frozenset(item.ref for item in damaged if not self._place(item).exists())
        return Seen(replicas=replicas, trial=trial, teams=teams, lost=lost)

    def _unlisted(self, blobs: Sequence[tuple[str, str]], replicas: Sequence[Replica]) -> list[tuple[str, str]]:
        """Those that no replica of their group lists; none while one can't be read."""
        with self._lock:
            shares = self._holdings.update(replicas)
            sound = [item for item in blobs if item[0] not in self._holdings.unreadable]
            return [item for item in sound if not shares.holds(*item)]

    def _untried(self, decisions: Decisions, tried: set[str]) -> list[Decision]:
        return [item for item in decisions.going if item.candidate.replica.ref not in tried]

    def _tree(self, version: Version) -> Path:
        return self._layout.tree_of(version)

    def _place(self, replica: Replica) -> Path:
        return self._layout.tree(replica.group, replica.dataset, replica.number, replica.subset)


def _doomed(trash: Path) -> list[Path]:
    return sorted(trash.parent.glob(f"{trash.name}{FREES}*"))


def _whole(replicas: Sequence[Replica]) -> list[Replica]:
    """Those that a team's quota counts: what is being filled is counted by its reservation."""
    return [item for item in replicas if item.state is not ReplicaState.FILLING]


def _trash_name(replica: Replica) -> str:
    """Of the folder in the trash that a replica's eviction uses, whoever carries it out."""
    return f"evicted-{replica.group}-{replica.dataset}-{tree_name(replica.number, replica.subset)}"
