"""Long polls without a thread each: one look a moment at the revisions of all that somebody waits for.

Who waits costs a future. The look goes to the database, so that what another hub of it wrote is seen as well; it asks
for nothing while nobody waits. A waiter learns only that it should look for itself: it is refused or answered as then.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from forebay.errors import ForebayError
from forebay.hub.watched import Revisions

PAUSE_SECONDS = 0.25
"""So late at most is what somebody waits for."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What somebody waits for: the orders of a site, or a run."""

    kind: str
    name: str


def orders_of(site: str) -> Topic:
    """The orders of a site."""
    return Topic("orders", site)


def run(run_id: str) -> Topic:
    """A run."""
    return Topic("run", run_id)


@dataclass(eq=False, slots=True)
class _Waiter:
    topic: Topic
    known: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Watcher:
    """Wakes who waits for one database's revisions. Belongs to the server's event loop."""

    def __init__(self, revisions: Revisions, is_stopping: Callable[[], bool], pause_s: float = PAUSE_SECONDS) -> None:
        self._revisions = revisions
        self._is_stopping = is_stopping
        self._pause_s = pause_s
        self._waiters: set[_Waiter] = set()
        self._watch: asyncio.Task[None] | None = None

    async def news(self, topic: Topic, known: int, wait_s: float) -> None:
        """Return once the topic has another revision than `known`, `wait_s` are over, or the hub stops."""
        if wait_s <= 0 or self._is_stopping():
            return
        waiter = _Waiter(topic, known)
        self._waiters.add(waiter)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look_again_and_again(), name="watch revisions")
        try:
            async with asyncio.timeout(wait_s):
                await waiter.woken.wait()
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    async def _look_again_and_again(self) -> None:
        while self._waiters:
            if self._is_stopping():
                self._wake(self._waiters)
                return
            try:
                changed = await run_in_threadpool(self._changed, tuple(self._waiters))
            except ForebayError:
                # The database is away: who waits learns that when it looks for itself.
                changed = []
            self._wake(changed)
            await asyncio.sleep(self._pause_s)

    def _changed(self, waiters: Collection[_Waiter]) -> list[_Waiter]:
        wanted: dict[str, set[str]] = defaultdict(set)
        for waiter in waiters:
            wanted[waiter.topic.kind].add(waiter.topic.name)
        look = {"orders": self._revisions.of_orders, "run": self._revisions.of_runs}
        found = {kind: look[kind](names) for kind, names in wanted.items()}
        return [item for item in waiters if found[item.topic.kind].get(item.topic.name) != item.known]

    def _wake(self, waiters: Collection[_Waiter]) -> None:
        for waiter in waiters:
            waiter.woken.set()


class Watchers:
    """One watcher for each database that is served."""

    def __init__(self, is_stopping: Callable[[], bool]) -> None:
        self._is_stopping = is_stopping
        self._watchers: WeakKeyDictionary[Revisions, Watcher] = WeakKeyDictionary()

    def of(self, revisions: Revisions) -> Watcher:
        """The one for these revisions."""
        found = self._watchers.get(revisions)
        if found is None:
            found = self._watchers[revisions] = Watcher(revisions, self._is_stopping)
        return found


def watcher_for(request: Request, revisions: Revisions) -> Watcher:
    """The watcher of the hub that a request asks."""
    watchers: Watchers = request.app.state.watchers
    return watchers.of(revisions)
