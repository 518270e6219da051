"""The ledger's rows: what was used, what that moved, what it saved. Works inside the caller's transaction.

Kept when a version is forgotten: a row names what it is about, as it was called then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.wire.cache import LedgerKey, Savings, Use

_INSERT = sa.insert(t.use)
IS_USE = sa.and_(t.use.c.moved_bytes == 0, t.use.c.peer_bytes == 0)
"""A line is a use, or what a fill brought: a version without a byte in it is used all the same."""


_COLUMNS = {
    LedgerKey.VERSION: t.use.c.ref,
    LedgerKey.DATASET: t.use.c.dataset,
    LedgerKey.TEAM: t.use.c.team,
    LedgerKey.MONTH: t.use.c.month,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom and what a line of the ledger is about."""

    volume_id: str
    ref: str
    dataset: str
    team: str
    user: str


def write_use(connection: Connection, subject: Subject, now: float, size_bytes: int, seconds: float) -> None:
    """A use, which a download of its own would have taken `seconds`."""
    connection.execute(_INSERT, _row(subject, now, size_bytes=size_bytes, moved_bytes=0, seconds_saved=seconds))


def write_moved(
    connection: Connection, subject: Subject, now: float, moved_bytes: int, peer_bytes: int, seconds: float
) -> None:
    """What a fill brought from the lake, and from other sites, in `seconds`, whether or not it came to its end.

    Nothing for no bytes.
    """
    if moved_bytes > 0 or peer_bytes > 0:
        brought = {"moved_bytes": max(0, moved_bytes), "peer_bytes": max(0, peer_bytes)}
        connection.execute(_INSERT, _row(subject, now, size_bytes=0, **brought, seconds_saved=-seconds))


def savings(connection: Connection, volume_id: str, by: LedgerKey, *where: sa.ColumnElement[bool]) -> list[Savings]:
    """All of a volume's lines (or those of some datasets), added up."""
    key = _COLUMNS[by]
    query = (
        sa.select(
            key.label("key"),
            sa.func.sum(sa.case((IS_USE, 1), else_=0)).label("uses"),
            sa.func.sum(t.use.c.size_bytes).label("conventional_bytes"),
            sa.func.sum(t.use.c.moved_bytes).label("moved_bytes"),
            sa.func.sum(t.use.c.peer_bytes).label("peer_bytes"),
            sa.func.sum(t.use.c.seconds_saved).label("seconds_saved"),
        )
        .where(t.use.c.volume_id == volume_id, *where)
        .group_by(key)
        .order_by(key)
    )
    return [
        Savings(
            by=by,
            key=row.key,
            uses=int(row.uses),
            conventional_bytes=int(row.conventional_bytes),
            moved_bytes=int(row.moved_bytes),
            seconds_saved=float(row.seconds_saved),
            peer_bytes=int(row.peer_bytes),
        )
        for row in connection.execute(query)
    ]


def uses(connection: Connection, volume_id: str, since: float) -> list[Use]:
    """Every use of a volume since a moment, oldest first."""
    query = (
        sa.select(t.use.c.at, t.use.c.ref, t.use.c.size_bytes)
        .where(t.use.c.volume_id == volume_id, t.use.c.at >= since, IS_USE)
        .order_by(t.use.c.at, t.use.c.use_id)
    )
    return [Use(at=row.at, ref=row.ref, size_bytes=row.size_bytes) for row in connection.execute(query)]


def used_versions(connection: Connection, dataset: str) -> list[tuple[str, int]]:
    """On which volumes which versions of a dataset were ever used, or subsets of them."""
    query = sa.select(t.use.c.volume_id, t.use.c.ref).where(t.use.c.dataset == dataset, IS_USE).distinct()
    refs = [(row.volume_id, parse_ref(row.ref)) for row in connection.execute(query)]
    return [(volume_id, ref.number) for volume_id, ref in refs if isinstance(ref, NumberRef)]


def _row(subject: Subject, now: float, **values: float) -> dict[str, Any]:
    return {
        "at": now,
        "month": time.strftime("%Y-%m", time.gmtime(now)),
        "volume_id": subject.volume_id,
        "ref": subject.ref,
        "dataset": subject.dataset,
        "team": subject.team,
        "user_name": subject.user,
        "peer_bytes": 0,
        **values,
    }
