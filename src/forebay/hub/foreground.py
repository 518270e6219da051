"""Who waits for a page goes first: what a hub does by itself stands aside meanwhile.

One interpreter runs one thread at a time, by turns. A page beside a pass over a long queue would take twice as long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event

MOST_S = 0.5
"""So long in all a piece of work stands aside: where somebody always waits for a page, runs begin nevertheless."""


class Foreground:
    """One of a hub; any number of threads may use it."""

    def __init__(self) -> None:
        self._under_way = 0
        self._changed = threading.Condition()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Somebody waits for what is done in here."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def aside(self, most_s: float = MOST_S) -> Callable[[], None]:
        """For one piece of work, which calls it between its parts: it waits while anybody is answered, `most_s` seconds
        in all. Never from a thread that answers, nor with the database's write lock.
        """
        left_s = most_s

        def stand_aside() -> None:
            nonlocal left_s
            if self._under_way and left_s > 0:
                began = time.monotonic()
                with self._changed:
                    self._changed.wait_for(lambda: not self._under_way, left_s)
                left_s -= time.monotonic() - began

        return stand_aside


def before_questions(connection: Connection, call: Callable[[], None]) -> None:
    """Call that before each statement on this connection, until it is given back."""

    def asked(*_: object) -> None:
        call()

    event.listen(connection, "before_cursor_execute", asked)
