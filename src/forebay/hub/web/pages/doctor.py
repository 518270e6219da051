"""Health: what the hub's records say should be looked at, and what the doctor found on the hub's own machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forebay import words
from forebay.hub.access.rules import Action
from forebay.hub.api.info import VERSION
from forebay.hub.board.checkup import Checkup
from forebay.hub.board.findings import Finding, Severity, findings
from forebay.hub.web import show
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

_KINDS = {Severity.FAULT: "failed", Severity.WARNING: "warning", Severity.NOTE: "queued"}
_COLUMNS = (
    Column(key="severity", title="How bad"),
    Column(key="check", title="Of"),
    Column(key="message", title="What was found"),
    Column(key="mend", title="What to do"),
    Column(key="kind", title="Kind", given=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorPage:
    """`checked` says when the doctor looked; `there`: there is one to ask."""

    says: str
    there: bool
    checked: Markup | str


@pages.get("/admin/doctor", live=("findings",))
def doctor(visit: Visit) -> Page:
    """All findings. What the doctor found is from when somebody asked him last."""
    visit.hub.access.users()  # for admins alone: refuses, and says why
    with visit.read() as connection:
        known = findings(connection, visit.sight, visit.hub.sites.all(), VERSION, visit.now)
    last = visit.checkups.last
    own = list(last.looked.findings) if last else []
    faults = sum(item.severity is Severity.FAULT for item in (*known, *own))
    warnings = sum(item.severity is Severity.WARNING for item in (*known, *own))
    told = f"{words.count(faults, 'fault')}, {words.count(warnings, 'warning')}" if faults + warnings else "All is well"
    context = DoctorPage(
        says=f"{told} · release {VERSION}", there=visit.checkups.there, checked=_checked(last, visit.now)
    )
    tables = (
        _table("records", "What the records say", known, "The records tell of nothing that needs care."),
        _table(
            "machine",
            "By the doctor, in the hub's own process",
            own,
            "Nothing was found." if last else "Nobody has asked the doctor yet.",
        ),
    )
    return Page(template="admin/doctor.html", title="Health", nav="admin", context=context, tables=tables, parent=ADMIN)


@pages.post("/admin/doctor")
def examine(visit: Visit) -> Redirect:
    """Have the doctor look now; ends within some seconds."""
    visit.hub.access.users()
    taken = visit.checkups.take(visit.now) if visit.may(Action.MANAGE) else None
    found = words.count(len(taken.looked.findings), "finding") if taken else "nothing"
    return Redirect(to="/admin/doctor", notice=f"The doctor has looked: {found}.")


def _checked(last: Checkup | None, now: float) -> Markup | str:
    if last is None:
        return ""
    return Markup("Looked {} at {}.").format(show.when(last.at, now), ", ".join(last.looked.checks))


def _table(name: str, caption: str, found: Sequence[Finding], empty: str) -> Table:
    rows = (
        Row(
            cells=(
                Cell(value=item.severity.value, shown=show.state(_KINDS[item.severity], item.severity.value)),
                Cell(value=item.check, href=item.href),
                Cell(
                    value=item.message,
                    shown=Markup('<div class="wrap">{}</div>').format(item.message),
                    title=item.kind,
                ),
                Cell(value=item.mend, shown=Markup('<div class="wrap">{}</div>').format(item.mend)),
                Cell(value=item.kind),
            )
        )
        for item in found
    )
    return Table(
        name=name,
        caption=caption,
        columns=_COLUMNS,
        rows=tuple(rows),
        empty=show.state("ok", empty) if name == "records" else empty,
    )
