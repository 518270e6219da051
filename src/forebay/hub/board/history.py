"""What happened to replicas, newest first: the volumes' own history, without what is hidden."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.jobs import dataset_of, without
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.wire.cache import CacheEvent

_BATCH = 200
_MOST_BATCHES = 25
"""Looked through where much is hidden, or of another kind: more of them a page does not wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the history, and its number, which grows."""

    number: int
    place: Place
    line: CacheEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`before` is the next page's cursor, 0 after the last one."""

    events: tuple[Event, ...]
    before: int = 0


def history(
    connection: Connection,
    sight: Sight,
    shown: Sequence[Place],
    *,
    kinds: Collection[str] = (),
    dataset: str = "",
    number: int = 0,
    before: int = 0,
    limit: int = 50,
) -> History:
    """The events at those places: of all kinds unless some are named, of all datasets or of one, or of one version."""
    at = {place.volume_id: place for place in shown}
    found: list[Event] = []
    for _ in range(_MOST_BATCHES):
        batch = connection.execute(_query(at, kinds, dataset, number, before)).mappings().all()
        for row in batch:
            name = dataset_of(row["ref"])
            if row["volume_id"] in at and sight.sees(name) and _is_of(row["ref"], dataset, number):
                if len(found) == limit:
                    return History(events=tuple(found), before=found[-1].number)
                found.append(_event(row, at[row["volume_id"]], sight))
        if len(batch) < _BATCH:
            return History(events=tuple(found))
        before = batch[-1]["event_id"]
    return History(events=tuple(found), before=before)


def _is_of(ref: str, dataset: str, number: int) -> bool:
    """A version's subsets are of it."""
    if number:
        return ref.partition("[")[0] == f"{dataset}@v{number}"
    return not dataset or dataset_of(ref) == dataset


def _query(at: Collection[str], kinds: Collection[str], dataset: str, number: int, before: int) -> sa.Select[Any]:
    c = t.event.c
    query = sa.select(t.event).order_by(c.event_id.desc()).limit(_BATCH)
    # Of several volumes all lines are read in their order: by the index on them each one's would have to be sorted.
    if len(at) == 1:
        query = query.where(c.volume_id.in_(at))
    if kinds:
        query = query.where(c.event.in_(sorted(kinds)))
    if dataset:
        query = query.where(c.ref.startswith(f"{dataset}@v{number}" if number else f"{dataset}@", autoescape=True))
    return query.where(c.event_id < before) if before else query


def _event(row: Any, place: Place, sight: Sight) -> Event:
    line = CacheEvent(
        at=row["at"],
        volume_id=row["volume_id"],
        ref=row["ref"],
        event=row["event"],
        reason=without(row["reason"], sight.hidden, "others were before it"),
        size_bytes=row["size_bytes"],
    )
    return Event(number=row["event_id"], place=place, line=line)
