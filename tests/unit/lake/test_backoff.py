from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.lake.backoff import Attempts, Backoff, Patience

BACKOFF = Backoff(attempts=4, base_s=1.0, cap_s=5.0, total_s=30.0, throttled_s=2.0)


class StoppedClock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def patience(clock: StoppedClock, backoff: Backoff = BACKOFF) -> Patience:
    return Patience(backoff=backoff, sleep=clock.sleep, chance=lambda: 0.5, clock=clock)


@given(
    tries=st.integers(1, 10),
    elapsed_s=st.floats(0, 100),
    chance=st.floats(0, 1, exclude_max=True),
    throttled=st.booleans(),
)
def test_a_delay_is_bounded_in_tries_and_time(tries: int, elapsed_s: float, chance: float, throttled: bool) -> None:
    delay_s = BACKOFF.delay_s(tries=tries, elapsed_s=elapsed_s, chance=chance, throttled=throttled)

    if delay_s is None:
        assert tries >= BACKOFF.attempts or elapsed_s + BACKOFF.cap_s + BACKOFF.throttled_s >= BACKOFF.total_s
    else:
        assert tries < BACKOFF.attempts
        assert elapsed_s + delay_s <= BACKOFF.total_s
        assert (BACKOFF.throttled_s if throttled else 0) <= delay_s <= BACKOFF.cap_s + BACKOFF.throttled_s


def test_delays_grow_up_to_the_cap() -> None:
    delays = [BACKOFF.delay_s(tries=tries, elapsed_s=0, chance=0.999, throttled=False) or 0 for tries in (1, 2, 3)]

    assert delays == sorted(delays)
    assert [round(delay) for delay in delays] == [2, 4, 5]


def test_attempts_end_and_begin_anew_with_progress() -> None:
    clock = StoppedClock()
    attempts = Attempts(patience(clock))

    assert [attempts.wait(throttled=False) for _ in range(4)] == [True, True, True, False]
    attempts.progressed()

    assert attempts.failed == 0
    assert attempts.wait(throttled=False)


def test_attempts_end_with_the_total_time() -> None:
    clock = StoppedClock()
    attempts = Attempts(patience(clock, Backoff(attempts=1000, base_s=10, cap_s=10, total_s=30)))

    while attempts.wait(throttled=True):
        pass

    assert 20 <= clock.time <= 30
