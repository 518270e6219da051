"""What attempts left to be looked at: bounded files beside their logs, and the numbers that `metrics.json` tells.

They go with their run (`run_purge`). Works inside the caller's transaction.
"""

from __future__ import annotations

import gzip
import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.digest import digest_bytes
from forebay.errors import CapacityError, InputError
from forebay.runs.figures import METRICS_JSON, read_figures
from forebay.wire.runs import ALL_KEEPSAKES_BYTES, KEEPSAKE_BYTES, MOST_KEEPSAKES, Keepsake

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)
_K = t.keepsake.c
_FACTS = sa.select(_K.number, _K.name, _K.digest, _K.size_bytes, _K.kept_at)
_LEVEL = 6


def check(name: str, data: bytes) -> None:
    """InputError `bad-keepsake`, CapacityError `keepsake-too-large`."""
    if not _NAME.fullmatch(name):
        raise InputError(
            "bad-keepsake",
            f"{name[:120]!r} is no name of a file that a run can leave.",
            todo="Use letters, digits, `.`, `_` and `-`, and no folder.",
        )
    if len(data) > KEEPSAKE_BYTES:
        raise CapacityError(
            "keepsake-too-large",
            f"{name} has {len(data)} bytes, what a run leaves to be looked at at most {KEEPSAKE_BYTES}.",
            todo="Make an output of it (--out), which becomes a version.",
        )


def keep(connection: Connection, seq: int, number: int, name: str, data: bytes, now: float) -> Keepsake:
    """Write one that was checked; CapacityError `too-many-keepsakes`."""
    digest = digest_bytes(data).hex()
    others = {item.name: item for item in of_attempt(connection, seq, number)}
    known = others.pop(name, None)
    if known is not None and known.digest == digest:
        return known
    if len(others) >= MOST_KEEPSAKES or sum(each.size_bytes for each in others.values()) + len(data) > (
        ALL_KEEPSAKES_BYTES
    ):
        raise CapacityError(
            "too-many-keepsakes",
            f"An attempt leaves at most {MOST_KEEPSAKES} files with {ALL_KEEPSAKES_BYTES} bytes to be looked at.",
            todo="Leave fewer, or make an output of them (--out).",
        )
    here = sa.and_(_K.run_seq == seq, _K.number == number, _K.name == name)
    connection.execute(sa.delete(t.keepsake).where(here))
    kept = Keepsake(attempt=number, name=name, digest=digest, size_bytes=len(data), kept_at=now)
    values = {"run_seq": seq, "number": number, "name": name, "digest": digest, "size_bytes": len(data)}
    packed = gzip.compress(data, _LEVEL, mtime=0)
    connection.execute(sa.insert(t.keepsake).values({**values, "kept_at": now, "data": packed}))
    if name == METRICS_JSON:
        _note_metrics(connection, seq, number, data)
    return kept


def of_attempt(connection: Connection, seq: int, number: int) -> list[Keepsake]:
    """What one attempt left, by name."""
    query = _FACTS.where(_K.run_seq == seq, _K.number == number).order_by(_K.name)
    return [_keepsake(row) for row in connection.execute(query)]


def of_run(connection: Connection, seq: int) -> list[Keepsake]:
    """What all of its attempts left, the newest's first, then by name."""
    query = _FACTS.where(_K.run_seq == seq).order_by(_K.number.desc(), _K.name)
    return [_keepsake(row) for row in connection.execute(query)]


def read(connection: Connection, seq: int, number: int, name: str) -> bytes | None:
    """The bytes of one; None where there is none."""
    query = sa.select(_K.data).where(_K.run_seq == seq, _K.number == number, _K.name == name)
    found = connection.execute(query).scalar()
    return None if found is None else gzip.decompress(bytes(found))


def _note_metrics(connection: Connection, seq: int, number: int, data: bytes) -> None:
    m = t.run_metric.c
    connection.execute(sa.delete(t.run_metric).where(m.run_seq == seq, m.number == number))
    rows = [
        {"run_seq": seq, "number": number, "name": name, "value": value}
        for name, value in read_figures(data).metrics.items()
    ]
    if rows:
        connection.execute(sa.insert(t.run_metric), rows)


def _keepsake(row: Any) -> Keepsake:
    return Keepsake(
        attempt=row.number, name=row.name, digest=row.digest, size_bytes=row.size_bytes, kept_at=row.kept_at
    )
