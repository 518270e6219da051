"""Where a run would go now, and why not elsewhere: the placement, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup, escape

from forebay.hub.board.run_names import title_of
from forebay.hub.web import show
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.run_words import short
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.runs import Explanation, SiteRow

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """`unblock` are a site and what would change something there."""

    choice: str
    unblock: tuple[tuple[str, str], ...]


@pages.get("/runs/{run}/where")
def where(visit: Visit) -> Page:
    """As `forebay run --explain`. Changes nothing."""
    run = visit.hub.runs.get(visit.path["run"])
    found = visit.hub.runs.explain(run.new)
    context = Where(choice=found.choice, unblock=tuple((row.site, told) for row in found.rows for told in row.unblock))
    return Page(
        template="runs/where.html",
        title="Where it could run",
        nav="runs",
        context=context,
        parent=(f"{title_of(run.new)[:60]} · {short(run.run_id)}", f"/runs/{run.run_id}"),
        tables=(_table(found),),
    )


def _table(found: Explanation) -> Table:
    return Table(
        name="placement",
        caption="Sites, the best first; times are from now",
        columns=(
            Column(key="site", title="Site"),
            Column(key="start_s", title="Starts in", number=True),
            Column(key="data_s", title="Data in", number=True),
            Column(key="queue_s", title="Compute in", number=True),
            Column(key="missing_bytes", title="Missing", number=True),
            Column(key="from", title="From"),
            Column(key="money", title="Money", number=True),
            Column(key="score", title="Score", number=True),
            Column(key="why_not", title="Why not"),
        ),
        rows=tuple(_row(row, found.choice) for row in found.rows),
        empty=Markup("<p>There is no site. Start one:</p>{}").format(show.command("forebay agent --site NAME")),
    )


def _row(row: SiteRow, choice: str) -> Row:
    refused = bool(row.why_not)
    name = Markup("{} {}").format(row.site, show.tag("it goes here")) if row.site == choice else row.site

    def seconds(value: float) -> Cell:
        if refused:
            return Cell(value=None)
        return Cell(value=value, shown=show.duration(value) if value >= 1 else "now")

    return Row(
        cells=(
            Cell(value=row.site, shown=name, href=f"/sites/{row.site}"),
            seconds(row.start_s),
            seconds(row.data_s),
            seconds(row.queue_s),
            Cell(
                value=row.missing_bytes,
                shown=show.size(row.missing_bytes) if row.missing_bytes else "" if refused else "none",
            ),
            Cell(
                value=" ".join(row.sources),
                shown=Markup("<br>").join(_way(row, place) for place in range(len(row.sources))),
            ),
            Cell(value=None if refused else row.money, shown="" if refused else f"{row.money:,.2f}"),
            Cell(value=None if refused else row.score, shown="" if refused else f"{row.score:,.0f}"),
            Cell(
                value="; ".join(row.why_not),
                shown=Markup('<span class="wrap">{}</span>').format("; ".join(row.why_not)),
            ),
        )
    )


def _way(row: SiteRow, place: int) -> Markup:
    source = row.sources[place]
    way = next((each for each in row.ways if each.source == source), None)
    if way is None:
        return escape(source)
    how = "measured" if way.measured else "declared or assumed"
    return show.html('<span title="{}">{} <small>{}</small></span>', how, source, show.rate(way.bandwidth_bytes_s))
