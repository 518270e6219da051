"""Tags: movable names of versions, whose every move is kept. Every function works inside the caller's transaction."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import check_tag_name, did_you_mean
from forebay.catalog.records import dataset_id, storable, version_id
from forebay.catalog.retired import hold_live
from forebay.errors import NotFoundError
from forebay.wire.catalog import TagMove


def move_tag(connection: Connection, dataset: str, tag: str, number: int, *, moved_by: str, moved_at: float) -> TagMove:
    """Point a tag at a version; nothing is added to its history when it points there already."""
    check_tag_name(tag)
    owner = dataset_id(connection, dataset, lock=True)
    target = version_id(connection, dataset, number)
    hold_live(connection, target)
    history = tag_moves(connection, dataset, tag)
    if history and history[0].number == number:
        return history[0]
    _clear(connection, owner, tag)
    connection.execute(t.tag.insert().values(dataset_id=owner, name=tag, version_id=target))
    return _record(connection, owner, _move(dataset, tag, number, moved_by, moved_at))


def remove_tag(connection: Connection, dataset: str, tag: str, *, moved_by: str, moved_at: float) -> TagMove:
    """Take a tag away; NotFoundError `tag-not-found`."""
    owner = dataset_id(connection, dataset, lock=True)
    if not _clear(connection, owner, tag):
        known = connection.execute(sa.select(t.tag.c.name).where(t.tag.c.dataset_id == owner)).scalars()
        raise NotFoundError(
            "tag-not-found", f"The dataset {dataset!r} has no tag {tag!r}.", todo=did_you_mean(tag, known)
        )
    return _record(connection, owner, _move(dataset, tag, 0, moved_by, moved_at))


def tag_moves(connection: Connection, dataset: str, tag: str | None) -> list[TagMove]:
    """The history of one tag or of all, newest first."""
    query = (
        sa.select(t.tag_move)
        .where(t.tag_move.c.dataset_id == dataset_id(connection, dataset))
        .order_by(t.tag_move.c.tag_move_id.desc())
    )
    rows = connection.execute(query if tag is None else query.where(t.tag_move.c.name == tag))
    return [
        TagMove(dataset=dataset, tag=row.name, number=row.number, moved_at=row.moved_at, moved_by=row.moved_by)
        for row in rows
    ]


def _move(dataset: str, tag: str, number: int, moved_by: str, moved_at: float) -> TagMove:
    return TagMove(
        dataset=dataset, tag=tag, number=number, moved_at=moved_at, moved_by=storable(moved_by, t.NAME_LENGTH)
    )


def _clear(connection: Connection, owner: int, tag: str) -> bool:
    gone = connection.execute(t.tag.delete().where(t.tag.c.dataset_id == owner, t.tag.c.name == tag))
    return gone.rowcount > 0


def _record(connection: Connection, owner: int, move: TagMove) -> TagMove:
    connection.execute(
        t.tag_move.insert().values(
            dataset_id=owner, name=move.tag, number=move.number, moved_at=move.moved_at, moved_by=move.moved_by
        )
    )
    return move
