"""How what was added up over whole tables may be kept by whoever shows it: read models say what, not for how long."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from forebay.hub.board.sight import Sight

NEARLY_S = 30.0

Kept = TypeVar("Kept")


class Keep(Protocol):
    """`make` gives a value for a sight, without asking who it is; `key` has all else that the value depends on, but for
    the tables that are read. Times in it are rounded: a value is kept for a while though time goes on.
    """

    def __call__(self, name: str, key: Hashable, make: Callable[[Sight], Kept]) -> Kept: ...


def nearly(now: float) -> float:
    """The moment as far as it belongs in a key, in Unix seconds."""
    return now // NEARLY_S * NEARLY_S


def nothing_kept(sight: Sight) -> Keep:
    """Everything is made anew."""

    def keep(name: str, key: Hashable, make: Callable[[Sight], Kept]) -> Kept:
        return make(sight)

    return keep
