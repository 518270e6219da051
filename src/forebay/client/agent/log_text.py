"""A log's bytes as the text that the hub keeps: the same text, however the bytes are cut into pieces. Pure."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """How far a log was sent: `read_bytes` of the log as it was written, `sent_bytes` of the text as UTF-8."""

    read_bytes: int = 0
    sent_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`text` belongs at `offset`, after `dropped_bytes` that are gone; then it is sent as far as `after`."""

    text: str
    offset: int
    dropped_bytes: int
    after: Shipped


def cut(done: Shipped, data: bytes, missing_bytes: int, *, is_last: bool) -> Piece:
    """What is sent next. The beginning of a character waits for its rest, unless nothing follows."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final=is_last)
    kept, _ = decoder.getstate()
    offset = done.sent_bytes + missing_bytes
    after = Shipped(
        read_bytes=done.read_bytes + missing_bytes + len(data) - len(kept), sent_bytes=offset + len(text.encode())
    )
    return Piece(text=text, offset=offset, dropped_bytes=missing_bytes, after=after)
