"""The heap of events, chance from one seed, and the trace of all that happened. Knows nothing of what is simulated."""

from __future__ import annotations

import gc
import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from forebay.digest import new_hasher

Act = Callable[[], object]


@dataclass(slots=True)
class Event:
    """Something that is to happen, unless it is `off` by then."""

    what: str
    act: Act
    off: bool = False


class Simulator:
    """`now` is true time in seconds, which nobody in the simulation can set. `steps` counts events.

    `tail` has the last lines of the trace: `keep` of them.
    """

    def __init__(self, seed: int, *, keep: int = 0) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.steps = 0
        self.last = ""
        self.tail: deque[str] = deque(maxlen=keep)
        self._heap: list[tuple[float, int, Event]] = []
        self._number = 0
        self._trace = new_hasher()

    def after(self, delay_s: float, what: str, act: Act) -> Event:
        """Have something happen so many seconds from now."""
        self._number += 1
        event = Event(what, act)
        heapq.heappush(self._heap, (self.now + delay_s, self._number, event))
        return event

    def note(self, what: str) -> None:
        """A fact for the trace."""
        line = f"{self.now:.6f} {what}\n"
        self._trace.update(line.encode())
        self.tail.append(line)

    def between(self, least: float, most: float) -> float:
        return self.chance.uniform(least, most)

    @property
    def trace(self) -> str:
        """The digest of all events so far, in their order."""
        return self._trace.hexdigest()

    def run(self, until: float, check: Act, is_done: Callable[[], bool]) -> None:
        """Event after event, each followed by `check`, until it is so late or all is done."""
        # A world lives for a part of a second: what is collected in it is mostly looked through in vain.
        collects = gc.isenabled()
        gc.disable()
        try:
            self._go_through(until, check, is_done)
        finally:
            if collects:
                gc.enable()

    def _go_through(self, until: float, check: Act, is_done: Callable[[], bool]) -> None:
        while self._heap and self._heap[0][0] <= until and not is_done():
            self.now, _, event = heapq.heappop(self._heap)
            if event.off:
                continue
            self.steps += 1
            self.last = event.what
            self.note(event.what)
            event.act()
            check()
