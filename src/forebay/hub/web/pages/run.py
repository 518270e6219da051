"""The page of one run: how it is, why, what unblocks it; its time, data, attempts, figures and report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from markupsafe import Markup

from forebay.hub.board.run import DataLine, data_of, log_bytes_of
from forebay.hub.board.run_names import title_of
from forebay.hub.board.run_rights import RunRights, rights_on
from forebay.hub.board.run_stages import Stage, stages_of
from forebay.hub.web import show
from forebay.hub.web.charted import Chart
from forebay.hub.web.forms import Confirm, Field, Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.run_figures import POINTS, Series, overlaid, stages_bar
from forebay.hub.web.run_left import Left, dashboard_of, figures_of, href_of, is_page, left_by
from forebay.hub.web.run_words import compare_form, cut, figure, ref_href, ref_links, run_state, short
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.runs.figures import NONE, Figures
from forebay.runs.parameters import parameters_of
from forebay.wire.runs import Attempt, Ending, Run, RunState

pages = Pages()

_RUNS = ("Runs", "/runs")
_LONGEST_TITLE = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RunShown:
    """`stages_bar` is None where there is nothing to tell apart. `is_held_up`: it may be
    worth saying what would unblock it. `report` is the address of the report, "" without one."""

    run: Run
    rights: RunRights
    state: Markup
    is_waiting: bool
    is_held_up: bool
    is_active: bool
    can_retry: bool
    command: str
    stages_bar: Markup | None
    dashboard: str
    report: str
    has_task_stream: bool
    curves: tuple[Chart, ...]
    code: tuple[tuple[str, str], ...]
    made: Markup
    has_figures: bool
    has_program_stages: bool
    has_log: bool
    compare: Form


@pages.get("/runs/{run}", live=("now", "report", "time", "data", "attempts", "figures", "files"))
def run(visit: Visit) -> Page:
    """Everything about it that the visitor may see."""
    found = visit.hub.runs.get(visit.path["run"])
    with visit.read() as connection:
        rights = rights_on(connection, visit.sight, [(found.submitted_by, found.new)])[0]
        data = data_of(connection, visit.sight, found, visit.now)
        log_bytes = log_bytes_of(connection, found.run_id) if rights.inspects else {}
    left = left_by(visit, found) if rights.reviews else Left(run_id=found.run_id)
    figures = figures_of(visit, left) if rights.reviews else NONE
    stages = stages_of(found, visit.now)
    report = left.report
    curves = _curves(figures, visit.limit(POINTS)) if report is None else ()
    context = RunShown(
        run=found,
        rights=rights,
        state=run_state(found.state, f"at {found.site}" if found.site else ""),
        is_waiting=found.state in (RunState.QUEUED, RunState.FILLING),
        is_held_up=found.state is not RunState.RUNNING and found.state is not RunState.SUCCEEDED,
        is_active=not found.state.is_final,
        can_retry=found.state in (RunState.FAILED, RunState.CANCELLED),
        command=shlex.join(found.new.command),
        stages_bar=stages_bar(stages) if len(stages) > 1 else None,
        dashboard=dashboard_of(visit, left, len(found.attempts)) if found.state is RunState.RUNNING else "",
        report=href_of(found.run_id, report) if report else "",
        has_task_stream=left.task_stream is not None,
        curves=curves,
        code=_code(found),
        made=ref_links(list(found.made)),
        has_figures=bool(figures.metrics),
        has_program_stages=bool(figures.stages),
        has_log=bool(found.attempts) and rights.inspects,
        compare=compare_form([found.run_id], "Compare with"),
    )
    return Page(
        template="runs/run.html",
        title=str(title_of(found.new))[:_LONGEST_TITLE],
        nav="runs",
        context=context,
        parent=_RUNS,
        tables=(
            _stages(visit, stages),
            _program_stages(figures),
            _data(data),
            _attempts(visit, found, log_bytes if rights.inspects else None),
            _metrics(figures),
            _files(visit, left),
            _parameters(found, figures),
            *(curve.numbers for curve in curves),
        ),
    )


@pages.get("/runs/{run}/cancel")
def ask_to_cancel(visit: Visit) -> Page:
    """Before a run ends."""
    found = visit.hub.runs.get(visit.path["run"])
    elapsed = sum(stage.seconds for stage in stages_of(found, visit.now) if stage.kind == "running")
    facts: tuple[str | Markup, ...] = (f"It is {found.state}{f' at {found.site}' if found.site else ''}.",)
    if elapsed:
        facts += (Markup("What it has done in {} is lost, unless it left checkpoints.").format(show.duration(elapsed)),)
    facts += ("What it has left to be looked at stays, and it can be tried again.",)
    confirm = Confirm(
        heading=f"Cancel the run {short(found.run_id)}?",
        says=title_of(found.new),
        form=Form(
            action=f"/runs/{found.run_id}/cancel",
            button="Cancel the run",
            danger=True,
            cancel=f"/runs/{found.run_id}",
            fields=(Field(name="reason", label="Why (whoever looks at it later is told)"),),
        ),
        facts=facts,
    )
    return Page(
        template="confirm.html",
        title="Cancel a run",
        nav="runs",
        context=confirm,
        parent=(short(found.run_id), f"/runs/{found.run_id}"),
    )


@pages.post("/runs/{run}/cancel")
def cancel(visit: Visit) -> Redirect:
    """End it."""
    found = visit.hub.runs.cancel(visit.path["run"], visit.form.get("reason", "").strip())
    told = "is cancelled" if found.state is RunState.CANCELLED else "is told to end"
    return Redirect(to=f"/runs/{found.run_id}", notice=f"The run {short(found.run_id)} {told}.")


@pages.post("/runs/{run}/retry")
def retry(visit: Visit) -> Redirect:
    """Once more, as it was."""
    found = visit.hub.runs.retry(visit.path["run"])
    return Redirect(to=f"/runs/{found.run_id}", notice=f"The run {short(found.run_id)} is queued once more.")


def _curves(figures: Figures, points: int) -> tuple[Chart, ...]:
    return tuple(
        overlaid(f"curve-{number}", curve.name, [Series(letter="", name="this run", curve=curve)], points=points)
        for number, curve in enumerate(figures.curves)
    )


def _code(found: Run) -> tuple[tuple[str, str], ...]:
    code = found.new.code
    changes = " with changes that are in no commit" if code.git_dirty else ""
    return tuple(
        (name, value)
        for name, value in (
            ("commit", f"{code.git_commit}{changes}" if code.git_commit else ""),
            ("bundle", code.bundle),
        )
        if value
    )


def _stages(visit: Visit, stages: list[Stage]) -> Table:
    def word(stage: Stage) -> Markup:
        return Markup(
            '<span class="stage"><svg aria-hidden="true"><rect class="stage-{}"></rect></svg>{}</span>'
        ).format(stage.kind, stage.kind)

    return Table(
        name="stages",
        caption="Where its time went",
        columns=(
            Column(key="stage", title="Stage"),
            Column(key="attempt", title="Attempt", number=True),
            Column(key="site", title="Site"),
            Column(key="began", title="Began"),
            Column(key="seconds", title="Took", number=True),
            Column(key="goes_on", title="Goes on", given=True),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=stage.kind, shown=word(stage)),
                    Cell(value=stage.attempt),
                    Cell(value=stage.site),
                    Cell(value=stage.began, shown=show.when(stage.began, visit.now)),
                    Cell(value=stage.seconds, shown=_took(stage)),
                    Cell(value=stage.goes_on),
                )
            )
            for stage in stages
        ),
        empty="Nothing has taken time yet.",
    )


def _took(stage: Stage) -> Markup:
    return Markup("{}{}").format(show.duration(stage.seconds), " so far" if stage.goes_on else "")


def _program_stages(figures: Figures) -> Table:
    longest = max(figures.stages.values(), default=0.0) or 1.0
    return Table(
        name="program",
        caption="Stages that the program told of",
        columns=(
            Column(key="stage", title="Stage"),
            Column(key="seconds", title="Took", number=True),
            Column(key="share", title="Beside the longest"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=name),
                    Cell(value=seconds, shown=show.duration(seconds)),
                    Cell(value=round(seconds / longest, 4), shown=show.bar(seconds / longest)),
                )
            )
            for name, seconds in figures.stages.items()
        ),
    )


def _data(lines: list[DataLine]) -> Table:
    return Table(
        name="data",
        caption="What it reads",
        columns=(
            Column(key="version", title="Version"),
            Column(key="name", title="Named"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="files", title="Files", number=True),
            Column(key="there", title="At its site"),
            Column(key="share", title="There", given=True),
            Column(key="rate_bytes_s", title="Rate", given=True),
            Column(key="left_s", title="Left", given=True),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=line.ref, href=ref_href(line.ref) if line.size_bytes is not None else ""),
                    Cell(value=line.name, shown=show.mono(f"{{{line.name}}}")),
                    Cell(value=line.size_bytes, shown=show.size(line.size_bytes)),
                    Cell(value=line.files or None, shown=f"{line.files:,}" if line.files else ""),
                    Cell(value=line.state, shown=_there(line)),
                    *(Cell(value=value) for value in _filling(line)),
                )
            )
            for line in lines
        ),
        empty="It reads no dataset.",
    )


def _filling(line: DataLine) -> tuple[float | None, float | None, float | None]:
    """How far it is, how fast and for how long; of what fills alone."""
    if line.state != "filling":
        return None, None, None
    return round(line.share, 4), line.rate_bytes_s or None, line.left_s


def _there(line: DataLine) -> Markup | str:
    if not line.state:
        return ""
    if line.state != "filling":
        return show.state(line.state)
    facts = [show.rate(line.rate_bytes_s)] if line.rate_bytes_s else []
    facts += [Markup("{} left").format(show.duration(line.left_s))] if line.left_s is not None else []
    told = show.state("filling", show.percent(line.share), Markup(" · ").join(facts))
    return Markup("{}{}").format(told, show.bar(line.share, label=f"{show.percent(line.share)} of {line.ref}"))


_ENDINGS = {
    Ending.SUCCEEDED: "succeeded",
    Ending.FAILED: "failed",
    Ending.CANCELLED: "cancelled",
    Ending.LOST: "lost",
}


def _attempts(visit: Visit, found: Run, log_bytes: object) -> Table:
    sizes = log_bytes if isinstance(log_bytes, dict) else None
    return Table(
        name="attempts",
        caption="Attempts",
        columns=(
            Column(key="attempt", title="Attempt"),
            Column(key="state", title="Ended"),
            Column(key="site", title="Site"),
            Column(key="ordered", title="Ordered"),
            Column(key="seconds", title="Ran for", number=True),
            Column(key="exit_code", title="Exit code", number=True),
            Column(key="log_bytes", title="Log", number=True),
            Column(key="why", title="Why"),
        ),
        rows=tuple(_attempt(visit, found, item, sizes) for item in reversed(found.attempts)),
        empty="None yet: it has not begun.",
    )


def _attempt(visit: Visit, found: Run, item: Attempt, sizes: dict[int, int] | None) -> Row:
    ran = max(0.0, (item.ended_at or visit.now) - item.started_at) if item.started_at else None
    state = show.state(_ENDINGS[item.ending]) if item.ending else show.state("running", "under way")
    log = None if sizes is None else sizes.get(item.number, 0)
    return Row(
        cells=(
            Cell(value=item.number),
            Cell(value=item.ending.value if item.ending else "under way", shown=state),
            Cell(value=item.site, href=f"/sites/{item.site}"),
            Cell(value=item.ordered_at, shown=show.when(item.ordered_at, visit.now)),
            Cell(value=ran, shown=show.duration(ran)),
            Cell(value=item.exit_code),
            Cell(
                value=log,
                shown="" if log is None else show.size(log),
                href="" if log is None else f"/runs/{found.run_id}/log?attempt={item.number}",
            ),
            Cell(value=item.reason, shown=Markup('<span class="wrap">{}</span>').format(item.reason)),
        )
    )


def _metrics(figures: Figures) -> Table:
    return Table(
        name="metrics",
        caption="Metrics that it told",
        columns=(Column(key="metric", title="Metric"), Column(key="value", title="Value", number=True)),
        rows=tuple(
            Row(cells=(Cell(value=name), Cell(value=value, shown=figure(value), title=repr(value))))
            for name, value in figures.metrics.items()
        ),
    )


def _files(visit: Visit, left: Left) -> Table:
    return Table(
        name="files",
        caption="Files that it left to be looked at",
        columns=(
            Column(key="name", title="File"),
            Column(key="attempt", title="Attempt", number=True),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="kept", title="Kept"),
            Column(key="digest", title="Digest"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=item.name, href=_file_href(left, item.attempt, item.name, href_of(left.run_id, item))),
                    Cell(value=item.attempt),
                    Cell(value=item.size_bytes, shown=show.size(item.size_bytes)),
                    Cell(value=item.kept_at, shown=show.when(item.kept_at, visit.now)),
                    Cell(value=item.digest, shown=show.copy(item.digest, item.digest[:12]), title=item.digest),
                )
            )
            for item in left.files
        ),
        empty=Markup(
            "<p>It left none. What a program writes into the folder <code>$FOREBAY_REPORTS</code> is kept here: "
            "<code>report.html</code> is shown on this page, and the numbers of <code>metrics.json</code> are its "
            "metrics.</p>"
        ),
    )


def _file_href(left: Left, attempt: int, name: str, otherwise: str) -> str:
    framed = is_page(name) or (left.task_stream is not None and name == left.task_stream.name)
    return f"/runs/{left.run_id}/report?attempt={attempt}&name={name}" if framed else otherwise


def _parameters(found: Run, figures: Figures) -> Table:
    return Table(
        name="parameters",
        caption="What it was told to do",
        columns=(Column(key="name", title="Name"), Column(key="value", title="Value")),
        rows=tuple(
            Row(cells=(Cell(value=name), Cell(value=value, shown=cut(value, 200))))
            for name, value in parameters_of(found.new, figures.parameters).items()
        ),
    )
