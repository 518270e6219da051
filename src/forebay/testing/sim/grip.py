"""The grip that a fill or an eviction has on its replica: what it may do without asking (as `cache.grip` has it)."""

from __future__ import annotations

from collections.abc import Callable

from forebay.errors import ForebayError
from forebay.testing.sim.hub import CACHE_TERMS
from forebay.testing.sim.simulator import Act
from forebay.testing.sim.work import Work


class Grip:
    """`heard_at` is when the last word that the hub heard was said (the site's own clock)."""

    def __init__(
        self, work: Work, heard_at: float, renew: Callable[[], object], lost: Callable[[ForebayError], object]
    ) -> None:
        self._work = work
        self._renew = renew
        self._lost = lost
        self._heard_at = heard_at

    def is_held(self) -> bool:
        """Whether the hub can't have given it away since it last heard."""
        return self._work.agent.sim.now < self._heard_at + CACHE_TERMS.hold_seconds

    def check(self, then: Act) -> None:
        """Go on while it is held, or once the hub has said that it is."""
        if self.is_held():
            then()
        else:
            self.confirm(then)

    def confirm(self, then: Act) -> None:
        """Go on once the hub has said that it is still ours."""
        said_at = self._work.agent.sim.now

        def confirmed(found: object) -> None:
            if isinstance(found, ForebayError):
                self._lost(found)
                return
            self._heard_at = said_at
            self.check(then)

        self._work.ask("still ours", self._renew, confirmed)

    def beat(self) -> None:
        """Say that it goes on, from now on every beat."""
        said_at = self._work.agent.sim.now

        def answered(found: object) -> None:
            if not isinstance(found, ForebayError):
                self._heard_at = max(self._heard_at, said_at)

        self._work.agent.ask(f"{self._work.order.task_id}: heartbeat", self._renew, answered)
        self._work.later(CACHE_TERMS.hold_beat_seconds, "heartbeat", self.beat)
