"""Where would this run start soonest: the table of a placement, for a run that nobody submits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from forebay import words
from forebay.errors import ForebayError
from forebay.hub.access.rules import Action
from forebay.hub.web import given, show, site_words
from forebay.hub.web.forms import Field, Form, failed, filled, number
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.runs import DataUse, Explanation, NewRun, SiteRow

pages = Pages()

_COLUMNS = (
    Column(key="site", title="Site"),
    Column(key="start_s", title="Starts in"),
    Column(key="missing_bytes", title="Missing", number=True),
    Column(key="from", title="From"),
    Column(key="data_s", title="Data in", number=True),
    Column(key="queue_s", title="Compute in", number=True),
    Column(key="money", title="Money", number=True),
    Column(key="score", title="Score", number=True),
    Column(key="why", title="Why"),
)
_COMMAND = ("true",)


@dataclass(frozen=True, slots=True, kw_only=True)
class WherePage:
    """`asked`: somebody has asked; then `says` has the answer in one sentence."""

    form: Form
    says: str
    asked: bool


@pages.get("/sites/where")
def where(visit: Visit) -> Page:
    """The form, and the answer to what it asks."""
    if not visit.may(Action.RUN):
        visit.hub.runs.explain(NewRun(command=_COMMAND))  # refuses, and says why
    form, status = filled(_form(), visit.query), 200
    rows: tuple[Row, ...] = ()
    says, asked = "Nothing is submitted: this asks the scheduler, with the queue as it is now.", "data" in visit.query
    if asked:
        try:
            found = visit.hub.runs.explain(_wanted(visit))
            rows, says = tuple(_row(item, found.choice) for item in found.rows), _says(found)
        except ForebayError as error:
            form, status, says, asked = failed(form, error, _field(error)), 400, "That can't be asked.", False
    context = WherePage(form=form, says=says, asked=asked)
    table = Table(
        name="where", caption="Sites, the best first", columns=_COLUMNS, rows=rows, empty="The hub has no site."
    )
    return Page(
        template="sites/where.html",
        title="Where would a run start?",
        nav="sites",
        context=context,
        tables=(table,),
        parent=("Sites", "/sites"),
        status=status,
    )


def _wanted(visit: Visit) -> NewRun:
    refs = given.names(visit.query.get("data", ""))
    return NewRun(
        command=_COMMAND,
        data=tuple(DataUse(name=f"data_{index}", ref=ref) for index, ref in enumerate(refs)),
        gpus=number(visit.query, "gpus", "GPUs"),
        cpus=number(visit.query, "cpus", "CPUs", default=1),
        memory_bytes=given.whole_size(visit.query.get("memory", "")) or 0,
        nodes=number(visit.query, "nodes", "Nodes", default=1),
        where=visit.query.get("where", "").strip(),
        estimate_s=given.seconds(visit.query.get("estimate", "")) or 0.0,
    )


def _field(error: ForebayError) -> str:
    """Beside which field an error belongs; "" for none."""
    kinds = {"bad-labels": "where", "bad-size": "memory", "bad-duration": "estimate"}
    of_data = error.kind in ("bad-ref", "bad-name") or error.kind.endswith("-not-found")
    return "data" if of_data else kinds.get(error.kind, "")


def _says(found: Explanation) -> str:
    if not found.choice:
        return "No site will do now: such a run would wait."
    best = next(row for row in found.rows if row.site == found.choice)
    when = f"in about {words.duration(best.start_s)}" if best.start_s >= 1 else "at once"
    return f"It would go to {found.choice} and start {when}."


def _row(item: SiteRow, choice: str) -> Row:
    if item.why_not:
        told = show.state("refused", "will not do")
    else:
        told = show.state("ok" if item.site == choice else "queued", _seconds(item.start_s))
    return Row(
        key=item.site,
        cells=(
            Cell(value=item.site, href=f"/sites/{item.site}"),
            Cell(value=None if item.why_not else item.start_s, shown=told),
            Cell(value=item.missing_bytes, shown=show.size(item.missing_bytes) if item.missing_bytes else "nothing"),
            Cell(value=" ".join(item.sources), shown=_ways(item)),
            *(
                Cell(value=None, shown="") if item.why_not else Cell(value=value, shown=shown)
                for value, shown in (
                    (item.data_s, _seconds(item.data_s)),
                    (item.queue_s, _seconds(item.queue_s)),
                    (item.money, f"{item.money:.2f}"),
                    (round(item.score, 1), f"{item.score:.0f}"),
                )
            ),
            Cell(value="; ".join((*item.why_not, *item.unblock)), shown=_why(item.why_not, item.unblock)),
        ),
    )


def _seconds(value: float) -> str:
    return words.duration(value) if value >= 1 else "now"


def _ways(item: SiteRow) -> Markup | str:
    if not item.ways:
        return ", ".join(item.sources)
    told = (
        show.html(
            '<span title="{}, {} to the first byte, {} a GB">{} at {}/s</span>',
            "measured" if way.measured else "declared or assumed",
            site_words.latency(way.latency_s),
            site_words.price_gb(way.price_byte),
            way.source,
            words.size(way.bandwidth_bytes_s),
        )
        for way in item.ways
    )
    return Markup("<br>").join(told)


def _why(why_not: Sequence[str], unblock: Sequence[str]) -> Markup:
    lines = [escape(text) for text in why_not]
    lines += [show.html("<small>{}</small>", text) for text in unblock]
    return show.html('<div class="wrap">{}</div>', Markup("<br>").join(lines)) if lines else Markup("")


def _form() -> Form:
    return Form(
        action="/sites/where",
        method="get",
        button="Ask",
        fields=(
            Field(
                name="data", label="Reads", placeholder="criteo@prod", hint="Versions; several with a blank between."
            ),
            Field(name="gpus", label="GPUs", kind="number", placeholder="0"),
            Field(name="cpus", label="CPUs", kind="number", placeholder="1"),
            Field(name="memory", label="Memory", placeholder="64GB"),
            Field(name="nodes", label="Nodes", kind="number", placeholder="1"),
            Field(name="where", label="Labels", placeholder="gpu-type=a100, cloud!=aws"),
            Field(name="estimate", label="Takes about", placeholder="2h"),
        ),
    )
