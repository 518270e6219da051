"""A process: what it has asked to happen does not when it is dead, and waits while it is stopped."""

from __future__ import annotations

from forebay.testing.sim.simulator import Act, Event, Simulator


class Process:
    """One process's life."""

    def __init__(self, sim: Simulator, name: str) -> None:
        self.sim = sim
        self.name = name
        self.is_alive = True
        self.is_stopped = False
        self._held_up: list[tuple[str, Act]] = []

    def after(self, delay_s: float, what: str, act: Act) -> Event:
        """Later, in this process."""
        return self.sim.after(delay_s, f"{self.name}: {what}", lambda: self._happen(what, act))

    def kill(self) -> None:
        self.is_alive = False
        self._held_up.clear()

    def stop(self) -> None:
        self.is_stopped = True

    def go_on(self) -> None:
        """SIGCONT: what came meanwhile happens now, in its order."""
        self.is_stopped = False
        held_up, self._held_up = self._held_up, []
        for what, act in held_up:
            self.after(0.0, what, act)

    def _happen(self, what: str, act: Act) -> None:
        if not self.is_alive:
            return
        if self.is_stopped:
            self._held_up.append((what, act))
        else:
            act()
