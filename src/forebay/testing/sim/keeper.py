"""The hub's records of replicas, fills, leases and volumes, decided by the very machines of the cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from forebay.cache import account, health, machine
from forebay.cache.health import Act, Health
from forebay.cache.machine import Facts, Terms, Verdict
from forebay.cache.policy import is_new
from forebay.errors import CapacityError, ConflictError
from forebay.testing.sim.simulator import Simulator
from forebay.testing.sim.volume import Dataset, Volume
from forebay.wire.cache import HealthReport, NoRoom, ReplicaState

GRACE_S = 6.0
"""What has just come stays for so long, so that whoever waits for it finds it."""

Place = tuple[str, str]
"""A site's name and a version's ref."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a claim gave: the fill under this token, or 0: it is ready."""

    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a dead fill of a version has left, which goes now; `count` says since which count of the volume."""

    ref: str
    count: int


@dataclass(slots=True)
class LeaseKept:
    """One use of a replica until then, as the hub counts. `heard_at` is when its holder last spoke, in true time."""

    place: Place
    job: str
    expires_at: float
    heard_at: float


@dataclass(slots=True)
class Keeper:
    """Each method is one transaction. `used` is a volume's account, `reserved` what open fills have set aside of it.

    `counts` says how often a volume was counted anew: what was taken up before is not subtracted after it. `heard_at`
    is when the holder of a fill or an eviction last spoke, `clock_set_at` when the hub's clock was last set, both in
    true time: only the invariants know that.
    """

    sim: Simulator
    terms: Terms
    volumes: dict[str, Volume]
    facts: dict[Place, Facts] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    leases: dict[str, LeaseKept] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    reserved: dict[Place, int] = field(default_factory=dict)
    last_used_at: dict[Place, float] = field(default_factory=dict)
    came_at: dict[Place, float] = field(default_factory=dict)
    pins: set[Place] = field(default_factory=set)
    heard_at: dict[Place, float] = field(default_factory=dict)
    clock_set_at: float = float("-inf")
    changes: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def of(self, place: Place, now: float) -> Facts:
        live = sum(lease.place == place and lease.expires_at > now for lease in self.leases.values())
        return replace(self.facts.get(place, Facts()), live_leases=live, pinned=place in self.pins)

    def claim(self, place: Place, dataset: Dataset, now: float) -> Grant:
        """ConflictError `waiting` while somebody else has it; CapacityError `no-room`."""
        site = place[0]
        self._require(site, Act.FILL)
        token = self.tokens.get(site, 0) + 1
        wish = machine.FillRequested(now=now, hold_seconds=self.terms.hold_seconds, next_token=token)
        before = self.of(place, now)
        after, verdict = machine.step(before, wish)
        if verdict is Verdict.READY:
            return Grant(token=0)
        if verdict is Verdict.WAIT:
            is_held = machine.is_held(before.held_until, now, self.terms.hold_seconds)
            if before.state is ReplicaState.EVICTING and not is_held:
                raise ConflictError("half-evicted", "whoever evicted it is gone")
            raise ConflictError("waiting", "somebody else fills or evicts it")
        self._reserve(place, dataset.size_bytes)
        if verdict is Verdict.TAKEN_OVER:
            self._assert_over(place)
        self.heard_at[place] = self.sim.now
        self.tokens[site] = token
        self.changes += 1
        self.facts[place] = after
        return Grant(token=token)

    def _reserve(self, place: Place, size_bytes: int) -> None:
        """What lies on the volume of an earlier try counts as reserved, not as used."""
        site = place[0]
        others = sum(bytes_ for other, bytes_ in self.reserved.items() if other[0] == site and other != place)
        found = account.reserve(
            limit_bytes=self.volumes[site].limit_bytes,
            used_bytes=self.used.get(site, 0),
            reserved_bytes=others,
            unwritten_bytes=0,
            free_bytes=1 << 60,
            need_bytes=size_bytes,
        )
        if isinstance(found, NoRoom):
            raise CapacityError("no-room", f"{found.missing_bytes} bytes are missing")
        self.reserved[place] = found.reserved_bytes

    def renew_fill(self, place: Place, token: int, now: float) -> None:
        self._step(place, machine.FillRenewed(now=now, hold_seconds=self.terms.hold_seconds, token=token), now)
        self.heard_at[place] = self.sim.now

    def finish_fill(self, place: Place, token: int, now: float) -> None:
        """Idempotent, as a repeated request is that has an idempotency key."""
        facts = self.of(place, now)
        if facts.state is ReplicaState.READY and facts.token == token:
            return
        self._step(place, machine.FillFinished(token=token), now)
        self.used[place[0]] = self.used.get(place[0], 0) + self.reserved.pop(place)
        self.last_used_at[place] = self.came_at[place] = now

    def fail_fill(self, place: Place, token: int, now: float) -> None:
        """What was brought stays for the next try, so its reservation does."""
        self._step(place, machine.FillFailed(token=token), now)

    def abandon(self, site: str, now: float) -> Leftover | None:
        """Give a dead fill up, so that what it left may go. What it has placed waits to be told."""
        for place in sorted(self.reserved):
            facts = self.of(place, now)
            filling = facts.state is ReplicaState.FILLING
            held = filling and machine.is_held(facts.held_until, now, self.terms.hold_seconds)
            if place[0] != site or held or place[1] in self.volumes[site].trees:
                continue
            if filling:
                self._assert_over(place)
                self.changes += 1
                self.facts[place] = replace(
                    facts, state=ReplicaState.ABSENT, token=self._next_token(site), held_until=0.0
                )
            self.used[site] = self.used.get(site, 0) + self.reserved.pop(place)
            return Leftover(ref=place[1], count=self.counts[site])
        return None

    def recount(self, site: str, datasets: Mapping[str, Dataset], now: float) -> None:
        """Recover: what lies there, but for what is reserved; not while something moves."""
        for place in self.facts:
            if place[0] == site and self.of(place, now).state in (ReplicaState.FILLING, ReplicaState.EVICTING):
                return
        reserved = {name for place in self.reserved if place[0] == site for name in datasets[place[1]].objects}
        blobs = self.volumes[site].blobs
        self.counts[site] += 1
        self.used[site] = sum(size for name, size in blobs.items() if name not in reserved)

    def free(self, site: str, freed_bytes: int, count: int) -> None:
        """Something was deleted, which the account has had since that count."""
        if count == self.counts[site]:
            self.used[site] -= freed_bytes

    def lease(self, lease_id: str, place: Place, job: str, now: float) -> None:
        """ConflictError `not-ready`. An agent that was started anew takes its runs' leases again."""
        self._require(place[0], Act.OPEN)
        _, verdict = machine.step(self.of(place, now), machine.LeaseRequested())
        if verdict is not Verdict.DONE:
            raise ConflictError("not-ready", f"{place[1]} is not ready")
        self.leases[lease_id] = LeaseKept(place, job, now + self.terms.lease_seconds, self.sim.now)
        self.last_used_at[place] = now

    def renew_lease(self, lease_id: str, now: float) -> None:
        """ConflictError `lease-lost` when its replica has gone."""
        lease = self.leases.get(lease_id)
        if lease is None or self.of(lease.place, now).state is not ReplicaState.READY:
            raise ConflictError("lease-lost", "its replica has gone")
        lease.expires_at = now + self.terms.lease_seconds
        lease.heard_at = self.sim.now

    def release(self, lease_id: str) -> None:
        self.leases.pop(lease_id, None)

    def shorten_leases(self, now: float) -> None:
        """Those that were given before the clock was set back last as long as one that is given now."""
        latest = machine.latest_lease_end(now, self.terms.lease_seconds)
        for lease in self.leases.values():
            if lease.expires_at > latest:
                lease.expires_at = now + self.terms.lease_seconds

    def lapsed(self, place: Place, now: float) -> list[str]:
        """The jobs whose leases have run out and were never given back."""
        return [lease.job for lease in self.leases.values() if lease.place == place and lease.expires_at <= now]

    def pin(self, place: Place) -> None:
        """Only what is ready stays for a pin."""
        if self.facts.get(place, Facts()).state is ReplicaState.READY:
            self.pins.add(place)

    def begin_evict(self, place: Place, now: float) -> int:
        """The token; ConflictError says why not."""
        site = place[0]
        self._require(site, Act.EVICT)
        token = self.tokens.get(site, 0) + 1
        wish = machine.EvictRequested(now=now, hold_seconds=self.terms.hold_seconds, next_token=token)
        before = self.of(place, now)
        after, verdict = machine.step(before, wish)
        if verdict is not Verdict.GRANTED:
            raise ConflictError(str(verdict.value), f"{place[1]} can't be evicted")
        assert place not in self.pins, f"IN-USE: {place[1]} goes from {site}, and is pinned"
        if before.state is ReplicaState.EVICTING:
            self._assert_over(place)
        self._assert_lapsed(place)
        self.heard_at[place] = self.sim.now
        self.tokens[site] = token
        self.changes += 1
        self.facts[place] = after
        return token

    def renew_evict(self, place: Place, token: int, now: float) -> None:
        self._step(place, machine.EvictRenewed(now=now, hold_seconds=self.terms.hold_seconds, token=token), now)
        self.heard_at[place] = self.sim.now

    def finish_evict(self, place: Place, token: int, freed_bytes: int, now: float) -> None:
        self._step(place, machine.EvictFinished(token=token), now)
        self.used[place[0]] -= freed_bytes
        self._end_leases(place)

    def records(self, site: str) -> dict[str, Facts]:
        """What it knows to be at a site, by ref."""
        return {
            ref: facts
            for (where, ref), facts in self.facts.items()
            if where == site and facts.state is not ReplicaState.ABSENT
        }

    def forget(self, place: Place, token: int, now: float) -> None:
        """Recover did not find it."""
        facts = self.of(place, now)
        if facts.token != token:
            raise ConflictError("not-ready", f"{place[1]} was filled again meanwhile")
        self.changes += 1
        self.facts[place] = replace(facts, state=ReplicaState.ABSENT, held_until=0.0)
        self._end_leases(place)

    def report_health(self, site: str, report: HealthReport, now: float) -> None:
        self.health[site] = health.step(self.health.get(site, Health()), report, now)

    def idle_at(self, site: str, now: float) -> list[str]:
        """What may go, as `cache.policy` has it (which weighs more): evictions that nobody goes on with, then what is
        ready and past its grace, longest unused first.
        """
        here = {place: facts for place, facts in self.facts.items() if place[0] == site}
        interrupted = [
            ref
            for (_, ref), facts in here.items()
            if facts.state is ReplicaState.EVICTING
            and not machine.is_held(facts.held_until, now, self.terms.hold_seconds)
        ]
        ready = [place for place, facts in here.items() if facts.state is ReplicaState.READY]
        idle = [place for place in ready if not is_new(self.came_at[place], now, GRACE_S)]
        return interrupted + [ref for _, ref in sorted(idle, key=lambda place: (self.last_used_at[place], place))]

    def _assert_over(self, place: Place) -> None:
        """Whoever has a replica is replaced when its hold is over, not before: it goes on without asking till then."""
        over = self._is_over(self.heard_at[place], self.terms.hold_seconds)
        assert over, f"FENCED: {place[1]} at {place[0]} is given to another while its holder's time lasts"

    def _assert_lapsed(self, place: Place) -> None:
        for lease in self.leases.values():
            over = lease.place != place or self._is_over(lease.heard_at, self.terms.lease_seconds)
            assert over, f"IN-USE: {place[1]} goes from {place[0]} while the lease of {lease.job} lasts"

    def _is_over(self, heard_at: float, seconds: float) -> bool:
        """Nothing is known by the hub's clock where that was set meanwhile."""
        return self.clock_set_at >= heard_at or self.sim.now >= heard_at + seconds

    def _end_leases(self, place: Place) -> None:
        for lease_id in [key for key, lease in self.leases.items() if lease.place == place]:
            del self.leases[lease_id]

    def _next_token(self, site: str) -> int:
        self.tokens[site] = self.tokens.get(site, 0) + 1
        return self.tokens[site]

    def _require(self, site: str, act: Act) -> None:
        known = self.health.get(site, Health())
        health.require(act, known.state, known.reason, site)

    def _step(self, place: Place, event: machine.Event, now: float) -> None:
        after, verdict = machine.step(self.of(place, now), event)
        if verdict is Verdict.FENCED:
            raise ConflictError("fenced", "somebody else has it")
        self.changes += 1
        self.facts[place] = after
