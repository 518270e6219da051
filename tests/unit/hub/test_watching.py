"""Long polls share one look: a thousand who wait cost no thread each, and nobody misses what they wait for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any

from forebay.errors import UnavailableError
from forebay.hub.api.watching import Watcher, Watchers, orders_of, run

LONG_S = 60.0


class Numbers:
    """Revisions that a test sets, and how often they were looked at."""

    def __init__(self, **known: int) -> None:
        self.known = known
        self.looks = 0
        self._looked = threading.Condition()
        self.asked: set[str] = set()
        self.threads: set[int] = set()
        self.failures = 0

    def of_orders(self, sites: Collection[str]) -> Mapping[str, int]:
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        self.asked |= set(sites)
        self.threads.add(threading.get_ident())
        if self.failures:
            self.failures -= 1
            raise UnavailableError("database-away", "It is away.")
        return {name: self.known[name] for name in sites if name in self.known}

    def wait(self, times: int) -> None:
        """Until it was looked at so often."""
        with self._looked:
            assert self._looked.wait_for(lambda: self.looks >= times, LONG_S)

    def of_runs(self, run_ids: Collection[str]) -> Mapping[str, int]:
        return {name: self.known[name] for name in run_ids if name in self.known}


def played(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(LONG_S):
            await play()

    asyncio.run(within())


async def looked(numbers: Numbers, times: int) -> None:
    await asyncio.to_thread(numbers.wait, times)


def test_a_thousand_who_wait_share_each_look_and_only_those_with_news_are_woken() -> None:
    sites = {f"site-{number}": 1 for number in range(1000)}
    numbers = Numbers(**sites)

    threads = threading.active_count()

    async def play() -> None:
        watcher = Watcher(numbers, bool, pause_s=0.001)
        waits = {name: asyncio.create_task(watcher.news(orders_of(name), 1, LONG_S)) for name in sites}
        await looked(numbers, 5)
        assert not any(task.done() for task in waits.values())
        assert threading.active_count() < threads + 60, "they take no thread each"
        before = numbers.looks
        numbers.known["site-7"] = 2
        await waits["site-7"]
        assert numbers.looks <= before + 2
        assert sum(task.done() for task in waits.values()) == 1
        for name in numbers.known:
            numbers.known[name] = 3
        await asyncio.gather(*waits.values())

    played(play)
    assert numbers.asked == set(sites)


def test_what_is_new_already_and_what_is_gone_wake_at_the_first_look() -> None:
    numbers = Numbers(dgx=5, r1=2)

    async def play() -> None:
        watcher = Watcher(numbers, bool)
        await asyncio.gather(
            watcher.news(orders_of("dgx"), 4, LONG_S),
            watcher.news(orders_of("nowhere"), 4, LONG_S),
            watcher.news(run("r1"), 1, LONG_S),
        )

    played(play)


def test_a_wait_ends_by_itself_and_then_nobody_looks() -> None:
    numbers = Numbers(dgx=1)

    async def play() -> None:
        watcher = Watcher(numbers, bool, pause_s=0.001)
        await watcher.news(orders_of("dgx"), 1, 0.01)
        await asyncio.sleep(0.01)
        before = numbers.looks
        await asyncio.sleep(0.02)
        assert numbers.looks == before
        await watcher.news(orders_of("dgx"), 1, 0.0)
        assert numbers.looks == before, "who does not wait costs nothing"
        await watcher.news(orders_of("dgx"), 0, LONG_S)
        assert numbers.looks > before, "and the next who waits is watched for again"

    played(play)


def test_a_database_that_is_away_for_a_while_ends_no_wait() -> None:
    numbers = Numbers(dgx=1)
    numbers.failures = 3

    async def play() -> None:
        watcher = Watcher(numbers, bool, pause_s=0.001)
        waiting = asyncio.create_task(watcher.news(orders_of("dgx"), 1, LONG_S))
        await looked(numbers, 5)
        assert not waiting.done()
        numbers.known["dgx"] = 2
        await waiting

    played(play)


def test_everybody_is_let_go_when_the_hub_stops() -> None:
    numbers = Numbers(dgx=1)
    stopping = threading.Event()

    async def play() -> None:
        watcher = Watcher(numbers, stopping.is_set, pause_s=0.001)
        waiting = asyncio.create_task(watcher.news(orders_of("dgx"), 1, LONG_S))
        await looked(numbers, 2)
        stopping.set()
        await waiting
        await watcher.news(orders_of("dgx"), 1, LONG_S)

    played(play)


def test_each_database_has_one_watcher() -> None:
    one, other = Numbers(), Numbers()
    watchers = Watchers(bool)
    assert watchers.of(one) is watchers.of(one)
    assert watchers.of(one) is not watchers.of(other)
