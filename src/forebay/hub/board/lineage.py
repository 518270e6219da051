"""What a version was made from and what was made from it, with the runs in between: a graph of bounded size.

Only what visible versions lead to is in it: something behind a hidden version would tell of that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import WHOLE
from forebay.hub.board import used_by
from forebay.hub.board.run_names import title_of
from forebay.hub.board.sight import Sight
from forebay.wire.catalog import ref_of
from forebay.wire.runs import Run

MOST = 200
_LEVELS = 16
_OWN_RUNS = 8
_TRIES = 4
_RUN = re.compile(r"run ([0-9a-f]{8,32})\b")


class NodeKind(StrEnum):
    """A version of a dataset, or a run."""

    VERSION = "version"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`key` is a ref or a run's id. `level` counts from the version asked for: below 0 it was made from these.

    `state` is a run's, `size_bytes` and `files` a version's.
    """

    key: str
    kind: NodeKind
    title: str
    level: int
    at: float
    by: str
    state: str = ""
    files: int = 0
    size_bytes: int = 0
    is_retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The target came of the source: a run of what it read, a version of the run or the version it was made from."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Around the version `of`; `is_cut` where there is more than is shown."""

    of: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    is_cut: bool

    @property
    def is_alone(self) -> bool:
        return len(self.nodes) < 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    rows: dict[int, Any]
    edges: set[tuple[int, int]]
    is_cut: bool


def graph(connection: Connection, sight: Sight, dataset: str, number: int) -> Graph:
    """The graph of a version, which is there and may be known of."""
    of = ref_of(dataset, number)
    here = sa.and_(t.dataset.c.name == dataset, t.version.c.number == number)
    start = connection.execute(_VERSIONS.where(here)).one()
    up = _walk(connection, sight, start, here=t.parent.c.child_id, there=t.parent.c.parent_id)
    down = _walk(connection, sight, start, here=t.parent.c.parent_id, there=t.parent.c.child_id)
    rows = {**up.rows, **down.rows, start.version_id: start}
    refs = {key: ref_of(row.name, row.number) for key, row in rows.items()}
    edges = {(refs[parent], refs[child]) for parent, child in up.edges | down.edges}
    runs = _runs(connection, sight, rows.values(), of)
    edges = _through_runs(edges, runs, set(refs.values()))
    versions = [_version_node(row) for row in rows.values()]
    nodes = _levelled([*versions, *(_run_node(run) for run in runs)], edges, of)
    return Graph(
        of=of,
        nodes=tuple(sorted(nodes, key=lambda node: (node.level, node.at, node.key))),
        edges=tuple(Edge(source=source, target=target) for source, target in sorted(edges)),
        is_cut=up.is_cut or down.is_cut,
    )


def newest(connection: Connection, sight: Sight, dataset: str, latest: int) -> Graph | None:
    """The graph of the newest version that came of something, or that something came of; None where there is none.

    `latest` is the newest version of all, which is there and may be known of.
    """
    found = graph(connection, sight, dataset, latest)
    if not found.is_alone:
        return found
    older = {*_with_edges(connection, sight, dataset), *_read_lately(connection, sight, dataset)}
    for number in sorted((number for number in older if number < latest), reverse=True)[:_TRIES]:
        found = graph(connection, sight, dataset, number)
        if not found.is_alone:
            return found
    return None


def _with_edges(connection: Connection, sight: Sight, dataset: str) -> Iterable[int]:
    """The newest version of a dataset that was made from another one, and the newest that another one was made from."""
    other, its = t.version.alias("other"), t.dataset.alias("its")
    ways = []
    for here, there in ((t.parent.c.child_id, t.parent.c.parent_id), (t.parent.c.parent_id, t.parent.c.child_id)):
        query = (
            sa.select(sa.func.max(t.version.c.number))
            .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
            .join(t.parent, here == t.version.c.version_id)
            .join(other, other.c.version_id == there)
            .join(its, its.c.dataset_id == other.c.dataset_id)
            .where(WHOLE, t.dataset.c.name == dataset, t.dataset.c.removed_at == 0, its.c.removed_at == 0)
        )
        ways.append(sight.narrow(query, its.c.name))
    return [number for number in connection.execute(sa.union_all(*ways)).scalars() if number is not None]


def _read_lately(connection: Connection, sight: Sight, dataset: str) -> Iterable[int]:
    """The versions of a dataset that the last runs read."""
    reads = sa.select(t.run_data.c.run_seq).where(t.run_data.c.dataset == dataset)
    lately = sight.narrow_runs(connection, sa.select(t.run.c.run_id).where(t.run.c.run_seq.in_(reads)), _OWN_RUNS)
    ids = list(connection.execute(lately).scalars())
    for run in used_by.runs_of(connection, sight, ids) if ids else ():
        for item in run.new.data:
            name, _, number = _whole(item.ref).partition("@v")
            if name == dataset and number.isdecimal():
                yield int(number)


_VERSIONS = (
    sa.select(
        t.version.c.version_id,
        t.dataset.c.name,
        t.version.c.number,
        t.version.c.created_at,
        t.version.c.created_by,
        t.version.c.files,
        t.version.c.size_bytes,
        t.version.c.retired_at,
        t.version.c.made_by_parameters,
    )
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .where(WHOLE, t.dataset.c.removed_at == 0)
)


def _walk(connection: Connection, sight: Sight, start: Any, *, here: sa.Column[int], there: sa.Column[int]) -> _Found:
    """One level of versions with each query, as far as there is room for."""
    rows, edges, frontier = {start.version_id: start}, set[tuple[int, int]](), [start.version_id]
    for _ in range(_LEVELS):
        query = (
            _VERSIONS.add_columns(t.parent.c.child_id, t.parent.c.parent_id)
            .join(t.parent, there == t.version.c.version_id)
            .where(here.in_(frontier))
            .order_by(t.version.c.created_at.desc(), t.version.c.version_id)
            .limit(MOST - len(rows) + 1)
        )
        found = connection.execute(sight.narrow(query, t.dataset.c.name)).all()
        for row in found[: MOST - len(rows)]:
            edges.add((row.parent_id, row.child_id))
        frontier = sorted({row.version_id for row in found[: MOST - len(rows)]} - rows.keys())
        is_cut = len(found) > MOST - len(rows)
        rows |= {row.version_id: row for row in found[: MOST - len(rows)] if row.version_id in set(frontier)}
        if is_cut or not frontier:
            return _Found(rows=rows, edges=edges, is_cut=is_cut)
    return _Found(rows=rows, edges=edges, is_cut=True)


def _runs(connection: Connection, sight: Sight, rows: Collection[Any], of: str) -> list[Run]:
    """The runs that made these versions, and those that read the one asked for last."""
    made_by = {match[1] for row in rows if (match := _RUN.match(row.made_by_parameters))}
    name, _, number = of.partition("@v")
    reads = sa.select(t.run_data.c.run_seq).where(t.run_data.c.ref.in_(used_by.refs_of(connection, name, int(number))))
    lately = sight.narrow_runs(connection, sa.select(t.run.c.run_id).where(t.run.c.run_seq.in_(reads)), _OWN_RUNS)
    return used_by.runs_of(connection, sight, [*made_by, *connection.execute(lately).scalars()])


def _through_runs(edges: set[tuple[str, str]], runs: Sequence[Run], refs: set[str]) -> set[tuple[str, str]]:
    """A version that a run made came of what that run read; nothing else leads straight from the one to the other."""
    found, explained = set[tuple[str, str]](), set[tuple[str, str]]()
    for run in runs:
        read = {_whole(item.ref) for item in run.new.data} & refs
        made = set(run.made) & refs
        found |= {(ref, run.run_id) for ref in read} | {(run.run_id, ref) for ref in made}
        explained |= {(source, target) for source in read for target in made}
    return (edges - explained) | found


def _levelled(nodes: Sequence[Node], edges: set[tuple[str, str]], of: str) -> list[Node]:
    """Every node with its level: as far from the version asked for as the longest way to it. Others are left out."""
    levels = {of: 0}
    for sign, way in ((1, {(source, target) for source, target in edges}), (-1, {(b, a) for a, b in edges})):
        frontier, steps = {of}, 0
        # A way longer than there are nodes would be a circle.
        while frontier and steps <= len(nodes):
            steps += 1
            frontier = {target for source, target in way if source in frontier and target != of}
            for key in frontier:
                if sign * levels.get(key, 0) >= 0:
                    levels[key] = sign * steps
    # What a run on the way read besides stands right before it.
    for source, target in sorted(edges):
        if source not in levels and target in levels:
            levels[source] = levels[target] - 1
    return [replace(node, level=levels[node.key]) for node in nodes if node.key in levels]


def _version_node(row: Any) -> Node:
    return Node(
        key=ref_of(row.name, row.number),
        kind=NodeKind.VERSION,
        title=ref_of(row.name, row.number),
        level=0,
        at=row.created_at,
        by=row.created_by,
        files=row.files,
        size_bytes=row.size_bytes,
        is_retired=row.retired_at > 0,
    )


def _run_node(run: Run) -> Node:
    return Node(
        key=run.run_id,
        kind=NodeKind.RUN,
        title=title_of(run.new)[:80],
        level=0,
        at=run.submitted_at,
        by=run.submitted_by,
        state=run.state.value,
    )


def _whole(ref: str) -> str:
    return ref.partition("[")[0]
