"""What an origin can do wrong with one request, as values."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Status:
    """Answers with this status and no object."""

    code: int
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Waits until `gate` is set (or the origin ends): before any answer, or after so many bytes of the body.

    `reached` says that a request waits.
    """

    after_bytes: int | None = None
    gate: threading.Event = field(default_factory=threading.Event, repr=False)
    reached: threading.Event = field(default_factory=threading.Event, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """Resets the connection after so many bytes of the body."""

    after_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Promises the whole body in Content-Length, closes in good order after so many bytes."""

    after_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorten:
    """Leaves out the body's last bytes, with a Content-Length that agrees with what it sends."""

    missing_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengthen:
    """Appends bytes to the body, with a Content-Length that agrees with what it sends."""

    extra_bytes: int


@dataclass(frozen=True, slots=True)
class IgnoreRange:
    """Answers 200 with the whole object whatever range was asked for."""


@dataclass(frozen=True, slots=True)
class IgnoreCondition:
    """Serves the object although If-Match does not hold."""


@dataclass(frozen=True, slots=True)
class ChangeEtag:
    """Reports another ETag than the object's, with the same bytes; If-Match on the real one fails."""

    etag: str = '"changed"'


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipBit:
    """Flips the lowest bit of the object's byte at this offset."""

    at_byte: int = 0


Fault = Status | Hold | Reset | Truncate | Shorten | Lengthen | IgnoreRange | IgnoreCondition | ChangeEtag | FlipBit
