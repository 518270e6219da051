"""What readers want first from a fill: those of the holder's own process directly, all others through the hub.

A fill listens while it moves; wishes that came before, or that an earlier holder left unfulfilled, come with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from forebay.errors import ForebayError
from forebay.wire.cache import Granted
from forebay.wire.hub import Hub

WISH_SECONDS = 0.25
"""How often a holder asks the hub what readers wait for."""

Prefer = Callable[[Iterable[int]], object]
Cancel = Callable[[BaseException], object]


class Wishes:
    """Entries of a manifest, in the order in which they were wished for; `stop` when nobody wants any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, None] = {}
        self._prefer: Prefer | None = None
        self._stopped = threading.Event()
        self._reason: ForebayError | None = None
        self._cancel: Cancel | None = None

    def add(self, entry: int) -> None:
        """A reader waits for this entry."""
        with self._lock:
            self._entries[entry] = None
            if self._prefer is not None:
                self._prefer([entry])

    def stop(self, reason: ForebayError) -> None:
        """End the fill, or the wait for somebody else's: `reason` is raised there."""
        with self._lock:
            self._reason = self._reason or reason
            self._stopped.set()
            if self._cancel is not None:
                self._cancel(self._reason)

    def wait(self, seconds: float) -> None:
        """Sleep, or raise the reason when they have been stopped."""
        if self._stopped.wait(seconds) and self._reason is not None:
            raise self._reason

    @contextmanager
    def may_stop(self, cancel: Cancel) -> Iterator[None]:
        """Call `cancel` with the reason when they are stopped before the end of the block, or were before it."""
        with self._lock:
            self._cancel = cancel
            if self._reason is not None:
                cancel(self._reason)
        try:
            yield
        finally:
            with self._lock:
                self._cancel = None

    @contextmanager
    def told_to(self, prefer: Prefer) -> Iterator[None]:
        """Tell all wishes, and those to come until the end of the block."""
        with self._lock:
            self._prefer = prefer
            prefer(list(self._entries))
        try:
            yield
        finally:
            with self._lock:
                self._prefer = None


class WishesHeard:
    """Passes on what other processes told the hub, each wish once."""

    def __init__(self, hub: Hub, granted: Granted, prefer: Prefer) -> None:
        self._hub = hub
        self._granted = granted
        self._prefer = prefer
        self._last = 0

    def listen(self) -> None:
        """Ask the hub once. That it can't be asked is no news: the fill's own heartbeat says so."""
        try:
            wishes = self._hub.fills.wishes(self._granted.fill_id, self._granted.token, self._last)
        except ForebayError:
            return
        if wishes:
            self._last = wishes[-1].number
            self._prefer([wish.entry for wish in wishes])
