"""Rounds of measurements: every entrant once a round, in another order each time. Pure but for calling them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import TypeVar

T = TypeVar("T")


def alternate(
    entrants: Mapping[str, Callable[[], T]],
    rounds: int,
    *,
    on_done: Callable[[str, T], object] = lambda name, result: None,
) -> dict[str, list[T]]:
    """What each entrant returned in each round. The first of one round is the last of the next: A B C, B C A, ..."""
    names = list(entrants)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            result = entrants[name]()
            results[name].append(result)
            on_done(name, result)
    return results


def median_of(results: Iterable[T], value: Callable[[T], float]) -> float:
    """The median of one value of many results."""
    return median(value(result) for result in results)
