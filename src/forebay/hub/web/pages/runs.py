"""The list of runs."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

import sqlalchemy as sa
from markupsafe import Markup

from forebay.catalog import schema as t
from forebay.hub.board.runs import (
    ACTIVE,
    MOST_FAILED,
    NAMED_AMONG,
    RunFilter,
    RunLine,
    RunLines,
    Underway,
    runs_shown,
    underway,
)
from forebay.hub.web import show
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.run_words import cut, figure, main_metric, ref_links, run_state, short
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.runs import RunState

pages = Pages()

_ROWS = 50
_DAY_S = 86400.0
_LONGEST_TITLE = 40
_START = "forebay run --data criteo@v1 -- python train.py {criteo}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """`says` is how it is with all of them, in numbers."""

    says: str
    filters: Form
    is_filtered: bool
    has_runs: bool


@pages.get("/runs", live=("says", "runs"))
def runs(visit: Visit) -> Page:
    """Newest first."""
    asked = RunFilter(**{name: visit.query.get(name, "").strip()[:200] for name in _FILTERS})
    with visit.read() as connection:
        found = runs_shown(connection, visit.sight, asked, visit.limit(_ROWS))
        now = underway(connection, visit.sight, visit.now - _DAY_S)
        names = connection.execute(sa.select(t.site.c.name).where(t.site.c.removed_at == 0).order_by(t.site.c.name))
        sites = list(names.scalars())
    context = Runs(
        says=_says(now), filters=_form(asked, sites), is_filtered=not asked.is_any, has_runs=bool(found.runs)
    )
    return Page(
        template="runs/list.html", title="Runs", nav="runs", context=context, tables=(_table(visit, asked, found),)
    )


_FILTERS = ("name", "state", "site", "dataset", "user", "team", "before")


def _says(now: Underway) -> str:
    parts = [f"{now.states[state]:,} {state.value}" for state in _ORDER if now.states.get(state)]
    failed = f"{now.failed}{' or more' if now.failed == MOST_FAILED else ''} failed in the last 24 hours"
    return f"{' · '.join(parts) or 'nothing under way'} · {failed}"


_ORDER = (RunState.RUNNING, RunState.STARTING, RunState.FILLING, RunState.QUEUED)


def _form(asked: RunFilter, sites: list[str]) -> Form:
    states = (("", "Any state"), (ACTIVE, "not ended"), *((state.value, state.value) for state in RunState))
    return Form(
        action="/runs",
        button="Filter",
        method="get",
        quiet=True,
        fields=(
            Field(name="name", label="Name", kind="search", value=asked.name, placeholder="a part of it"),
            Field(name="state", label="State", kind="select", value=asked.state, options=states),
            Field(
                name="site",
                label="Site",
                kind="select",
                value=asked.site,
                options=(("", "Any site"), *((name, name) for name in sites)),
            ),
            Field(name="dataset", label="Reads", kind="search", value=asked.dataset, placeholder="a dataset"),
            Field(name="user", label="By", kind="search", value=asked.user, placeholder="a user"),
            Field(name="team", label="Team", kind="search", value=asked.team, placeholder="a team"),
        ),
    )


def _table(visit: Visit, asked: RunFilter, found: RunLines) -> Table:
    return Table(
        name="runs",
        caption="Runs, newest first",
        columns=(
            Column(key="choose", title="", unseen="Compare"),
            Column(key="run", title="Run"),
            Column(key="state", title="State"),
            Column(key="took", title="Ran for", number=True),
            Column(key="metric", title="Metric", number=True),
            Column(key="data", title="Reads"),
            Column(key="site", title="Site"),
            Column(key="by", title="By"),
            Column(key="submitted", title="Submitted"),
            Column(key="id", title="Id"),
            Column(key="metric_name", title="Metric", given=True),
            Column(key="reason", title="Why", given=True),
            Column(key="made", title="Made", given=True),
            Column(key="attempts", title="Attempts", given=True),
            Column(key="next_try_at", title="Next try", given=True),
        ),
        rows=tuple(_row(visit, line) for line in found.runs),
        more=_next(asked, found),
        empty=_empty(asked),
    )


def _next(asked: RunFilter, found: RunLines) -> str:
    if not found.next_before:
        return ""
    kept = {name: value for name in _FILTERS[:-1] if (value := getattr(asked, name))}
    return f"/runs?{urlencode({**kept, 'before': found.next_before})}"


def _empty(asked: RunFilter) -> Markup:
    if asked.name:
        return show.html(
            '<p>None of the newest {} runs is called that and fits. <a href="/runs">Show all</a></p>',
            show.whole(NAMED_AMONG),
        )
    if not asked.is_any or asked.before:
        return Markup('<p>No run fits. <a href="/runs">Show all</a></p>')
    return Markup("<p>No run yet. Start one where a site may run it:</p>{}").format(show.command(_START))


def _row(visit: Visit, line: RunLine) -> Row:
    took = _took(visit, line)
    metric = main_metric(line.metrics)
    refs = [item.ref for item in line.new.data]
    shown = show.html("<small>{}</small> {}", metric[0], figure(metric[1])) if metric else ""
    return Row(
        key=short(line.run_id),
        cells=(
            Cell(value="", shown=_choice(line)),
            Cell(value=line.title, shown=cut(line.title, _LONGEST_TITLE), href=f"/runs/{line.run_id}"),
            Cell(value=line.state.value, shown=run_state(line.state, _fact(visit, line))),
            Cell(value=took, shown=show.duration(took)),
            Cell(value=metric[1] if metric else None, shown=shown, title=_told(line)),
            Cell(value=" ".join(refs), shown=ref_links(refs)),
            Cell(value=line.site, href=f"/sites/{line.site}" if line.site else ""),
            Cell(value=line.submitted_by),
            Cell(value=line.submitted_at, shown=show.when(line.submitted_at, visit.now)),
            Cell(value=line.run_id, shown=show.copy(line.run_id, short(line.run_id)), title=line.run_id),
            Cell(value=metric[0] if metric else ""),
            Cell(value=line.reason),
            Cell(value=" ".join(line.made)),
            Cell(value=line.tries),
            Cell(value=line.next_try_at or None, shown=show.when(line.next_try_at, visit.now)),
        ),
    )


def _choice(line: RunLine) -> Markup:
    return show.html(
        '<label class="choose"><input type="checkbox" form="compare" name="run" value="{}" id="choose-{}">'
        '<span class="unseen">Compare {}</span></label>',
        line.run_id,
        short(line.run_id),
        line.title,
    )


def _told(line: RunLine) -> str:
    return ", ".join(f"{name} {figure(value)}" for name, value in list(line.metrics.items())[:12])


def _took(visit: Visit, line: RunLine) -> float | None:
    """How long its newest attempt ran, or runs."""
    if not line.started_at:
        return None
    return max(0.0, (line.ended_at or visit.now) - line.started_at)


def _fact(visit: Visit, line: RunLine) -> str:
    """What matters next."""
    if line.state is RunState.RUNNING:
        return f"attempt {line.tries}" if line.tries > 1 else ""
    if line.state is RunState.SUCCEEDED:
        return f"made {', '.join(line.made)}" if line.made else ""
    if line.state is RunState.QUEUED and line.next_try_at > visit.now:
        return f"tries again {show.relative(line.next_try_at, visit.now)}"
    return line.reason
