"""Sizes, times and counts in words, the same at every face. Pure."""

from __future__ import annotations

_DAY_SECONDS = 86400.0


def size(size_bytes: float) -> str:
    """`1.2 GiB`; 1 KiB is 1024 bytes, as in the settings."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        # What would be written as 1024.0 is one of the next unit.
        if abs(value) < 1023.95:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def count(number: int, noun: str) -> str:
    """`1 file`, `1,200 files`, `2 entries`, `3 days`."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


def duration(seconds: float) -> str:
    """`0.3 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `4 days`."""
    if seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def ago(then: float, now: float) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `12 days ago`, from two moments in Unix seconds."""
    seconds = now - then
    if seconds < 10:
        return "just now"
    if seconds < 60:
        return f"{seconds:.0f} s ago"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 2 * _DAY_SECONDS else f"{seconds / _DAY_SECONDS:.0f} days ago"
