"""A week of runs at simulated sites, as discrete events: a heap, no clock, and one seed for all chance.

The decisions are the product's own: backlog.step (and with it placement and profile), links.learn, and cache.policy for
what goes when a volume is full. Here are only the things they decide on: compute, volumes, and fills on links that
really have a bandwidth, shared evenly by the fills on them and drifting every six hours.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heappop, heappush
from itertools import count

from bench.placed_workload import Job, Workload
from forebay.cache.policy import Candidates, Policy, decide
from forebay.cache.trial import Trial
from forebay.runs.backlog import FillVersion, PlaceRun, Queued, StartRun, step, turn
from forebay.runs.world import Presence, Request, Weights, World
from forebay.sites.links import Link, TransferMeasured, declared, learn
from forebay.sites.site import Site, Working
from forebay.wire.cache import Replica, ReplicaState

RETHINK_S = 300.0
_HEADS = 40
_DRIFT_S, _DRIFT_SPREAD = 6 * 3600.0, 0.3
_NOTHING_BYTES = 0.5


@dataclass(slots=True, kw_only=True, eq=False)
class Fill:
    """One version on its way to one site. `shared_s` is its time times the fills on its link."""

    site: str
    ref: str
    source: str
    size_bytes: int
    rest_bytes: float
    began: float = 0.0
    shared_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Held:
    """A version on a volume."""

    size_bytes: int
    since: float
    last_used: float
    source: str


@dataclass(slots=True, kw_only=True)
class Place:
    """A site as it is now. `leases` are of runs placed here that have not ended, by ref; `line` is who waits."""

    facts: Site
    running: dict[str, float] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    fills: dict[str, Fill] = field(default_factory=dict)
    roomless: list[Fill] = field(default_factory=list)
    line: list[tuple[float, str]] = field(default_factory=list)
    queued_gpus: int = 0
    reserved_bytes: int = 0
    used_bytes: int = 0

    @property
    def leased_bytes(self) -> int:
        return sum(self.held[ref].size_bytes for ref in self.leases if ref in self.held)


@dataclass(slots=True, kw_only=True)
class Wire:
    """A link as it is now; `turn` makes an end that was foreseen earlier void."""

    bandwidth_bytes_s: float
    fills: list[Fill] = field(default_factory=list)
    at: float = 0.0
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one job: seconds from its submission, and money for its compute."""

    job: Job
    start_s: float
    done_s: float
    site: str
    compute_money: float


@dataclass(slots=True, kw_only=True)
class Result:
    """Of all jobs. `moved_bytes` over every link; `lake_bytes` of them from lakes."""

    outcomes: list[Outcome] = field(default_factory=list)
    moved_bytes: float = 0.0
    lake_bytes: float = 0.0
    egress_money: float = 0.0
    fills: int = 0
    evictions: int = 0
    moves: int = 0


Chooser = Callable[["Simulation", Job], str]
"""The site for a job that has come."""


class Simulation:
    """One way of choosing sites, from the first job to the end of the last."""

    def __init__(self, workload: Workload, choose: Chooser | None, *, seed: int, weights: Weights) -> None:
        """`choose` None leaves it to the product's placement."""
        self.workload = workload
        self.chance = random.Random(seed)
        self._drift = random.Random(seed + 1)
        self._choose = choose
        self._weights = weights
        self.now = 0.0
        self.result = Result()
        self.places = {site.name: Place(facts=site) for site in workload.sites}
        self.links: dict[tuple[str, str], Link] = {
            key: declared(*key, price_byte=way.price_byte) for key, way in workload.ways.items()
        }
        self._wires = {key: Wire(bandwidth_bytes_s=way.bandwidth_bytes_s) for key, way in workload.ways.items()}
        self._presence: dict[tuple[str, str], Presence] = {}
        self._jobs = {job.run_id: job for job in workload.jobs}
        self._queue: dict[str, Queued] = {}
        self._started: dict[str, tuple[str, float]] = {}
        self._events: list[tuple[float, int, Callable[[], str | None]]] = []
        self._order = count()
        self._came: set[str] = set()
        self._rethink = False

    def run(self) -> Result:
        """Every event, until every job is done."""
        for job in self.workload.jobs:
            self._at(job.at, partial(self._submitted, job))
        self._at(_DRIFT_S, self._drifted)
        if self._choose is None:
            self._at(RETHINK_S, self._ticked)
        while len(self.result.outcomes) < len(self._jobs):
            self.now = self._events[0][0]
            dirty: set[str] = set()
            while self._events and self._events[0][0] <= self.now:
                if (name := heappop(self._events)[2]()) is not None:
                    dirty.add(name)
            if dirty:
                self._step(dirty)
        return self.result

    def committed(self, name: str) -> float:
        """What running and waiting runs claim of a site's GPUs."""
        place = self.places[name]
        running = sum(self._jobs[run_id].resources.gpus for run_id in place.running)
        return (running + place.queued_gpus) / place.facts.capacity.gpus

    def _at(self, at: float, happen: Callable[[], str | None]) -> None:
        heappush(self._events, (at, next(self._order), happen))

    # What happens: each gives the site whose queue it may have changed, "" for all of them.

    def _submitted(self, job: Job) -> str:
        request = Request(
            run_id=job.run_id,
            team="team",
            submitted_at=self.now,
            resources=job.resources,
            estimate_s=job.estimate_s,
            data=(job.wanted,),
            where=job.where,
        )
        self._queue[job.run_id] = Queued(request=request)
        if self._choose is None:
            return ""
        site = self._choose(self, job)
        self._came.add(job.run_id)
        self._placed(job.run_id, site)
        return site

    def _ended(self, run_id: str) -> str:
        job, (name, began) = self._jobs[run_id], self._started.pop(run_id)
        place = self.places[name]
        del place.running[run_id]
        self._release(place, job.wanted.ref)
        self.result.outcomes.append(
            Outcome(
                job=job,
                start_s=began - job.at,
                done_s=self.now - job.at,
                site=name,
                compute_money=place.facts.price_of(job.resources, job.run_s),
            )
        )
        return name

    def _ticked(self) -> str:
        """Now and then what waits is looked at anew."""
        self._at(self.now + RETHINK_S, self._ticked)
        self._rethink = True
        return ""

    def _drifted(self) -> None:
        """Every link's bandwidth is drawn anew around its own."""
        self._at(self.now + _DRIFT_S, self._drifted)
        for key, wire in self._wires.items():
            self._advance(wire)
            factor = math.exp(self._drift.gauss(0, _DRIFT_SPREAD))
            wire.bandwidth_bytes_s = self.workload.ways[key].bandwidth_bytes_s * factor
            self._foresee(key)

    def _arrived(self, key: tuple[str, str], turn: int) -> str | None:
        """Some fills of a link have ended, unless that was foreseen before something changed."""
        wire = self._wires[key]
        if turn != wire.turn:
            return None
        self._advance(wire)
        ended = [fill for fill in wire.fills if fill.rest_bytes <= _NOTHING_BYTES]
        wire.fills = [fill for fill in wire.fills if fill.rest_bytes > _NOTHING_BYTES]
        for fill in ended:
            self._filled(fill)
        self._foresee(key)
        return key[1]

    # What is done.

    def _step(self, dirty: set[str]) -> None:
        """The product decides: on one site's queue where only that has changed, else on everything."""
        full = "" in dirty
        names = self.places if full else dirty
        queue = list(self._queue.values()) if full else self._heads(dirty)
        self._came.clear()
        rethink, self._rethink = self._rethink, False
        if not queue:
            return
        for effect in step(queue, self._world(names), self._weights, self.now, rethink=rethink).effects:
            match effect:
                case PlaceRun():
                    self._placed(effect.run_id, effect.site)
                case FillVersion():
                    self._begin_fill(effect)
                case StartRun():
                    self._start(effect.run_id, effect.site)

    def _heads(self, names: Iterable[str]) -> list[Queued]:
        """Who may start there now, and who came just now; the fills of all others have been asked for."""
        heads = {run_id for name in names for _, run_id in self.places[name].line[:_HEADS]}
        return [self._queue[run_id] for run_id in heads | self._came]

    def _world(self, names: Iterable[str]) -> World:
        links = dict(self.links)
        for key, wire in self._wires.items():
            if wire.fills:
                self._advance(wire)
                rests = tuple(int(fill.rest_bytes) + 1 for fill in wire.fills)
                links[key] = replace(links[key], under_way_bytes=rests)
        for name in names:
            for fill in self.places[name].fills.values():
                self._presence[name, fill.ref] = self._progress(fill)
        return World(
            sites=tuple(self._facts(self.places[name]) for name in sorted(names)),
            links=links,
            presence=self._presence,
            residency=self.workload.residency,
        )

    def _facts(self, place: Place) -> Site:
        working = tuple(
            Working(
                resources=self._jobs[run_id].resources,
                estimate_s=self._jobs[run_id].estimate_s,
                elapsed_s=self.now - began,
            )
            for run_id, began in place.running.items()
        )
        if self._choose is not None:
            # The other ways of choosing know nothing of room: their runs wait where they were sent.
            return replace(place.facts, working=working)
        waiting_bytes = sum(fill.size_bytes for fill in place.roomless)
        left_bytes = (place.facts.volume_bytes or 0) - place.reserved_bytes - waiting_bytes
        return replace(
            place.facts,
            working=working,
            free_bytes=max(0, left_bytes - place.used_bytes),
            room_bytes=left_bytes - place.leased_bytes,
        )

    def _placed(self, run_id: str, name: str) -> None:
        queued = self._queue[run_id]
        job = self._jobs[run_id]
        if queued.site is not None:
            self.result.moves += 1
            self._unqueue(self.places[queued.site], queued)
            self._release(self.places[queued.site], job.wanted.ref)
        self._queue[run_id] = replace(queued, site=name)
        place = self.places[name]
        place.queued_gpus += job.resources.gpus
        insort(place.line, (turn(queued.request), run_id))
        place.leases[job.wanted.ref] = place.leases.get(job.wanted.ref, 0) + 1

    def _start(self, run_id: str, name: str) -> None:
        job, place = self._jobs[run_id], self.places[name]
        self._unqueue(place, self._queue.pop(run_id))
        place.running[run_id] = self.now
        self._started[run_id] = name, self.now
        self._at(self.now + job.run_s, lambda: self._ended(run_id))
        used = sum(self._jobs[other].resources.gpus for other in place.running)
        if used > place.facts.capacity.gpus or job.wanted.ref not in place.held:
            raise RuntimeError(f"{run_id} was started at {name} without its compute or its data")

    def _unqueue(self, place: Place, queued: Queued) -> None:
        request = queued.request
        place.queued_gpus -= request.resources.gpus
        del place.line[bisect_left(place.line, (turn(request), request.run_id))]

    def _release(self, place: Place, ref: str) -> None:
        place.leases[ref] -= 1
        if not place.leases[ref]:
            del place.leases[ref]
        if held := place.held.get(ref):
            held.last_used = self.now
        if place.roomless and ref not in place.leases:
            self._retry(place)

    def _retry(self, place: Place) -> None:
        """What waits for room looks again: a lease has ended, or somebody's grace."""
        waiting, place.roomless = place.roomless, []
        for fill in waiting:
            self._find_room(place, fill)

    # Fills, and the volume they need room on.

    def _begin_fill(self, effect: FillVersion) -> None:
        place = self.places[effect.site]
        fill = Fill(
            site=effect.site,
            ref=effect.ref,
            source=effect.source,
            size_bytes=effect.missing_bytes,
            rest_bytes=effect.missing_bytes,
        )
        place.fills[effect.ref] = fill
        self._presence[effect.site, effect.ref] = self._progress(fill)
        self._find_room(place, fill)

    def _find_room(self, place: Place, fill: Fill) -> None:
        """Reserve, evicting by the product's policy, and begin; or wait for a lease to end."""
        limit_bytes = place.facts.volume_bytes or 0
        lacking_bytes = place.used_bytes + place.reserved_bytes + fill.size_bytes - limit_bytes
        if lacking_bytes > 0:
            self._evict(place, lacking_bytes, limit_bytes)
        if place.used_bytes + place.reserved_bytes + fill.size_bytes > limit_bytes:
            place.roomless.append(fill)
            if len(place.roomless) == 1:
                self._at(self.now + Policy().grace_s, lambda: self._retry(place))
            return
        place.reserved_bytes += fill.size_bytes
        key = fill.source, fill.site
        wire = self._wires[key]
        self._advance(wire)
        fill.began = self.now
        # What the first byte waits for is a time in which the link would have carried so much.
        fill.rest_bytes += self.workload.ways[key].latency_s * wire.bandwidth_bytes_s
        wire.fills.append(fill)
        self._foresee(key)

    def _evict(self, place: Place, lacking_bytes: int, limit_bytes: int) -> None:
        links = [self.links[held.source, place.facts.name] for held in place.held.values()]
        chosen = decide(
            Candidates(
                replicas=[self._replica(place, ref, held) for ref, held in place.held.items()],
                bandwidths_bytes_s=[link.bandwidth_bytes_s(self.now) for link in links],
                trial=Trial.apart([held.size_bytes for held in place.held.values()]),
            ),
            Policy(),
            used_bytes=place.used_bytes + place.reserved_bytes,
            limit_bytes=limit_bytes,
            missing_bytes=lacking_bytes,
            now=self.now,
        )
        for decision in chosen.going:
            ref = decision.candidate.replica.ref
            place.used_bytes -= place.held.pop(ref).size_bytes
            del self._presence[place.facts.name, ref]
            self.result.evictions += 1

    def _replica(self, place: Place, ref: str, held: Held) -> Replica:
        dataset, _, number = ref.partition("@v")
        return Replica(
            volume_id=place.facts.name,
            dataset=dataset,
            number=int(number),
            group="default",
            manifest_digest="",
            state=ReplicaState.READY,
            reason="filled",
            since=held.since,
            token=0,
            files=1,
            size_bytes=held.size_bytes,
            fill_seconds=0.0,
            last_used_at=held.last_used,
            lake_confirmed_at=self.now,
            attempts=0,
            leases=place.leases.get(ref, 0),
            pinned_by="",
            pin_reason="",
            pin_until=0.0,
        )

    def _filled(self, fill: Fill) -> None:
        place, key = self.places[fill.site], (fill.source, fill.site)
        seconds = self.now - fill.began
        del place.fills[fill.ref]
        place.reserved_bytes -= fill.size_bytes
        place.used_bytes += fill.size_bytes
        place.held[fill.ref] = Held(size_bytes=fill.size_bytes, since=self.now, last_used=self.now, source=fill.source)
        self._presence[fill.site, fill.ref] = Presence(missing_bytes=0)
        measured = TransferMeasured(
            at=self.now,
            moved_bytes=fill.size_bytes,
            seconds=seconds,
            concurrency=fill.shared_s / seconds,
            first_byte_s=self.workload.ways[key].latency_s,
        )
        self.links[key] = learn(self.links[key], measured)
        self.result.fills += 1
        self.result.moved_bytes += fill.size_bytes
        self.result.lake_bytes += fill.size_bytes if fill.source not in self.places else 0
        self.result.egress_money += fill.size_bytes * self.workload.ways[key].price_byte

    def _progress(self, fill: Fill) -> Presence:
        wire = self._wires[fill.source, fill.site]
        bytes_s = 0.0
        if fill in wire.fills:
            bytes_s = self.links[fill.source, fill.site].bandwidth_bytes_s(self.now) / len(wire.fills)
        return Presence(missing_bytes=max(1, int(fill.rest_bytes)), filling=True, fill_bytes_s=bytes_s)

    def _advance(self, wire: Wire) -> None:
        """Equal shares since the last change."""
        seconds, wire.at = self.now - wire.at, self.now
        fills = len(wire.fills)
        for fill in wire.fills:
            fill.rest_bytes -= seconds * wire.bandwidth_bytes_s / fills
            fill.shared_s += seconds * fills

    def _foresee(self, key: tuple[str, str]) -> None:
        wire = self._wires[key]
        wire.turn += 1
        if not wire.fills:
            return
        rest_bytes = max(0.0, min(fill.rest_bytes for fill in wire.fills))
        seconds = rest_bytes * len(wire.fills) / wire.bandwidth_bytes_s
        turn = wire.turn
        self._at(self.now + seconds, lambda: self._arrived(key, turn))
