"""What a request is answered with, as values: the object, the range of it, the condition on it, the fault in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from forebay.testing.awkward.faults import (
    ChangeEtag,
    Fault,
    FlipBit,
    IgnoreCondition,
    IgnoreRange,
    Lengthen,
    Reset,
    Shorten,
    Truncate,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request that came in, and what was sent for it."""

    method: str
    path: str
    range: str | None
    if_match: str | None
    status: int
    sent_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One object."""

    body: bytes
    etag: str

    @property
    def size_bytes(self) -> int:
        return len(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What will be sent. `cut_at` ends the body early, at that many bytes."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None


def answer_object(stored: Stored, fault: Fault | None, *, byte_range: str | None, if_match: str | None) -> Answer:
    """The answer to a GET of `stored`, with the fault in it."""
    etag = fault.etag if isinstance(fault, ChangeEtag) else stored.etag
    if if_match not in (None, "*", etag) and not isinstance(fault, IgnoreCondition):
        return Answer(status=412)
    body = spoil(stored.body, fault)
    headers = [("ETag", etag), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Accept-Ranges", "bytes")]
    if byte_range is None or isinstance(fault, IgnoreRange):
        return cut(Answer(status=200, body=body, headers=tuple(headers)), fault)
    span = parse_range(byte_range, len(body))
    if span is None:
        return Answer(status=416, headers=(("Content-Range", f"bytes */{len(body)}"),))
    start, end = span
    headers.append(("Content-Range", f"bytes {start}-{end - 1}/{len(body)}"))
    return cut(Answer(status=206, body=body[start:end], headers=tuple(headers)), fault)


def parse_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Start and end (exclusive) of a single byte range; None when nothing of the object lies in it."""
    matched = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if matched is None or matched.group() == "bytes=-":
        return None
    first, last = matched.groups()
    start = int(first) if first else max(0, size_bytes - int(last))
    end = min(size_bytes, int(last) + 1) if first and last else size_bytes
    return (start, end) if start < end else None


def spoil(body: bytes, fault: Fault | None) -> bytes:
    """The bytes that the fault makes of a whole body."""
    match fault:
        case Shorten(missing_bytes=missing):
            return body[: len(body) - missing]
        case Lengthen(extra_bytes=extra):
            return body + b"x" * extra
        case FlipBit(at_byte=at):
            return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        case _:
            return body


def cut(answer: Answer, fault: Fault | None) -> Answer:
    """The answer that the fault ends early."""
    if isinstance(fault, Truncate | Reset):
        return replace(answer, cut_at=min(fault.after_bytes, len(answer.body)))
    return answer
