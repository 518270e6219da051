"""The crew: every task is done once, no thread outlives `run`, and what breaks one ends all."""

from __future__ import annotations

import threading

import pytest

from forebay.cache.crew import Crew
from forebay.cache.meter import Meter
from forebay.cache.pace import Pace, Phase, begin
from forebay.clock import SystemClock


class _Tasks:
    """So many tasks; each says who did it."""

    def __init__(self, count: int) -> None:
        self.left = iter(range(count))
        self.lock = threading.Lock()
        self.done: list[int] = []
        self.by: set[str] = set()

    def work(self) -> bool:
        with self.lock:
            task = next(self.left, None)
            if task is None:
                return False
            self.done.append(task)
            self.by.add(threading.current_thread().name)
            return True


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("forebay-fill")]


@pytest.mark.parametrize("streams", [1, 2, 64])
@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_every_task_is_done_once_and_no_thread_is_left(streams: int, count: int) -> None:
    tasks = _Tasks(count)
    Crew(begin(streams), tasks.work, Meter(), SystemClock()).run()
    assert sorted(tasks.done) == list(range(count))
    assert _threads() == []


def test_no_more_threads_work_than_the_pace_allows() -> None:
    everybody_here = threading.Barrier(3)
    tasks = _Tasks(3)

    def work() -> bool:
        if not tasks.work():
            return False
        everybody_here.wait(timeout=60)
        return True

    Crew(Pace(limit=3, streams=3), work, Meter(), SystemClock()).run()
    assert len(tasks.by) == 3


def test_the_first_error_of_a_thread_is_raised_and_ends_the_others() -> None:
    meter, broke = Meter(), threading.Event()

    def work() -> bool:
        if threading.current_thread().name.endswith("-0"):
            broke.set()
            raise RuntimeError("broken")
        assert broke.wait(timeout=60)
        meter.wait(60)
        return True

    with pytest.raises(RuntimeError, match="broken"):
        Crew(Pace(limit=4, streams=4), work, meter, SystemClock()).run()
    assert meter.cancelled()
    assert _threads() == []


class _Interrupting(SystemClock):
    """Stands for Ctrl-C in the thread that watches."""

    def __init__(self) -> None:
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        if self.asked > 1:
            raise KeyboardInterrupt
        return super().monotonic()


def test_an_interrupt_ends_all_threads() -> None:
    meter = Meter()

    def work() -> bool:
        meter.wait(60)
        return True

    with pytest.raises(KeyboardInterrupt):
        Crew(begin(4), work, meter, _Interrupting()).run()
    assert _threads() == []


def test_threads_come_as_the_pace_finds_that_they_pay() -> None:
    """A lake whose answers take their time: with each stream as many bytes come again."""
    meter, lock = Meter(), threading.Lock()
    most, now = 0, 0

    def work() -> bool:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        meter.wait(0.01)
        meter.moved(1_000_000, files=1)
        with lock:
            now -= 1
            return most <= 8

    Crew(begin(64), work, meter, SystemClock()).run()
    assert most > 8


def test_while_there_is_nothing_to_begin_one_thread_a_round_asks_again_and_all_come_back_when_there_is() -> None:
    meter, lock, together = Meter(), threading.Lock(), threading.Barrier(3)
    asked, given, until_full = 0, 0, 3

    def work() -> bool:
        """One task that lasts for some rounds; then three which only three threads at once can do."""
        nonlocal asked, given
        with lock:
            mine = given
            if mine == 0 or (crew.rounds >= until_full and mine < 4):
                given += 1
            else:
                asked += 1
                return False
        if mine:
            together.wait(timeout=60)
            return True
        while crew.rounds < until_full:
            meter.moved(1_000)
            meter.wait(0.01)
        assert asked <= 7 + crew.rounds + 1, "only one of them asks again in a round"
        while given < 4:
            meter.moved(1_000)
            meter.wait(0.01)
        return True

    crew = Crew(Pace(limit=8, streams=8, phase=Phase.STAY, kept=8), work, meter, SystemClock())
    crew.run()
    assert given == 4
    assert _threads() == []
