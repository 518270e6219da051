"""The order of rounds, and the medians of what they gave."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from bench.rounds import alternate, median_of


def _recording(names: str, calls: list[str]) -> dict[str, Callable[[], str]]:
    def entrant(name: str) -> Callable[[], str]:
        def run() -> str:
            calls.append(name)
            return f"{name}{calls.count(name)}"

        return run

    return {name: entrant(name) for name in names}


def test_the_first_of_one_round_is_the_last_of_the_next() -> None:
    calls: list[str] = []
    alternate(_recording("abc", calls), 3)
    assert "".join(calls) == "abcbcacab"


@given(st.integers(1, 5), st.integers(0, 12))
def test_everybody_runs_once_a_round_and_keeps_its_own_results(entrants: int, rounds: int) -> None:
    names = "abcde"[:entrants]
    results = alternate(_recording(names, []), rounds)
    assert results == {name: [f"{name}{number + 1}" for number in range(rounds)] for name in names}


def test_whoever_watches_is_told_each_result_at_once() -> None:
    told: list[tuple[str, str]] = []
    alternate(_recording("ab", []), 1, on_done=lambda name, result: told.append((name, result)))
    assert told == [("a", "a1"), ("b", "b1")]


def test_one_slow_round_does_not_move_the_median() -> None:
    assert median_of([(1.0,), (900.0,), (2.0,)], lambda result: result[0]) == 2.0
