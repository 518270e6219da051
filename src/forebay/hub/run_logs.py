"""What attempts wrote, in bounded parts: the beginning and the end of a log stay, the middle of a long one goes.

Offsets count every byte, those that were dropped included, so an agent that sends again what came already adds nothing.
Works inside the caller's transaction.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.errors import InputError
from forebay.wire.runs import LOG_PIECE_BYTES, LogPiece

HEAD_BYTES = 4 << 20
"""So much of the beginning of a log stays."""

TAIL_BYTES = 12 << 20
"""And so much of its end."""

_PART_BYTES = 64 << 10


_BEHIND = sa.and_(
    t.run_log.c.run_seq == sa.bindparam("run_seq"),
    t.run_log.c.number == sa.bindparam("number"),
    t.run_log.c.end > sa.bindparam("offset"),
)
_FIRST = sa.select(sa.func.min(t.run_log.c.begin)).where(_BEHIND)
_PARTS = (
    sa.select(t.run_log.c.begin, t.run_log.c.data)
    .where(_BEHIND, t.run_log.c.begin < sa.bindparam("until"))
    .order_by(t.run_log.c.begin)
)


def add(connection: Connection, seq: int, number: int, end: int, offset: int, text: str, dropped_bytes: int) -> int:
    """Write what came after `end`, the end so far; returns the end that follows from it."""
    data = text.encode(errors="backslashreplace")
    if len(data) > LOG_PIECE_BYTES:
        raise InputError("log-too-long", f"{len(data)} bytes of a log came at once.", todo="Send it in parts.")
    if offset < 0 or dropped_bytes < 0 or offset - dropped_bytes > end:
        return end
    skipped = max(0, end - offset)
    begin = offset + skipped
    data = data[skipped:]
    for at in range(0, len(data), _PART_BYTES):
        part = data[at : at + _PART_BYTES]
        key = {"run_seq": seq, "number": number, "begin": begin + at}
        connection.execute(sa.insert(t.run_log).values({**key, "end": begin + at + len(part), "data": part}))
    after = max(end, begin + len(data))
    here = sa.and_(t.attempt.c.run_seq == seq, t.attempt.c.number == number)
    connection.execute(sa.update(t.attempt).where(here).values(log_bytes=after))
    middle = (t.run_log.c.begin >= HEAD_BYTES, t.run_log.c.end <= after - TAIL_BYTES)
    connection.execute(sa.delete(t.run_log).where(_of(seq, number), *middle))
    return after


def piece(connection: Connection, seq: int, number: int, end: int, offset: int, limit: int, *, ended: bool) -> LogPiece:
    """At most `limit` bytes of what is there from `offset` on; characters stay whole."""
    offset = max(0, offset)
    limit = max(4, min(limit, LOG_PIECE_BYTES))
    first = connection.execute(_FIRST, {"run_seq": seq, "number": number, "offset": offset}).scalar()
    until = max(offset, offset if first is None else first) + limit
    data, at, dropped_bytes = b"", offset, 0
    for row in connection.execute(_PARTS, {"run_seq": seq, "number": number, "offset": offset, "until": until}):
        if len(data) >= limit:
            break
        if row.begin > at:
            dropped_bytes += row.begin - at
            at = row.begin
        taken = bytes(row.data)[at - row.begin :][: limit - len(data)]
        data += taken
        at += len(taken)
    whole = _whole_characters(data) if at < end else data
    at -= len(data) - len(whole)
    return LogPiece(
        text=whole.decode(errors="replace"), next_offset=at, is_whole=ended and at >= end, dropped_bytes=dropped_bytes
    )


def _of(seq: int, number: int) -> sa.ColumnElement[bool]:
    return sa.and_(t.run_log.c.run_seq == seq, t.run_log.c.number == number)


def _whole_characters(data: bytes) -> bytes:
    """Without the beginning of a character that is cut."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        wanted = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return data[:-back] if back < wanted and len(data) > back else data
    return data
