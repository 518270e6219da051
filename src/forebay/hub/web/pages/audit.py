"""The audit: who did what to which dataset, and who was refused; filtered, in pages, and whole as a file."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from markupsafe import Markup

from forebay.errors import InputError
from forebay.hub.access.rules import Action
from forebay.hub.web import given, show
from forebay.hub.web.forms import Field, Form, failed, filled
from forebay.hub.web.page import Page
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import AuditPage as Found
from forebay.wire.access import AuditQuery, AuditRecord, Outcome
from forebay.wire.http import API

pages = Pages()

_SHOWN = 100
_DAY_S = 86400.0
_FILTERS = ("user", "dataset", "action", "outcome", "since", "until")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """`exports` are (name, address) of all that match, as streams."""

    says: str
    form: Form
    exports: tuple[tuple[str, str], ...]


@pages.get("/admin/audit")
def audit(visit: Visit) -> Page:
    """A page of the lines that match, newest first."""
    form, status = filled(_form(), visit.query), 200
    try:
        query = _query(visit)
        found = visit.hub.access.audit(query)
    except InputError as error:
        visit.hub.access.audit(AuditQuery(limit=1))
        form, status, query, found = (
            failed(form, error, _field(error)),
            400,
            AuditQuery(),
            Found(records=(), next_before=0),
        )
    kept = {name: visit.query[name] for name in _FILTERS if visit.query.get(name)}
    more = f"/admin/audit?{urlencode({**kept, 'before': found.next_before})}" if found.next_before else ""
    table = Table(
        name="audit",
        caption="Newest first",
        columns=(
            Column(key="at", title="When"),
            Column(key="user", title="Who"),
            Column(key="action", title="Action"),
            Column(key="outcome", title="Outcome"),
            Column(key="on", title="On"),
            Column(key="detail", title="What"),
            Column(key="source", title="From"),
            Column(key="request_id", title="Request"),
            Column(key="token_id", title="Token", given=True),
            Column(key="call", title="Call", given=True),
        ),
        rows=tuple(_row(item) for item in found.records),
        more=more,
        empty="Nothing of that is in the audit." if kept else "The audit is empty: nothing was done yet.",
    )
    context = AuditPage(says=_says(found, kept), form=form, exports=_exports(query) if found.records else ())
    return Page(
        template="admin/audit.html",
        title="Audit",
        nav="admin",
        context=context,
        tables=(table,),
        parent=ADMIN,
        status=status,
    )


def _query(visit: Visit) -> AuditQuery:
    """InputError for what can't be read."""
    asked = visit.query
    outcome, before = asked.get("outcome", ""), asked.get("before", "")
    if outcome and outcome not in tuple(Outcome):
        raise InputError("bad-outcome", f"{outcome[:40]!r} is no outcome.")
    if before and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise InputError("bad-cursor", f"{before[:40]!r} is no line's number.")
    until = given.day(asked.get("until", ""))
    return AuditQuery(
        user=asked.get("user", "").strip(),
        dataset=asked.get("dataset", "").strip(),
        action=asked.get("action", ""),
        outcome=Outcome(outcome) if outcome else None,
        since=given.day(asked.get("since", "")),
        until=until + _DAY_S if until else 0.0,
        before=int(before or 0),
        limit=visit.limit(_SHOWN),
    )


def _exports(query: AuditQuery) -> tuple[tuple[str, str], ...]:
    """All that match, from the newest on, however many pages that is."""
    asked = {
        "user": query.user,
        "dataset": query.dataset,
        "action": query.action,
        "outcome": query.outcome.value if query.outcome else "",
        "since": query.since or "",
        "until": query.until or "",
    }
    kept = {name: value for name, value in asked.items() if value}
    return tuple(
        (name, f"{API}/audit/export?{urlencode({**kept, 'format': kind})}")
        for name, kind in (("CSV", "csv"), ("JSON lines", "ndjson"))
    )


def _says(found: Found, kept: dict[str, str]) -> str:
    which = "of those that match" if kept else "of all"
    if not found.records:
        return "Every act and every refusal is a line, written before the act; nothing is ever changed or removed"
    refused = sum(item.outcome is Outcome.REFUSED for item in found.records)
    many = f"the newest {len(found.records)}" if found.next_before else str(len(found.records))
    return f"{many} {which}, {refused} of them refused"


def _row(item: AuditRecord) -> Row:
    told = "; ".join(part for part in (item.detail, item.reason) if part)
    on = item.ref or item.dataset
    kind = "allowed" if item.outcome is Outcome.ALLOWED else "refused"
    return Row(
        key=str(item.number),
        cells=(
            Cell(value=item.at, shown=show.moment(item.at)),
            Cell(value=item.user, title=f"token {item.token_id}" if item.token_id else ""),
            Cell(value=item.action, title=item.call),
            Cell(value=item.outcome.value, shown=show.state(kind)),
            Cell(value=on, href=f"/admin/audit?{urlencode({'dataset': item.dataset})}" if item.dataset else ""),
            Cell(value=told, shown=Markup('<div class="wrap">{}</div>').format(told)),
            Cell(value=item.source),
            Cell(
                value=item.request_id,
                shown=show.copy(item.request_id, item.request_id[:12]) if item.request_id else "",
                title=item.request_id,
            ),
            Cell(value=item.token_id),
            Cell(value=item.call),
        ),
    )


def _field(error: InputError) -> str:
    return {"bad-outcome": "outcome", "bad-moment": "since"}.get(error.kind, "")


def _form() -> Form:
    actions = (("", "any"), *((action.value, action.value) for action in Action), ("sign-in", "sign-in"))
    outcomes = (("", "any"), *((outcome.value, outcome.value) for outcome in Outcome))
    return Form(
        action="/admin/audit",
        method="get",
        button="Filter",
        quiet=True,
        fields=(
            Field(name="user", label="Who"),
            Field(name="dataset", label="Dataset"),
            Field(name="action", label="Action", kind="select", options=actions),
            Field(name="outcome", label="Outcome", kind="select", options=outcomes),
            Field(name="since", label="From (UTC)", kind="date"),
            Field(name="until", label="To (UTC)", kind="date"),
        ),
    )
