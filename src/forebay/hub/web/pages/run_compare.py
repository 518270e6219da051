"""Chosen runs beside each other: how they differ, what came of them, their curves, their reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase

from markupsafe import Markup

from forebay.errors import InputError
from forebay.hub.board.run_names import title_of
from forebay.hub.board.run_rights import rights_on
from forebay.hub.board.run_stages import stages_of
from forebay.hub.web import show
from forebay.hub.web.charted import Chart
from forebay.hub.web.forms import Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.run_figures import POINTS, Series, by_name, overlaid
from forebay.hub.web.run_left import Left, figures_of, href_of, left_by
from forebay.hub.web.run_words import compare_form, cut, difference, figure, run_state, short
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.runs.figures import NONE, Figures
from forebay.runs.parameters import differences, parameters_of
from forebay.wire.runs import Run

pages = Pages()

_MOST = 8
_LONGEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`other` is the address with the other answer to "only differences". `reports` are letter, name and address."""

    count: int
    only_differences: bool
    other: str
    same: int
    curves: tuple[Chart, ...]
    reports: tuple[tuple[str, str, str], ...]
    has_metrics: bool
    more: Form | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _One:
    letter: str
    run: Run
    left: Left
    figures: Figures

    @property
    def name(self) -> str:
        return f"{title_of(self.run.new)[:_LONGEST]} ({short(self.run.run_id)})"


@pages.get("/runs/compare")
def compare(visit: Visit) -> Page:
    """Two runs or more."""
    ids = list(dict.fromkeys(text for text in visit.queries("run") if text))
    if len(ids) < 2:
        raise _too_few()
    if len(ids) > _MOST:
        raise InputError(
            "bad-comparison", f"{len(ids)} runs are too many to look at at once.", todo=f"At most {_MOST}."
        )
    ones = _ones(visit, ids)
    only = visit.query.get("all") != "1"
    told = differences([parameters_of(one.run.new, one.figures.parameters) for one in ones])
    query = "&".join(f"run={one.run.run_id}" for one in ones)
    curves = _curves(ones, visit.limit(POINTS))
    context = Compared(
        count=len(ones),
        only_differences=only,
        other=f"/runs/compare?{query}{'&all=1' if only else ''}",
        same=sum(not each.differs for each in told),
        curves=curves,
        reports=tuple(
            (one.letter, one.name, href_of(one.run.run_id, report)) for one in ones if (report := one.left.report)
        ),
        has_metrics=any(one.figures.metrics for one in ones),
        more=compare_form([one.run.run_id for one in ones], "And with") if len(ones) < _MOST else None,
    )
    parameters = [(each.name, each.values) for each in told if each.differs or not only]
    return Page(
        template="runs/compare.html",
        title="Compare runs",
        nav="runs",
        context=context,
        parent=("Runs", "/runs"),
        tables=(
            _runs(visit, ones),
            _parameters(ones, parameters),
            _metrics(ones),
            *(curve.numbers for curve in curves),
        ),
    )


def _ones(visit: Visit, ids: list[str]) -> list[_One]:
    runs = list({run.run_id: run for run in (visit.hub.runs.get(each) for each in ids)}.values())
    if len(runs) < 2:
        raise _too_few()
    with visit.read() as connection:
        rights = rights_on(connection, visit.sight, [(run.submitted_by, run.new) for run in runs])
    found = []
    for letter, run, right in zip(ascii_uppercase, runs, rights, strict=False):
        left = left_by(visit, run) if right.reviews else Left(run_id=run.run_id)
        figures = figures_of(visit, left) if right.reviews else NONE
        found.append(_One(letter=letter, run=run, left=left, figures=figures))
    return found


def _too_few() -> InputError:
    return InputError("bad-comparison", "Choose two runs or more.", todo="Tick them in the list of runs.")


def _curves(ones: list[_One], points: int) -> tuple[Chart, ...]:
    names = {one.letter: one.name for one in ones}
    numbers = {one.letter: place for place, one in enumerate(ones)}
    charts = []
    for place, (name, curves) in enumerate(by_name({one.letter: one.figures.curves for one in ones}).items()):
        series = [Series(letter=letter, name=names[letter], curve=curve) for letter, curve in curves]
        looks = [numbers[letter] + 1 for letter, _ in curves]
        charts.append(overlaid(f"curve-{place}", name, series, looks, points=points))
    return tuple(charts)


def _runs(visit: Visit, ones: list[_One]) -> Table:
    def row(one: _One) -> Row:
        run = one.run
        ran = sum(stage.seconds for stage in stages_of(run, visit.now) if stage.kind == "running")
        mark = Markup('<span class="letter s{}">{}</span> {}').format(
            ascii_uppercase.index(one.letter) + 1, one.letter, cut(title_of(run.new), _LONGEST)
        )
        return Row(
            cells=(
                Cell(value=one.letter, shown=mark, href=f"/runs/{run.run_id}"),
                Cell(value=run.state.value, shown=run_state(run.state)),
                Cell(value=run.site),
                Cell(value=run.submitted_by),
                Cell(value=run.submitted_at, shown=show.when(run.submitted_at, visit.now)),
                Cell(value=ran or None, shown=show.duration(ran or None)),
                Cell(value=run.run_id, shown=show.copy(run.run_id, short(run.run_id))),
            )
        )

    return Table(
        name="runs",
        caption="Runs compared",
        columns=(
            Column(key="run", title="Run"),
            Column(key="state", title="State"),
            Column(key="site", title="Site"),
            Column(key="by", title="By"),
            Column(key="submitted", title="Submitted"),
            Column(key="ran_s", title="Ran for", number=True),
            Column(key="id", title="Id"),
        ),
        rows=tuple(row(one) for one in ones),
    )


def _parameters(ones: list[_One], told: list[tuple[str, tuple[str | None, ...]]]) -> Table:
    def cell(value: str | None) -> Cell:
        return Cell(value=value, shown=Markup('<span class="dim">–</span>') if value is None else cut(value, 60))

    return Table(
        name="parameters",
        caption="Parameters",
        columns=(Column(key="name", title="Name"), *_columns(ones)),
        rows=tuple(Row(cells=(Cell(value=name), *(cell(value) for value in values))) for name, values in told),
        empty="They were told to do the same.",
    )


def _metrics(ones: list[_One]) -> Table:
    """Beside each run but the first a column of how far it is from that one."""
    names = dict.fromkeys(name for one in ones for name in one.figures.metrics)

    def cells(name: str) -> Iterator[Cell]:
        first = ones[0].figures.metrics.get(name)
        for place, one in enumerate(ones):
            value = one.figures.metrics.get(name)
            yield Cell(value=value, shown=Markup('<span class="dim">–</span>') if value is None else figure(value))
            if place:
                yield _apart(value, first)

    return Table(
        name="metrics",
        caption=f"Metrics, and how far each is from {ones[0].letter}",
        columns=(Column(key="metric", title="Metric"), *_measured(ones)),
        rows=tuple(Row(cells=(Cell(value=name), *cells(name))) for name in names),
        empty="None of them told any.",
    )


def _apart(value: float | None, first: float | None) -> Cell:
    if value is None or first is None:
        return Cell(value=None)
    apart = value - first
    sign = "+" if apart > 0 else "\N{MINUS SIGN}" if apart < 0 else "±"
    return Cell(value=apart, shown=f"{sign}{difference(apart, value, first)}")


def _measured(ones: list[_One]) -> Iterator[Column]:
    for place, column in enumerate(_columns(ones, number=True)):
        yield column
        if place:
            minus = f"{column.title} \N{MINUS SIGN} {ones[0].letter}"
            yield Column(key=f"{column.key} - {ones[0].run.run_id}", title=minus, number=True, quiet=True)


def _columns(ones: list[_One], *, number: bool = False) -> tuple[Column, ...]:
    return tuple(Column(key=one.run.run_id, title=one.letter, number=number) for one in ones)
