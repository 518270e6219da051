"""The threads of a transfer: as many as the pace says, each doing one task after another.

Every thread has ended when `run` returns or raises. Which tasks there are is the caller's own matter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from forebay.cache.meter import Meter
from forebay.cache.pace import Pace, RoundMeasured, step
from forebay.clock import Clock

ROUND_SECONDS = 0.2


class Crew:
    """Calls `work` from many threads until all of them were told (False) that there is nothing to begin just now.

    `rounds` have ended; `stream_bytes_s` is what each thread brought in the best of them.
    """

    def __init__(self, pace: Pace, work: Callable[[], bool], meter: Meter, clock: Clock) -> None:
        self._pace = pace
        self._work = work
        self._meter = meter
        self._clock = clock
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._alive = 0
        self._dry = False
        self._broken: BaseException | None = None
        self.rounds = 0
        self.stream_bytes_s = 0.0

    def run(self) -> None:
        """Work until all is done; raises what broke a thread."""
        try:
            self._hire()
            self._watch()
        except BaseException as error:
            # Tell the threads, or an interrupted fill would go on to its end.
            self._meter.cancel(error)
            raise
        finally:
            for thread in self._threads:
                thread.join()
        if self._broken is not None:
            raise self._broken

    def _watch(self) -> None:
        """A round after another: measure what came, set the pace, hire."""
        began, before = self._clock.monotonic(), self._meter.progress
        while not self._ended(ROUND_SECONDS):
            now, progress = self._clock.monotonic(), self._meter.progress
            measured = RoundMeasured(
                seconds=now - began,
                moved_bytes=progress.moved_bytes - before.moved_bytes,
                moved_objects=progress.moved_files - before.moved_files,
            )
            if measured.rate > 0:
                # A round without a byte is not over: far lakes take longer than that to answer.
                began, before = now, progress
                self.rounds += 1
                self.stream_bytes_s = max(
                    self.stream_bytes_s, measured.moved_bytes / measured.seconds / max(1, self._alive)
                )
                self._pace = step(self._pace, measured)
                self._hire()

    def _ended(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._alive, timeout=seconds)

    def _hire(self) -> None:
        with self._changed:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            missing = self._pace.streams - self._alive
            if self._dry:
                # There was nothing to begin when somebody last asked: one asks again.
                missing = min(missing, 1)
            for _ in range(missing):
                thread = threading.Thread(target=self._labour, name=f"forebay-fill-{self._alive}")
                try:
                    thread.start()
                except RuntimeError:
                    # The system allows no more of them; fewer do the same.
                    if not self._alive:
                        raise
                    return
                self._alive += 1
                self._threads.append(thread)

    def _labour(self) -> None:
        more = True
        try:
            while not self._leaves(more=more):
                more = self._work()
                self._dry &= not more
        except BaseException as error:  # noqa: BLE001 it is raised again by `run`
            self._broken = self._broken or error
            self._meter.cancel(error)
            self._leaves(more=False)

    def _leaves(self, *, more: bool) -> bool:
        """Whether this thread ends here: when no task is left, all is cancelled, or the pace wants fewer."""
        if more and self._alive <= self._pace.streams and not self._meter.cancelled():
            # Asked once a task: without the lock, which is only for who really leaves.
            return False
        with self._changed:
            self._dry |= not more
            if more and self._alive <= self._pace.streams and not self._meter.cancelled():
                return False
            self._alive -= 1
            self._changed.notify()
            return True
