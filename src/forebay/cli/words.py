"""Sizes, times and counts as people read them, and times as they write them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from forebay.errors import InputError
from forebay.words import ago as ago
from forebay.words import count as count
from forebay.words import duration as duration
from forebay.words import size as size

if TYPE_CHECKING:
    from forebay.wire.access import Role

T = TypeVar("T")


def first_line(text: str) -> str:
    """`clicks/b is gone`, of an error that has a line for each object."""
    return text.partition("\n")[0]


def moment(at: float) -> str:
    """`2026-12-01 14:05`, in local time."""
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def clean(text: str) -> str:
    """Text that cannot steer a terminal: control characters and the like are replaced."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def parse_option(name: str, text: str, parse: Callable[[str], T]) -> T:
    """What an option's text means; InputError `bad-option` where `parse` raises ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        raise InputError("bad-option", f"{name}: {error}") from None


def seconds_of(text: str) -> float:
    """Of a limit that there has to be, for `parse_option`; ValueError where `text` is none."""
    from forebay.settings import parse_duration

    seconds = parse_duration(text)
    if not seconds:
        raise ValueError(f"{text} is no limit: write 30min or 12h")
    return seconds


def parse_role(text: str) -> Role:
    """The role of that name; InputError `bad-role`."""
    from forebay.catalog.names import did_you_mean
    from forebay.wire.access import Role

    try:
        return Role(text)
    except ValueError:
        todo = did_you_mean(text, list(Role), otherwise=f"Write {', '.join(list(Role)[:-1])} or {list(Role)[-1]}.")
        raise InputError("bad-role", f"{text!r} is no role", todo=todo) from None


def parse_until(text: str, now: float, *, option: str = "--until") -> float:
    """The moment that `2026-12-01` (its end, local time) or `30d` (from now) means; InputError `bad-until`."""
    from forebay.settings import parse_duration

    try:
        until = datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time.max).timestamp()
    except ValueError:
        try:
            until = now + (parse_duration(text) or 0.0)
        except ValueError:
            until = now
    if until <= now:
        raise InputError("bad-until", f"{option} {text!r} is no moment to come", todo="Write 2026-12-01, 12h or 30d.")
    return until


def parse_moment(text: str, now: float, *, option: str) -> float:
    """The moment that `2026-12-01T22:00` (local time, unless it says another) or `8h` (from now) means.

    InputError `bad-moment`.
    """
    from forebay.settings import parse_duration

    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        try:
            later_s = parse_duration(text)
        except ValueError:
            later_s = None
    if not later_s:
        raise InputError("bad-moment", f"{option} {text!r} is no moment", todo="Write 2026-12-01T22:00 or 8h.")
    return now + later_s


def parse_size(text: str) -> int:
    """Bytes of `500GB`, in units of 1024; InputError `bad-size`."""
    from forebay.settings import parse_limit

    try:
        found = parse_limit(text)
    except ValueError:
        found = 1.0
    if isinstance(found, float):
        raise InputError("bad-size", f"{text!r} is no size", todo="Write 500GB or 2TB.")
    return found


def parse_age(text: str) -> float | None:
    """Seconds of `30d`, 0 of `never`, None of `default`; InputError `bad-age`."""
    from forebay.settings import parse_duration

    if text.strip().lower() == "default":
        return None
    try:
        found = parse_duration(text)
    except ValueError:
        found = 0.0
    if found == 0:
        raise InputError("bad-age", f"{text!r} is no age", todo="Write 12h, 30d, never or default.")
    return found or 0.0


def parse_since(text: str, now: float) -> float:
    """The moment that lies `30d` back; InputError `bad-age`, also for `never` and `default`."""
    from forebay.settings import parse_duration

    try:
        age_s = parse_duration(text)
    except ValueError:
        age_s = None
    if not age_s:
        raise InputError(
            "bad-age", f"--since {text!r} is no age", todo="Write 12h or 30d; for all there is, leave it out."
        )
    return now - age_s


def goes_after(seconds: float | None) -> str:
    """What `parse_age` reads, said of replicas."""
    if seconds is None:
        return "go as this site's stale_after says"
    return f"go after {duration(seconds)} without use" if seconds else "never go because of their age"
