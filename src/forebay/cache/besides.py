"""What else failed, in lines short and few enough to be kept with the first error. Pure."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 4
LONGEST = 200


def besides(first: str, others: Iterable[str]) -> tuple[str, ...]:
    """A line for each of the first few others, and one that counts the rest. What is said already is not said again."""
    said = {first: None, **dict.fromkeys(others)}
    lines = [_short(" ".join(message.split())) for message in list(said)[1:]]
    more = len(lines) - MOST
    told = [f"and {more} more"] if more > 0 else []
    return (*lines[:MOST], *told)


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
