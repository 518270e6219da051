"""What happened lately, of all kinds: to replicas, to runs that ended, to versions made and retired; newest first.

Each kind gives its newest lines out of an index, without what is hidden; what was removed for good tells nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import WHOLE
from forebay.hub.board import history, running
from forebay.hub.board.history import Event
from forebay.hub.board.places import Place
from forebay.hub.board.running import Running
from forebay.hub.board.sight import Sight

RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfVersion:
    """A version was registered, committed or retired, as `what` says; `why` is its message, or why it was retired."""

    at: float
    what: str
    dataset: str
    number: int
    by: str
    why: str
    size_bytes: int


Happened = Event | Running | OfVersion


def happened(connection: Connection, sight: Sight, shown: Sequence[Place], limit: int) -> list[Happened]:
    """The newest lines of all kinds; replicas' at those places."""
    found: list[Happened] = [*history.history(connection, sight, shown, limit=limit).events]
    found += running.ended(connection, sight, limit)
    found += _of_versions(connection, sight, limit)
    return sorted(found, key=lambda item: -_at(item))[:limit]


def _at(item: Happened) -> float:
    match item:
        case Event():
            return item.line.at
        case Running():
            return item.since
        case OfVersion():
            return item.at


def _of_versions(connection: Connection, sight: Sight, limit: int) -> list[OfVersion]:
    """One query: the newest rows, and those that were retired last. Subsets are no versions of their own."""
    c = t.version.c
    made = _lines(c.created_at, c.origin, c.created_by, c.message).order_by(c.version_id.desc())
    # Of who may have been retired by a rule, nobody is named.
    gone = _lines(c.retired_at, sa.literal(RETIRED), c.retired_by, c.retired_reason)
    gone = gone.where(c.retired_at > 0).order_by(c.retired_at.desc())
    parts = [sa.select(sight.narrow(part, t.dataset.c.name).limit(limit).subquery()) for part in (made, gone)]
    return [OfVersion(**row) for row in connection.execute(sa.union_all(*parts)).mappings()]


def _lines(*told: Any) -> sa.Select[Any]:
    labels = ("at", "what", "by", "why")
    return (
        sa.select(
            *(column.label(label) for column, label in zip(told, labels, strict=True)),
            t.dataset.c.name.label("dataset"),
            t.version.c.number,
            t.version.c.size_bytes,
        )
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(WHOLE, t.dataset.c.removed_at == 0)
    )
