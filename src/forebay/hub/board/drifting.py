"""Versions whose values have drifted since the version before, as far as somebody looked into both.

Reads what was reckoned when the previews were kept. It tells of what is in files: only to who may open the dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import WHOLE
from forebay.hub.access.policies import WITH_POLICY, policy_of
from forebay.hub.access.rules import Action, Data, decide
from forebay.hub.board.sight import Sight
from forebay.previews.shift import LARGE

_LOOKED_AT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifting:
    """In the file `path` of version `number`, `columns` are of another population than in version `before`; the one
    that moved farthest is `column`, by a population stability index of `psi`.
    """

    dataset: str
    number: int
    before: int
    path: str
    column: str
    psi: float
    columns: int
    since: float


def drifting(connection: Connection, sight: Sight, limit: int) -> list[Drifting]:
    """The newest first, one a version, by its farthest column; one query out of an index."""
    worst: dict[tuple[str, int], Drifting] = {}
    for item in _found(connection, sight):
        key = item.dataset, item.number
        if key not in worst or worst[key].psi < item.psi:
            worst[key] = item
    return sorted(worst.values(), key=lambda item: (-item.since, item.dataset, -item.number))[:limit]


def _found(connection: Connection, sight: Sight) -> Iterator[Drifting]:
    for row in connection.execute(sight.narrow(_QUERY, t.dataset.c.name)).mappings():
        data = Data(name=row["name"], owner=row["owner"], policy=policy_of(row, row["name"]), group=row["access_group"])
        if decide(sight.principal, Action.OPEN, data).allowed:
            yield Drifting(
                dataset=row["name"],
                number=row["number"],
                before=row["drift_from"],
                path=json.loads(row["paths"])[0],
                column=row["drift_column"],
                psi=row["drift_psi"],
                columns=row["drift_columns"],
                since=row["since"],
            )


_SHOWN = ("number", "paths", "since", "drift_psi", "drift_column", "drift_columns", "drift_from")


def _query() -> sa.Select[Any]:
    """Of live versions, as long as no later one was looked into; not of datasets that want no previews by now."""
    newer = t.preview.alias("newer")
    later = sa.exists().where(
        newer.c.dataset_id == t.preview.c.dataset_id,
        newer.c.path_digest == t.preview.c.path_digest,
        newer.c.kind == t.preview.c.kind,
        newer.c.number > t.preview.c.number,
        newer.c.content.is_not(None),
    )
    is_live = sa.exists().where(
        t.version.c.dataset_id == t.preview.c.dataset_id,
        t.version.c.number == t.preview.c.number,
        t.version.c.retired_at == 0,
        WHOLE,
    )
    is_off = sa.exists().where(t.preview_off.c.dataset_id == t.preview.c.dataset_id)
    resides = sa.func.coalesce(t.dataset_policy.c.sites, "") != ""
    return (
        WITH_POLICY.add_columns(*(t.preview.c[name] for name in _SHOWN))
        .join(t.preview, t.preview.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.preview.c.drift_psi >= LARGE, t.dataset.c.removed_at == 0, is_live, ~later, ~is_off, ~resides)
        .order_by(t.preview.c.since.desc())
        .limit(_LOOKED_AT)
    )


_QUERY = _query()
