"""A mark of all that rights are made of: while it is the same, everybody may see what they could see before.

Whoever keeps what somebody may see keeps the mark that was read before it, and has to look again once there is another
one, whichever process wrote. Tokens are not in it: they end by themselves, and each log-in makes one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t

_BETWEEN, _AFTER = "\x1f", "\x1e"


def mark_of(connection: Connection) -> str:
    """64 hex digits, by what the caller's transaction sees."""
    digest = hashlib.sha256()
    for query in _MADE_OF:
        digest.update((connection.execute(query).scalar() or "").encode())
        digest.update(b"\x1d")
    return digest.hexdigest()


def _in_one_text(table: sa.Table, *columns: str | sa.ColumnElement[Any]) -> sa.Select[Any]:
    """The rows of a table in the order of their keys, as one text: that is read much faster than rows."""
    values = [table.c[item] if isinstance(item, str) else item for item in columns]
    text: sa.ColumnElement[str] = sa.cast(values[0], sa.Text)
    for value in values[1:]:
        text = text + _BETWEEN + sa.cast(value, sa.Text)
    rows = sa.select(text.label("row")).order_by(*table.primary_key).subquery()
    return sa.select(sa.func.aggregate_strings(rows.c.row, _AFTER))


_MADE_OF = (
    _in_one_text(t.hub_user, "user_id", "name", "role", t.hub_user.c.removed_at != 0),
    _in_one_text(t.membership, "user_id", "team"),
    _in_one_text(t.dataset, "dataset_id", "name", "owner", t.dataset.c.removed_at != 0),
    _in_one_text(t.dataset_policy, "dataset_id", "read_teams", "write_teams", "run_teams", "sites"),
)
