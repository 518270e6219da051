"""Requests from sites to the hub and their answers: lost, late, doubled, overtaken, cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from forebay.errors import ForebayError, UnavailableError
from forebay.testing.sim.chaos import Chaos, Fault
from forebay.testing.sim.process import Process
from forebay.testing.sim.simulator import Simulator

T = TypeVar("T")
Answer = Callable[[T | ForebayError], object]
Serve = Callable[[Answer[T]], object]
"""What the hub does with a request: it answers at once or later, or raises a ForebayError."""

PATIENCE_S = 6.0


class Network:
    """`is_up` says whether the hub runs. `epoch` counts its lives: answers of an earlier one are lost."""

    def __init__(self, sim: Simulator, chaos: Chaos) -> None:
        self._sim = sim
        self._chaos = chaos
        self.is_up = True
        self.epoch = 0
        self.cut_off: set[str] = set()

    def ask(
        self, process: Process, site: str, what: str, serve: Serve[T], answer: Answer[T], patience_s: float = PATIENCE_S
    ) -> None:
        """Ask the hub from a process at a site; it hears of an answer, or after `patience_s` that none came, once."""
        heard = False

        def hear(found: T | ForebayError) -> None:
            nonlocal heard
            if not heard:
                heard = True
                patience.off = True
                answer(found)

        def comes() -> None:
            self._arrive(process, site, what, serve, hear)

        away = UnavailableError("hub-away", "no answer")
        patience = process.after(patience_s, f"{what}: no answer", lambda: hear(away))
        if site in self.cut_off or self._chaos.strikes(Fault.REQUEST_LOST):
            return
        self._sim.after(self._delay_s(), f"hub: {what} from {process.name}", comes)
        if self._chaos.strikes(Fault.DOUBLED):
            self._sim.after(self._delay_s(), f"hub: {what} from {process.name}, again", comes)

    def _arrive(self, process: Process, site: str, what: str, serve: Serve[T], hear: Answer[T]) -> None:
        if not self.is_up or site in self.cut_off:
            return
        epoch = self.epoch

        def reply(found: T | ForebayError) -> None:
            if self.epoch != epoch or site in self.cut_off or self._chaos.strikes(Fault.ANSWER_LOST):
                return
            process.after(self._delay_s(), f"{what}: answered", lambda: hear(found))

        try:
            serve(reply)
        except ForebayError as error:
            reply(error)

    def _delay_s(self) -> float:
        if self._chaos.strikes(Fault.LATE):
            return self._sim.between(0.5, 10.0)
        return self._sim.between(0.005, 0.05)
