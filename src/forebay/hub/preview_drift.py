"""How far a kept preview is from that of the version before: reckoned when one is kept, so that pages only read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import reading, writing
from forebay.hub import preview_rows
from forebay.previews.drift import drift
from forebay.wire.previews import PreviewKind, TablePreview

_NONE = {"drift_psi": 0.0, "drift_column": "", "drift_columns": 0, "drift_from": 0}


def reckon(engine: Engine, preview_id: str) -> None:
    """Of this one, and of the next one after it, in the order of versions: at most three previews are read."""
    with reading(engine) as connection:
        row = _row(connection, t.preview.c.preview_id == preview_id)
        found = {} if row is None else dict(_reckoned(connection, row))
    if not found:
        return
    with writing(engine) as connection:
        for key, values in found.items():
            connection.execute(sa.update(t.preview).where(t.preview.c.preview_id == key).values(values))


def _reckoned(connection: Connection, row: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """By preview, what is to be written of it; nothing of those that stay as they are."""
    before, after = _beside(connection, row, later=False), _beside(connection, row, later=True)
    for earlier, later in ((before, row), (row, after)):
        if later is None:
            continue
        values = _NONE if earlier is None else _between(earlier, later)
        if any(later[name] != value for name, value in values.items()):
            yield later["preview_id"], values


def _between(earlier: Any, later: Any) -> dict[str, Any]:
    was, now = (preview_rows.unpacked(PreviewKind.TABLE, row["content"]) for row in (earlier, later))
    assert isinstance(was, TablePreview)
    assert isinstance(now, TablePreview)
    found = drift(was, now)
    if found is None:
        return _NONE
    return {
        "drift_psi": found.psi,
        "drift_column": found.column,
        "drift_columns": found.columns,
        "drift_from": earlier["number"],
    }


def _beside(connection: Connection, row: Any, *, later: bool) -> Any | None:
    """The kept preview of the same path that is nearest before or after, in the order of versions."""
    number = t.preview.c.number
    where = number > row["number"] if later else number < row["number"]
    here = sa.and_(t.preview.c.dataset_id == row["dataset_id"], t.preview.c.path_digest == row["path_digest"], where)
    return _row(connection, here, number if later else number.desc())


def _row(connection: Connection, where: sa.ColumnElement[bool], *order: sa.ColumnElement[int]) -> Any | None:
    query = sa.select(t.preview).where(
        where, t.preview.c.kind == PreviewKind.TABLE.value, t.preview.c.content.is_not(None)
    )
    return connection.execute(query.order_by(*order).limit(1)).mappings().first()
