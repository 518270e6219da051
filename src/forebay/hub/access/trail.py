"""The audit: lines that are written and read, never changed. Works inside the caller's transaction.

There is no other way to touch the table in this code, and triggers refuse one that came from elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import storable
from forebay.wire.access import AuditPage, AuditQuery, AuditRecord, Outcome

MAX_PAGE = 1000
"""A page has at most so many lines."""

_INSERT = sa.insert(t.audit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Where a request came from, for the audit: an address, and the id that its log lines have, too."""

    source: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What somebody wanted to do. `call` is the method, `dataset` and `ref` what it was to be done to."""

    action: str
    call: str
    dataset: str = ""
    ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line to be written."""

    user: str
    token_id: str
    deed: Deed
    request: Request
    outcome: Outcome
    reason: str = ""


def write(connection: Connection, line: Line, now: float) -> None:
    """Add a line."""
    deed, request = line.deed, line.request
    values = {
        "at": now,
        "user_name": storable(line.user, t.NAME_LENGTH),
        "token_id": line.token_id,
        "action": deed.action,
        "call": deed.call,
        "dataset": storable(deed.dataset, t.NAME_LENGTH),
        "ref": storable(deed.ref, 160),
        "detail": storable(deed.detail, 1000),
        "source": storable(request.source, 255),
        "request_id": storable(request.request_id, 64),
        "outcome": line.outcome.value,
        "reason": line.reason,
    }
    connection.execute(_INSERT, values)


def read(connection: Connection, query: AuditQuery) -> AuditPage:
    """A page, newest first."""
    wanted = []
    if query.user:
        wanted.append(t.audit.c.user_name == query.user)
    if query.dataset:
        wanted.append(t.audit.c.dataset == query.dataset)
    if query.action:
        wanted.append(t.audit.c.action == query.action)
    if query.outcome is not None:
        wanted.append(t.audit.c.outcome == query.outcome.value)
    if query.since:
        wanted.append(t.audit.c.at >= query.since)
    if query.until:
        wanted.append(t.audit.c.at < query.until)
    if query.before:
        wanted.append(t.audit.c.audit_id < query.before)
    limit = max(1, min(query.limit, MAX_PAGE))
    newest_first = sa.select(t.audit).where(*wanted).order_by(t.audit.c.audit_id.desc()).limit(limit + 1)
    rows = connection.execute(newest_first).mappings().all()
    records = tuple(_record(row) for row in rows[:limit])
    return AuditPage(records=records, next_before=records[-1].number if len(rows) > limit else 0)


def _record(row: Any) -> AuditRecord:
    return AuditRecord(
        number=row["audit_id"],
        at=row["at"],
        user=row["user_name"],
        token_id=row["token_id"],
        action=row["action"],
        call=row["call"],
        dataset=row["dataset"],
        ref=row["ref"],
        detail=row["detail"],
        source=row["source"],
        request_id=row["request_id"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
    )
