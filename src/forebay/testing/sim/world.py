"""One seed's world: three sites, people who want things, and what goes wrong; every invariant after every event.

Not modelled: objects that two versions share, several versions of a dataset and tags, rules and quotas, fills from
another site, damaged bytes and scrub, Slurm, several hubs at once, an agent's clock (a monotonic one) that runs wrong.
The hub's transactions are whole: what breaks between two statements is for the suites with a real database.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from forebay.runs import machine
from forebay.sites.agent import events as seen
from forebay.testing.sim.agent import SimAgent
from forebay.testing.sim.chaos import ON_MESSAGES, ON_WORK, Chaos, Fault
from forebay.testing.sim.computer import Jobs, Machine
from forebay.testing.sim.evict import EvictWork
from forebay.testing.sim.fill import FillWork
from forebay.testing.sim.hub import CACHE_TERMS, SimHub, SiteRow
from forebay.testing.sim.invariants import Watch
from forebay.testing.sim.keeper import Keeper
from forebay.testing.sim.network import Network
from forebay.testing.sim.recover import Recovery
from forebay.testing.sim.runs import RunWork
from forebay.testing.sim.simulator import Act, Simulator
from forebay.testing.sim.volume import Dataset, Volume
from forebay.testing.sim.work import Grounds, Work
from forebay.wire.cache import HealthReport, Sign, VolumeState
from forebay.wire.runs import DataUse, NewRun, Retry
from forebay.wire.sites import Order, SiteState, TaskKind

SITES = ("north", "south", "west")
OBJECT_BYTES = 10
LIMIT_BYTES = 130
TROUBLE_S = 55.0
"""For so long things go wrong; then all is made good again, and what is wanted must come about."""

MOST_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a seed's world came to."""

    trace: str
    steps: int
    fired: dict[Fault, int]
    states: dict[str, int]
    fetched: int


class World:
    """`keep` so many lines of the trace's end. What is not `watched` shows the same trace, and asserts less."""

    def __init__(self, seed: int, *, keep: int = 0, watched: bool = True) -> None:
        self.sim = Simulator(seed, keep=keep)
        self.chaos = Chaos(self.sim)
        self.network = Network(self.sim, self.chaos)
        made = [
            Dataset(
                name=f"d{number}",
                objects=tuple(f"d{number}.{index}" for index in range(2 + number % 4)),
                object_bytes=OBJECT_BYTES,
            )
            for number in range(5)
        ]
        self.datasets = {dataset.ref: dataset for dataset in made}
        self.volumes = {site: Volume(limit_bytes=LIMIT_BYTES) for site in SITES}
        self.keeper = Keeper(sim=self.sim, terms=CACHE_TERMS, volumes=self.volumes)
        rows = {site: SiteRow(name=site) for site in SITES}
        self.hub = SimHub(sim=self.sim, datasets=self.datasets, keeper=self.keeper, sites=rows, cpus=3)
        self.jobs = Jobs()
        self.machines: dict[str, Machine] = {}
        self.grounds = Grounds(self.chaos, self.datasets, self.volumes, self.jobs, self._pause)
        self.agents: dict[str, SimAgent] = {}
        self._agent_number = 0
        self.watch = Watch(self)
        self.watched = watched

    def run(self) -> Outcome:
        for site in SITES:
            self._new_machine(site)
            self._start_agent(site)
            self._canary(site)
            self._recover(site)
        self._tick()
        for _ in range(8):
            self.sim.after(self.sim.between(0.0, 20.0), "somebody wants a run", self._submit)
        for _ in range(14):
            self.sim.after(self.sim.between(1.0, TROUBLE_S), "something goes wrong", self._trouble)
        for _ in range(10):
            self.sim.after(self.sim.between(1.0, TROUBLE_S), "somebody wants something", self._wish)
        self.sim.after(TROUBLE_S, "all is made good", self._make_good)
        self.sim.run(MOST_S, self.watch.look if self.watched else self.hub.changed.clear, self._is_done)
        self.watch.look_at_the_end()
        states = Counter(str(kept.course.run.state) for kept in self.hub.runs.values())
        fetched = sum(sum(volume.came.values()) for volume in self.volumes.values())
        return Outcome(
            trace=self.sim.trace,
            steps=self.sim.steps,
            fired=dict(self.chaos.fired),
            states=dict(states),
            fetched=fetched,
        )

    def _is_done(self) -> bool:
        return self.chaos.quiet and all(kept.course.run.state.is_final for kept in self.hub.runs.values())

    # People

    def _submit(self) -> None:
        chance = self.sim.chance
        refs = chance.sample(sorted(self.datasets), chance.choice((1, 1, 1, 2)))
        new = NewRun(
            command=("train",),
            data=tuple(DataUse(name=f"x{index}", ref=ref) for index, ref in enumerate(refs)),
            cpus=chance.choice((1, 1, 2)),
            retry=Retry(attempts=3, backoff_s=1.0),
            estimate_s=chance.choice((2.0, 5.0, 20.0)),
        )
        self._on_hub(lambda: self.hub.submit(new))

    def _wish(self) -> None:
        chance = self.sim.chance
        site, ref = chance.choice(SITES), chance.choice(sorted(self.datasets))
        runs = sorted(self.hub.runs)
        match chance.choice(("cancel", "retry", "fill", "evict", "evict", "pin", "pin", "drain", "down")):
            case "cancel" if runs:
                self._on_hub(lambda: self.hub.tell_run(chance.choice(runs), machine.CancelAsked(by="ann")))
            case "retry" if runs:
                self._on_hub(lambda: self.hub.tell_run(chance.choice(runs), machine.RetryAsked()))
            case "fill":
                self._on_hub(lambda: self.hub.want(site, TaskKind.FILL, ref, "ann"))
            case "evict":
                there = sorted(self.volumes[site].trees)
                gone = chance.choice(there) if there else ref
                self._on_hub(lambda: self.hub.want(site, TaskKind.EVICT, gone, "ann"))
            case "pin":
                self._on_hub(lambda: self.hub.keeper.pin((site, ref)))
                self._later(5.0, 40.0, f"{ref} is not pinned at {site} any more", lambda: self._unpin(site, ref))
            case "drain" | "down" as wanted:
                state = SiteState.DRAINING if wanted == "drain" else SiteState.DOWN
                self._on_hub(lambda: self.hub.set_state(site, state))
                self._later(3.0, 20.0, f"{site} is wanted up", lambda: self._want_up(site))
            case _:
                pass

    def _want_up(self, site: str) -> None:
        self._on_hub(lambda: self.hub.set_state(site, SiteState.UP))

    def _unpin(self, site: str, ref: str) -> None:
        self._on_hub(lambda: self.hub.keeper.pins.discard((site, ref)))

    def _on_hub(self, act: Act) -> None:
        if self.network.is_up:
            act()

    # Trouble

    def _trouble(self) -> None:
        chance = self.sim.chance
        site = chance.choice(SITES)
        if self.chaos.quiet:
            return
        match chance.choice(_TROUBLES):
            case Fault.PARTITION:
                self.chaos.fire(Fault.PARTITION, site)
                self.network.cut_off.add(site)
                self._later(1.0, 40.0, f"{site} reaches the hub", lambda: self.network.cut_off.discard(site))
            case Fault.AGENT_KILLED:
                self._kill_agent(site)
            case Fault.AGENT_STOPPED if self.agents[site].process.is_alive:
                agent = self.agents[site]
                self.chaos.fire(Fault.AGENT_STOPPED, site)
                agent.process.stop()
                self._later(1.0, 40.0, f"the agent of {site} goes on", agent.process.go_on)
            case Fault.POWER_CUT:
                self._cut_power(site)
            case Fault.HUB_KILLED if self.network.is_up:
                self.chaos.fire(Fault.HUB_KILLED)
                self.network.is_up = False
                self.network.epoch += 1
                self.hub.restart()
                self._later(0.5, 20.0, "the hub is there again", self._start_hub)
            case Fault.CLOCK_FORWARD | Fault.CLOCK_BACK as jump:
                self.chaos.fire(jump)
                self.hub.set_clock(3600.0 if jump is Fault.CLOCK_FORWARD else -3600.0)
            case Fault.SITE_CLOCK:
                self.chaos.fire(Fault.SITE_CLOCK, site)
                self.machines[site].offset_s += self._clock_error_s()
            case Fault.LAKE_LOST:
                ref = chance.choice(sorted(self.datasets))
                self.chaos.fire(Fault.LAKE_LOST, ref)
                self.grounds.lost.setdefault(ref, self.sim.now)
                self._later(1.0, 40.0, f"the lake has {ref} again", lambda: self.grounds.lost.pop(ref, None))
            case Fault.VOLUME_AWAY if not self.volumes[site].is_away:
                self.chaos.fire(Fault.VOLUME_AWAY, site)
                self.volumes[site].is_away = True
                self._later(1.0, 20.0, f"the volume of {site} is back", lambda: self._mount(site))
            case Fault.SECOND_AGENT:
                self.chaos.fire(Fault.SECOND_AGENT, site)
                self._replace_agent(site)
            case _:
                pass

    def _later(self, least_s: float, most_s: float, what: str, act: Act) -> None:
        self.sim.after(self.sim.between(least_s, most_s), what, act)

    def _kill_agent(self, site: str) -> None:
        agent = self.agents[site]
        if agent.process.is_alive:
            self.chaos.fire(Fault.AGENT_KILLED, site)
            agent.process.kill()

    def _cut_power(self, site: str) -> None:
        self.chaos.fire(Fault.POWER_CUT, site)
        agent, volume = self.agents[site], self.volumes[site]
        agent.process.kill()
        agent.machine.lose_power()
        survivors = {name for name in sorted(volume.dirty) if self.sim.chance.random() < 0.5}
        volume.lose_dirty(survivors)

    def _mount(self, site: str) -> None:
        self.volumes[site].is_away = False

    def _start_hub(self) -> None:
        self.network.is_up = True

    def _make_good(self) -> None:
        self.chaos.quiet = True
        self.network.cut_off.clear()
        self.network.is_up = True
        self.grounds.lost.clear()
        for run_id in sorted(self.jobs.alive):
            for job in self.jobs.alive[run_id]:
                self._later(1.0, 5.0, f"{job.site}: the command of {run_id} comes to its end", job.finish)
        for site in SITES:
            self._mount(site)
            self._want_up(site)
            self.agents[site].process.go_on()

    # Machines

    def _new_machine(self, site: str) -> None:
        self.machines[site] = Machine(self.sim, site, self.jobs, 1e6 + self._clock_error_s())

    def _clock_error_s(self) -> float:
        return self.sim.chance.choice((0.0, 0.0, -20.0, 20.0, -3600.0, 3600.0))

    def _replace_agent(self, site: str) -> None:
        """Somebody starts another one elsewhere, whether the one before has ended or not."""
        self._new_machine(site)
        self._start_agent(site)

    def _pause(self, agent: SimAgent) -> None:
        """Longer than its hold; who looks after the site may take it for dead meanwhile."""
        agent.process.stop()
        self._later(CACHE_TERMS.hold_seconds, 25.0, f"{agent.process.name} goes on", agent.process.go_on)
        if self.sim.chance.random() < 0.6:
            again = f"another agent for {agent.site}"
            self._later(0.5, 8.0, again, lambda: self._replace_agent(agent.site))

    def _start_agent(self, site: str) -> None:
        """On the newest machine of the site; whoever watches over it starts it again when it has ended."""
        self._agent_number += 1
        name = f"{site} agent {self._agent_number}"
        agent = SimAgent(self.sim, self.network, self.hub, self.machines[site], name, self._work_for)
        self.agents[site] = agent
        agent.begin()
        self._look_after(site, agent)

    def _look_after(self, site: str, agent: SimAgent) -> None:
        def look() -> None:
            if self.agents[site] is not agent:
                return
            if agent.process.is_alive:
                self._look_after(site, agent)
            else:
                self._start_agent(site)

        self.sim.after(self.sim.between(2.0, 12.0), f"the agent of {site} is looked for", look)

    def _work_for(self, agent: SimAgent, order: Order) -> Work:
        kinds = {TaskKind.FILL: FillWork, TaskKind.EVICT: EvictWork, TaskKind.RUN: RunWork}
        return kinds[order.kind](self.grounds, agent, order)

    def _canary(self, site: str) -> None:
        """The agent tries its volume out, and tells what it saw."""
        agent, volume = self.agents[site], self.volumes[site]
        if agent.process.is_alive and not agent.process.is_stopped:
            away = volume.is_away
            sign = HealthReport(sign=Sign.GONE if away else Sign.GOOD, reason="not mounted" if away else "")
            agent.feed(seen.VolumeSeen(state=VolumeState.DOWN if away else VolumeState.NORMAL, reason=sign.reason))
            agent.ask("health", lambda: self._hear_of_volume(site, sign), lambda _found: None)
        self.sim.after(6.0, f"{site}: the volume is tried out", lambda: self._canary(site))

    def _recover(self, site: str) -> None:
        agent = self.agents[site]
        if agent.process.is_alive and not agent.process.is_stopped:
            Recovery(agent, self.volumes[site], self.datasets).begin()
        self._later(8.0, 16.0, f"{site}: recover", lambda: self._recover(site))

    def _hear_of_volume(self, site: str, sign: HealthReport) -> None:
        self.keeper.report_health(site, sign, self.hub.now)
        if sign.sign is Sign.GOOD and not self.volumes[site].is_away:
            self.keeper.recount(site, self.datasets, self.hub.now)

    def _tick(self) -> None:
        if self.network.is_up:
            self.hub.tick()
        self.sim.after(2.0, "the hub ticks", self._tick)


_TROUBLES = tuple(fault for fault in Fault if fault not in ON_MESSAGES | ON_WORK)


def run_seed(seed: int, *, watched: bool = True) -> Outcome:
    """One world; AssertionError names the invariant, the seed, and the event after which it did not hold."""
    return run(World(seed, watched=watched), seed)


def run(world: World, seed: int) -> Outcome:
    """As `run_seed`, of a world that was made of that seed."""
    try:
        return world.run()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {world.sim.now:.3f} s, after {world.sim.last!r}: {error}") from error
