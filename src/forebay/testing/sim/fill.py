"""Fills: claim, fetch, bring to the disk, place, tell."""

from __future__ import annotations

from forebay.errors import CapacityError, ConflictError, ForebayError
from forebay.testing.sim.agent import SimAgent
from forebay.testing.sim.chaos import Fault
from forebay.testing.sim.evict import Eviction
from forebay.testing.sim.grip import Grip
from forebay.testing.sim.keeper import Grant, Leftover
from forebay.testing.sim.simulator import Act
from forebay.testing.sim.work import AGAIN_S, Grounds, Work
from forebay.wire.sites import Order, TaskState


class FillWork(Work):
    """One fill."""

    def __init__(self, grounds: Grounds, agent: SimAgent, order: Order) -> None:
        super().__init__(grounds, agent, order)
        self.token = 0
        self._grip = Grip(self, float("-inf"), self._renew, self.failed)
        self._tried: set[str] = set()

    def begin(self) -> None:
        if self.why is not None:
            self.over(TaskState.CANCELLED)
            return
        said_at = self.agent.sim.now

        def granted(found: Grant | ForebayError) -> None:
            match found:
                case CapacityError():
                    self._make_room(found)
                case ConflictError(kind="half-evicted"):
                    Eviction(self, self.order.ref, lambda _error: self._ask_again()).begin()
                case ConflictError():
                    self._ask_again()
                case ForebayError():
                    self.failed(found)
                case Grant(token=0):
                    self.over(TaskState.DONE)
                case Grant():
                    self.token = found.token
                    self._grip = Grip(self, said_at, self._renew, self.failed)
                    self._grip.beat()
                    self._next()

        self.ask("claim", lambda: self.keeper.claim(self.place, self.dataset, self.now), granted)

    def _ask_again(self) -> None:
        self.later(AGAIN_S, "asks again", self.begin)

    def _make_room(self, error: CapacityError) -> None:
        """What dead fills have left goes first; then what was used longest ago and nobody uses."""
        site = self.agent.site

        def abandoned(found: Leftover | ForebayError | None) -> None:
            if not isinstance(found, Leftover):
                self._evict_for_room(error)
                return
            dataset = self.grounds.datasets[found.ref]
            stays = found.ref in self.volume.trees
            self.volume.delete(dataset)
            gone_bytes = 0 if stays else dataset.size_bytes
            self.ask("freed", lambda: self.keeper.free(site, gone_bytes, found.count), lambda _found: self.begin())

        self.ask("leftovers", lambda: self.keeper.abandon(site, self.now), abandoned)

    def _evict_for_room(self, error: CapacityError) -> None:
        idle = [ref for ref in self.keeper.idle_at(self.agent.site, self.agent.machine.now) if ref not in self._tried]
        if not idle:
            self.failed(error)
            return
        self._tried.add(idle[0])
        Eviction(self, idle[0], lambda _error: self.begin()).begin()

    def _next(self) -> None:
        if self.why is not None:
            self._give_up("it was told to end", TaskState.CANCELLED)
            return
        self.volume.require_here()
        missing = [name for name in self.dataset.objects if name not in self.volume.blobs]
        if not missing:
            self._bring_to_disk()
        elif self.order.ref in self.grounds.lost or self.grounds.chaos.strikes(Fault.LAKE_FAILS):
            self._give_up("the lake failed", TaskState.FAILED)
        else:
            self.later(self.agent.sim.between(0.1, 0.8), f"{missing[0]} came", lambda: self._came(missing[0]))

    def _came(self, name: str) -> None:
        self._grip.check(lambda: self._write(name))

    def _write(self, name: str) -> None:
        if name not in self.volume.blobs:
            if self.keeper.facts[self.place].token != self.token:
                self.volume.unknowing_bytes += self.dataset.object_bytes
            self.volume.write(name, self.dataset.object_bytes)
            self.volume.came[name] += 1
        self._next()

    def _bring_to_disk(self) -> None:
        self.volume.sync()
        self.irrevocably(0.05, "is on the disk", lambda: self.ask_before_publishing(self._publish))

    def ask_before_publishing(self, then: Act) -> None:
        """The last heartbeat: a holder that was replaced stops here."""
        self._grip.confirm(then)

    def may_replace(self, token: int) -> bool:
        """Whether what stands in the place is older than this fill: its marker says so (`cache.place`)."""
        return token < self.token

    def _publish(self) -> None:
        self.irrevocably(0.01, "makes way", self._place)

    def _place(self) -> None:
        """The tree, which links the blobs, then the marker."""
        if any(name not in self.volume.blobs for name in self.dataset.objects):
            self._next()
            return
        if not self.may_replace(self.volume.trees.get(self.order.ref, 0)):
            self.failed(ConflictError("fenced", f"a newer fill has completed {self.order.ref}"))
            return
        self.volume.place(self.order.ref, self.token)
        self.later(0.02, "is in its place", self._tell)

    def _tell(self) -> None:
        def told(found: object) -> None:
            if isinstance(found, ConflictError):
                self.volume.take_away(self.dataset, token=self.token)
            if isinstance(found, ForebayError):
                self.failed(found)
            else:
                self.over(TaskState.DONE)

        self.ask("finished", lambda: self.keeper.finish_fill(self.place, self.token, self.now), told)

    def _renew(self) -> None:
        self.keeper.renew_fill(self.place, self.token, self.now)

    def _give_up(self, detail: str, state: TaskState) -> None:
        self.ask(
            "gives up",
            lambda: self.keeper.fail_fill(self.place, self.token, self.now),
            lambda _found: self.over(state, detail),
        )
