"""What the palette finds: datasets, versions and tags, runs and sites by the beginning of their names, or by a part.

Bounded: a few rows of each kind, whatever there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.hub.access.jobs import made_by
from forebay.hub.board.run_names import is_called, may_be_called, title_of
from forebay.hub.board.sight import Sight
from forebay.hub.run_rows import new_run

EACH = 6
"""So many of a kind at most."""

_LOOKED_AT = 200
_NAMED_AMONG = 5000
_LONGEST = 60
_RUN = re.compile(r"[0-9a-f]{3,32}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something, by what it is called; `kind` is "dataset", "version", "tag", "run" or "site"."""

    kind: str
    name: str
    fact: str
    href: str


def search(connection: Connection, sight: Sight, text: str, *, each: int = EACH) -> list[Found]:
    """What fits best first, of each kind at most `each`; of an empty text nothing."""
    wanted = text.strip().lower()[:100]
    if not wanted:
        return []
    name, at, selector = wanted.partition("@")
    found = _datasets(connection, sight, name, each)
    if at:
        found = [*_versions(connection, sight, found, name, selector, each), *found]
    elif len(found) == 1:
        found += _versions(connection, sight, found, name, selector, each)
    if not at:
        found += _tags(connection, sight, wanted, each)
        found += _sites(connection, wanted, each)
        found += _runs(connection, sight, wanted, each)
    return found


def _datasets(connection: Connection, sight: Sight, text: str, each: int) -> list[Found]:
    column = t.dataset.c.name
    query = sa.select(column, t.dataset.c.description).where(t.dataset.c.removed_at == 0, _has(column, text))
    query = sight.narrow(query, column).order_by(*_best_first(column, text)).limit(each)
    return [
        Found(kind="dataset", name=row.name, fact=row.description.partition("\n")[0][:80], href=f"/datasets/{row.name}")
        for row in connection.execute(query)
    ]


def _versions(
    connection: Connection, sight: Sight, datasets: list[Found], name: str, selector: str, each: int
) -> list[Found]:
    """Of the dataset of just that name, or of the first that was found: the one of that number, those of tags that
    begin so, or the newest.
    """
    chosen = next((item.name for item in datasets if item.name == name), datasets[0].name if datasets else "")
    if not chosen or not sight.sees(chosen):
        return []
    number = selector.removeprefix("v")
    is_number = number.isdigit() and len(number) < 10
    if selector and not is_number and (tagged := _tags(connection, sight, selector, each, dataset=chosen)):
        return tagged
    query = (
        sa.select(t.version.c.number, t.version.c.message)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.dataset.c.name == chosen, t.dataset.c.removed_at == 0, t.version.c.subset == "")
        .order_by(t.version.c.number.desc())
    )
    if is_number:
        query = query.where(t.version.c.number == int(number))
    return [
        Found(
            kind="version",
            name=f"{chosen}@v{row.number}",
            fact=row.message.partition("\n")[0][:80],
            href=f"/datasets/{chosen}/v{row.number}",
        )
        for row in connection.execute(query.limit(each))
    ]


def _tags(connection: Connection, sight: Sight, text: str, each: int, *, dataset: str = "") -> list[Found]:
    """Those that begin so, of all datasets or of one."""
    query = (
        sa.select(t.tag.c.name, t.dataset.c.name.label("dataset"), t.version.c.number)
        .join(t.dataset, t.dataset.c.dataset_id == t.tag.c.dataset_id)
        .join(t.version, t.version.c.version_id == t.tag.c.version_id)
        .where(t.dataset.c.removed_at == 0, t.tag.c.name.startswith(text, autoescape=True))
    )
    query = query.where(t.dataset.c.name == dataset) if dataset else query
    query = sight.narrow(query, t.dataset.c.name).order_by(t.tag.c.name, t.dataset.c.name).limit(each)
    return [
        Found(
            kind="tag",
            name=f"{row.dataset}@{row.name}",
            fact=f"v{row.number}",
            href=f"/datasets/{row.dataset}/v{row.number}",
        )
        for row in connection.execute(query)
    ]


def _sites(connection: Connection, text: str, each: int) -> list[Found]:
    column = t.site.c.name
    query = sa.select(column, t.site.c.state).where(t.site.c.removed_at == 0, _has(column, text))
    query = query.order_by(*_best_first(column, text)).limit(each)
    return [
        Found(kind="site", name=row.name, fact=row.state, href=f"/sites/{row.name}")
        for row in connection.execute(query)
    ]


def _runs(connection: Connection, sight: Sight, text: str, each: int) -> list[Found]:
    """By the beginning of an id, by who submitted them, or by what they are called; the newest."""
    columns = (t.run.c.run_id, t.run.c.state, t.run.c.submitted_by, t.run.c.new, t.run.c.team)
    wanted = [t.run.c.submitted_by == text, may_be_called(connection, text, _NAMED_AMONG)]
    if is_id := bool(_RUN.fullmatch(text)):
        # No letter of an id comes after f.
        wanted.append(sa.and_(t.run.c.run_id >= text, t.run.c.run_id < f"{text}z"))
    query = sight.narrow_runs(connection, sa.select(*columns).where(sa.or_(*wanted)), _LOOKED_AT)
    found = []
    for row in connection.execute(query):
        new = new_run(row.new)
        is_wanted = row.submitted_by == text or is_called(new, text) or (is_id and row.run_id.startswith(text))
        if is_wanted and (not sight.hidden or sight.sees_run(row.submitted_by, made_by(new))):
            told = f"{row.state}, {row.submitted_by}: {title_of(new)[:_LONGEST]}"
            found.append(Found(kind="run", name=row.run_id, fact=told, href=f"/runs/{row.run_id}"))
    return found[:each]


def _has(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    return column.contains(text, autoescape=True)


def _best_first(column: ColumnElement[str], text: str) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """The very name, then those that begin so, then the others."""
    begins = column.startswith(text, autoescape=True)
    return sa.case((column == text, 0), (begins, 1), else_=2), column
