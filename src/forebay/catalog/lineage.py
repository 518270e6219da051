"""Everything that a version was made from, and everything made from it, by recursive queries."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.wire.catalog import LineageEdge


def upstream(connection: Connection, version_id: int) -> tuple[LineageEdge, ...]:
    """Every edge that leads to this version, the ones of its nearest ancestors among them; by name."""
    return _closure(connection, version_id, here=t.parent.c.child_id, there="parent_id")


def downstream(connection: Connection, version_id: int) -> tuple[LineageEdge, ...]:
    """Every edge that leads away from this version."""
    return _closure(connection, version_id, here=t.parent.c.parent_id, there="child_id")


def _closure(connection: Connection, version_id: int, *, here: sa.Column[int], there: str) -> tuple[LineageEdge, ...]:
    # UNION, not UNION ALL: an edge that was found is not followed again, so this ends even if edges made a circle.
    edges = sa.select(t.parent.c.child_id, t.parent.c.parent_id).where(here == version_id).cte("edges", recursive=True)
    following = sa.select(t.parent.c.child_id, t.parent.c.parent_id).join(edges, here == edges.c[there])
    edges = edges.union(following)
    child, child_dataset = t.version.alias(), t.dataset.alias()
    origin, origin_dataset = t.version.alias(), t.dataset.alias()
    rows = connection.execute(
        sa.select(
            origin_dataset.c.name.label("parent_name"),
            origin.c.number.label("parent_number"),
            child_dataset.c.name.label("child_name"),
            child.c.number.label("child_number"),
        )
        .select_from(edges)
        .join(child, child.c.version_id == edges.c.child_id)
        .join(child_dataset, child_dataset.c.dataset_id == child.c.dataset_id)
        .join(origin, origin.c.version_id == edges.c.parent_id)
        .join(origin_dataset, origin_dataset.c.dataset_id == origin.c.dataset_id)
        .order_by("parent_name", "parent_number", "child_name", "child_number")
    )
    return tuple(
        LineageEdge(parent=f"{row.parent_name}@v{row.parent_number}", child=f"{row.child_name}@v{row.child_number}")
        for row in rows
    )
