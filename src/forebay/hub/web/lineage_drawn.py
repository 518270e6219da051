"""A lineage as a picture, and as a table of the same. Values in, markup out."""

from __future__ import annotations

from markupsafe import Markup

from forebay import words
from forebay.charts.graph import Box, graph
from forebay.hub.board.lineage import Graph, Node, NodeKind
from forebay.hub.web import data_shown, show
from forebay.hub.web.addresses import of_ref, of_run
from forebay.hub.web.table import Cell, Column, Row, Table

_DRAWN = 60
"""So many boxes at most: more are no picture. The table has all."""


def drawn(found: Graph) -> Markup | None:
    """The nearest of it; None where there is nothing besides the version itself."""
    if found.is_alone:
        return None
    nearest = sorted(found.nodes, key=lambda node: abs(node.level))[:_DRAWN]
    keys = {node.key for node in nearest}
    boxes = [_box(node, found.of) for node in found.nodes if node.key in keys]
    joins = [(edge.source, edge.target) for edge in found.edges if edge.source in keys and edge.target in keys]
    told = f"{len(boxes)} versions and runs, from what {found.of} was made of to what was made of it."
    return Markup(graph("lineage", f"Lineage of {found.of}", told, boxes, joins))  # noqa: S704


def lineage_table(found: Graph, now: float) -> Table:
    """A line for each version and run, with what it came of."""
    titles = {node.key: node for node in found.nodes}
    sources: dict[str, list[Node]] = {}
    for edge in found.edges:
        sources.setdefault(edge.target, []).append(titles[edge.source])
    return Table(
        name="lineage",
        caption="Versions and runs, in the order in which they came of each other",
        columns=(
            Column(key="what", title="What"),
            Column(key="kind", title="Kind"),
            Column(key="steps", title="Steps", number=True),
            Column(key="came_of", title="Came of"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="by", title="By"),
            Column(key="at", title="When"),
            Column(key="state", title="State", given=True),
            Column(key="title", title="Called", given=True),
        ),
        rows=tuple(_row(node, sources.get(node.key, []), found.of, now) for node in found.nodes)
        if not found.is_alone
        else (),
        empty=Markup("<p>Say what a version was made from as it is committed:</p>{}").format(
            show.command(f"forebay dataset commit NAME ./out --parent {found.of}")
        ),
    )


def _box(node: Node, of: str) -> Box:
    if node.kind is NodeKind.RUN:
        fact = f"run, {node.state}"
    else:
        fact = f"{words.size(node.size_bytes)}, {words.count(node.files, 'file')}"
        fact = f"retired, {fact}" if node.is_retired else fact
    kind = f"{node.kind} here" if node.key == of else node.kind.value
    return Box(key=node.key, column=node.level, label=node.title, fact=fact, href=_href(node), kind=kind)


def _row(node: Node, sources: list[Node], of: str, now: float) -> Row:
    came_of = Markup(", ").join(show.link(_href(item), item.title) for item in sources)
    name = data_shown.named(_href(node), node.title) if node.key == of else show.link(_href(node), node.title)
    kind = show.state(node.state, "run", node.state) if node.kind is NodeKind.RUN else node.kind.value
    return Row(
        cells=(
            Cell(value=node.key, shown=name),
            Cell(value=node.kind.value, shown=kind),
            Cell(value=node.level, shown=f"{node.level:+d}" if node.level else "0"),
            Cell(value=" ".join(item.key for item in sources), shown=came_of),
            Cell(
                value=node.size_bytes,
                shown=show.size(node.size_bytes) if node.kind is NodeKind.VERSION else "",
            ),
            Cell(value=node.by),
            Cell(value=node.at, shown=show.when(node.at, now)),
            Cell(value=node.state),
            Cell(value=node.title),
        ),
        key=node.key,
    )


def _href(node: Node) -> str:
    return of_run(node.key) if node.kind is NodeKind.RUN else of_ref(node.key)
