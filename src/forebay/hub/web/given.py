"""What people write into forms as values: sizes, rates, times, prices, names. Pure; InputError where it is none."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from typing import Final, TypeVar

from forebay.errors import InputError
from forebay.settings import parse_duration, parse_limit, parse_rate

GB: Final = 2**30
"""Prices are of so many bytes."""

Value = TypeVar("Value")
_BETWEEN = re.compile(r"[\s,]+")
_AHEAD = re.compile(r"(?:in\s+|\+\s*)?(?P<span>\d.*)", re.ASCII)


def names(text: str) -> tuple[str, ...]:
    """`ads, maps` or a name a line; each once, in the order given."""
    return tuple(dict.fromkeys(part for part in _BETWEEN.split(text) if part))


def whole_size(text: str) -> int | None:
    """Bytes of `500GB` (1 GB = 2**30); None for nothing. InputError `bad-size`."""
    found = _read("bad-size", text, parse_limit, "Write 500GB or 2TB.")
    if isinstance(found, float):
        raise InputError("bad-size", f"{text!r} is a share, not a size.", todo="Write 500GB or 2TB.")
    return found


def bytes_s(text: str) -> float | None:
    """Bytes a second of `120MB/s`; None for nothing. InputError `bad-rate`."""
    return _read("bad-rate", text, parse_rate, "Write 120MB/s.")


def seconds(text: str) -> float | None:
    """Seconds of `30ms`, `0.03s`, `12h`; None for nothing. InputError `bad-duration`."""
    plain = text.strip()
    if plain.endswith("ms"):
        return money(plain.removesuffix("ms"), 1 / 1000, kind="bad-duration", todo="Write 30ms, 10min or 12h.")
    return _read("bad-duration", text, parse_duration, "Write 30ms, 10min or 12h.")


def money(
    text: str, factor: float = 1.0, *, kind: str = "bad-price", todo: str = "Write a number: 0.09"
) -> float | None:
    """A number that is not below 0, times a factor; None for nothing."""
    plain = text.strip()
    if not plain:
        return None
    try:
        found = float(plain)
    except ValueError:
        found = -1.0
    if not math.isfinite(found) or found < 0:
        raise InputError(kind, f"{plain[:40]!r} is no such number.", todo=todo)
    return found * factor


def price_byte(text: str) -> float | None:
    """What a byte costs, of the price of a GB; None for nothing. InputError `bad-price`."""
    return money(text, 1 / GB)


def moment(text: str, now: float) -> float | None:
    """Unix seconds of `2026-12-01 22:00` (UTC, unless it says another zone), of `8h` from now, or of `now`; None for
    nothing. InputError `bad-moment`.
    """
    plain = text.strip()
    if not plain or plain == "now":
        return now if plain else None
    try:
        found = datetime.datetime.fromisoformat(plain.removesuffix("UTC").strip())
        return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    ahead = _AHEAD.fullmatch(plain)
    try:
        later_s = parse_duration(ahead["span"]) if ahead else None
    except ValueError:
        later_s = None
    if later_s is None:
        raise InputError("bad-moment", f"{plain[:40]!r} is no moment.", todo="Write 2026-12-01 22:00 (UTC), or 8h.")
    return now + later_s


def day(text: str) -> float:
    """The begin of `2026-12-01` in UTC, in Unix seconds; 0 for nothing. InputError `bad-moment`."""
    plain = text.strip()
    if not plain:
        return 0.0
    try:
        found = datetime.datetime.combine(datetime.date.fromisoformat(plain), datetime.time.min, datetime.UTC)
        return found.timestamp()
    except (ValueError, OverflowError):
        raise InputError("bad-moment", f"{plain[:40]!r} is no day.", todo="Write 2026-12-01.") from None


def _read(kind: str, text: str, parse: Callable[[str], Value | None], todo: str) -> Value | None:
    if not text.strip():
        return None
    try:
        found = parse(text)
    except ValueError:
        found = None
    if found is None:
        raise InputError(kind, f"{text.strip()[:40]!r} can't be read.", todo=todo)
    return found
