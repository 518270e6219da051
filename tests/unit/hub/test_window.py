"""No more than allowed comes through, and who waits as long as told gets in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.hub.api.window import Window
from forebay.settings import Frequency

frequencies = st.builds(Frequency, count=st.integers(1, 20), seconds=st.integers(1, 60))
pauses = st.lists(st.floats(0, 30), max_size=80)


@given(frequencies, pauses, st.floats(0, 1e9))
def test_of_each_window_no_more_than_allowed_comes_through(
    frequency: Frequency, waits: list[float], begin: float
) -> None:
    window, now = Window(frequency.count, frequency.seconds), begin
    through: dict[int, int] = {}
    for wait in waits:
        now += wait
        had_room = window.has_room("k", now)
        assert window.take("k", now) is had_room
        number = int(now // frequency.seconds)
        through[number] = through.get(number, 0) + had_room
        assert through[number] <= frequency.count


@given(frequencies, pauses, st.floats(0, 1e9))
def test_who_waits_as_long_as_told_gets_in_and_not_much_sooner(
    frequency: Frequency, waits: list[float], begin: float
) -> None:
    window, now = Window(frequency.count, frequency.seconds), begin
    for wait in waits:
        now += wait / 10
        left = window.seconds_left("k", now)
        assert window.take("k", now) is (left == 0)
        assert left <= 2 * frequency.seconds + 1
        if left:
            assert window.has_room("k", now + left)


def test_keys_do_not_count_for_each_other_and_old_ones_are_forgotten() -> None:
    window = Window(2, 10)
    assert [window.take("a", 1.0) for _ in range(3)] == [True, True, False]
    assert window.take("b", 1.0)
    assert not window.take("a", 9.9)
    assert not window.take("a", 10.1), "nearly all of the last window is still in sight"
    assert window.take("a", 15.0), "and now half of it"
    for number in range(1000):
        window.take(f"{number}", 100.0)
    window.take("last", 130.0)
    assert len(window._by_key) == 1


def test_without_a_limit_there_is_always_room() -> None:
    window = Window(0, 1)
    assert all(window.take("k", 0.0) for _ in range(1000))
    assert window.has_room("k", 0.0)
