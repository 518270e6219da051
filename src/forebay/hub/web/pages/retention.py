"""Retention: which old versions of datasets go by themselves; what a rule would do is shown before it is set."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from forebay import words
from forebay.errors import ForebayError, InputError
from forebay.hub.access.rules import Action
from forebay.hub.board.governed import Kept, retentions
from forebay.hub.web import show
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled, required
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.retention import RetentionPlan, RetentionPolicy

pages = Pages()

_RETENTION = ("Retention", "/admin/retention")
_SHOWN = 100
_FATES = 200


@pages.get("/admin/retention")
def retention(visit: Visit) -> Page:
    """The datasets that do not keep everything."""
    return _page(visit)


def _page(visit: Visit, form: Form | None = None) -> Page:
    sought, limit = visit.query.get("q", "").strip(), visit.limit(_SHOWN)
    with visit.read() as connection:
        found = retentions(connection, visit.sight, words=sought, after=visit.query.get("after", ""), limit=limit + 1)
    shown, more = found[:limit], ""
    if len(found) > limit:
        more = f"/admin/retention?q={quote(sought)}&after={quote(shown[-1].policy.dataset)}"
    table = Table(
        name="retention",
        caption="Datasets that do not keep all their versions",
        columns=(
            Column(key="dataset", title="Dataset"),
            Column(key="keep_last", title="Newest kept", number=True),
            Column(key="keep_days", title="Days kept", number=True),
            Column(key="live", title="Versions", number=True),
            Column(key="retired", title="Retired", number=True),
            Column(key="set_by", title="Set by"),
            Column(key="checked_at", title="Looked at", number=True),
        ),
        rows=tuple(_row(item, visit.now) for item in shown),
        more=more,
        empty="Every dataset keeps all its versions. Choose below what one keeps: you see first what would go.",
    )
    search = Form(
        action="/admin/retention",
        method="get",
        button="Search",
        quiet=True,
        fields=(Field(name="q", label="Dataset", kind="search", value=sought),),
    )
    context = Listing(
        says=_says(shown, is_all=not more and "after" not in visit.query),
        search=search,
        forms=(("What would a rule do?", form or _form()),) if visit.may(Action.REMOVE) else (),
    )
    return Page(
        template="admin/list.html",
        title="Retention",
        nav="admin",
        context=context,
        tables=(table,),
        parent=ADMIN,
        status=400 if form else 200,
    )


def _says(shown: Sequence[Kept], *, is_all: bool) -> str:
    retired = words.count(sum(item.retired for item in shown), "version")
    if is_all:
        return f"{words.count(len(shown), 'dataset')} with a rule · {retired} retired"
    return f"{words.count(len(shown), 'dataset')} with a rule on this page, {retired} of them retired"


@pages.get("/admin/retention/plan")
def plan(visit: Visit) -> Page:
    """What a rule would do to every version of a dataset; from here it is set."""
    try:
        proposed = _proposed(visit)
        found = visit.hub.retention.plan(proposed.dataset, proposed)
    except ForebayError as error:
        return _page(visit, failed(filled(_form(), visit.query), error, _field(error)))
    going = found.retiring
    size_bytes = sum(fate.size_bytes for fate in going)
    told = (
        f"{words.count(len(going), 'version')} of {len(found.fates)} would be retired, {words.size(size_bytes)} of data"
    )
    facts = [
        "What is retired is not opened, filled, tagged or run on any more, until it is restored. The lake keeps it.",
        f"Its replicas go some days later: {words.size(found.replica_bytes)} on all volumes.",
        *([f"By itself nothing goes yet: {found.waits}."] if found.waits else []),
    ]
    fields = {
        "dataset": proposed.dataset,
        "keep_last": visit.query.get("keep_last", ""),
        "keep_days": visit.query.get("keep_days", ""),
    }
    says = told if going else f"None of {words.count(len(found.fates), 'version')} would go now."
    heading, table = f"{_rule(proposed)} of {proposed.dataset}?", _fates(found, visit.limit(_FATES))
    if not visit.may_on(Action.REMOVE, proposed.dataset):
        return Page(
            template="admin/list.html",
            title=heading,
            nav="admin",
            context=Listing(says=says),
            tables=(table,),
            parent=_RETENTION,
        )
    form = Form(
        action="/admin/retention",
        button="Set the rule",
        danger=bool(going),
        cancel="/admin/retention",
        fields=tuple(Field(name=name, label="", kind="hidden", value=value) for name, value in fields.items()),
    )
    context = Confirm(heading=heading, says=says, facts=tuple(facts) if going else (), form=form)
    return Page(
        template="confirm.html",
        title="Retention",
        nav="admin",
        context=context,
        tables=(table,),
        parent=_RETENTION,
    )


@pages.post("/admin/retention")
def set_retention(visit: Visit) -> Page | Redirect:
    """Set it; a hub carries it out within the hour."""
    try:
        proposed = _proposed(visit, posted=True)
        visit.hub.retention.set_policy(proposed)
    except InputError as error:
        return _page(visit, failed(filled(_form(), visit.form), error, _field(error)))
    return Redirect(to="/admin/retention", notice=f"{_rule(proposed)} of {proposed.dataset}, from now on.")


def _proposed(visit: Visit, *, posted: bool = False) -> RetentionPolicy:
    fields = visit.form if posted else visit.query
    dataset = required(fields, "dataset", "A dataset")
    last, days = fields.get("keep_last", "").strip(), fields.get("keep_days", "").strip()
    try:
        return RetentionPolicy(
            dataset=dataset, keep_last=int(last) if last else None, keep_days=float(days) if days else None
        )
    except ValueError:
        raise InputError("bad-retention", "Both are numbers, or empty.", todo="Write 5, or leave it empty.") from None


def _rule(policy: RetentionPolicy) -> str:
    if policy.keeps_all:
        return "Keep everything"
    kept = [f"the newest {policy.keep_last}"] if policy.keep_last is not None else []
    kept += [f"what is younger than {policy.keep_days:g} days"] if policy.keep_days is not None else []
    return f"Keep {' and '.join(kept)}"


def _fates(found: RetentionPlan, limit: int) -> Table:
    """What goes comes first."""
    fates = sorted(found.fates, key=lambda fate: not fate.retires)[:limit]
    beyond = f", {len(fates)} of {len(found.fates)}: CSV has all" if len(fates) < len(found.fates) else ""
    return Table(
        name="fates",
        caption=f"Every version that is not retired{beyond}",
        columns=(
            Column(key="ref", title="Version"),
            Column(key="fate", title="What becomes of it"),
            Column(key="reason", title="Why"),
            Column(key="size_bytes", title="Size", number=True),
        ),
        rows=tuple(
            Row(
                key=fate.ref,
                cells=(
                    Cell(value=fate.ref),
                    Cell(
                        value=fate.keep.value,
                        shown=show.state("retired", "goes") if fate.retires else show.state("ok", "stays"),
                    ),
                    Cell(value=fate.reason),
                    Cell(value=fate.size_bytes, shown=show.size(fate.size_bytes)),
                ),
            )
            for fate in fates
        ),
        empty="It has no version.",
    )


def _row(item: Kept, now: float) -> Row:
    policy = item.policy
    again = urlencode(
        {"dataset": policy.dataset, "keep_last": policy.keep_last or "", "keep_days": policy.keep_days or ""}
    )
    return Row(
        key=policy.dataset,
        cells=(
            Cell(value=policy.dataset, href=f"/admin/retention/plan?{again}"),
            Cell(value=policy.keep_last, shown="–" if policy.keep_last is None else str(policy.keep_last)),
            Cell(value=policy.keep_days, shown="–" if policy.keep_days is None else f"{policy.keep_days:g}"),
            Cell(value=item.live),
            Cell(value=item.retired),
            Cell(value=policy.set_by),
            Cell(
                value=item.checked_at or None, shown=show.when(item.checked_at, now) if item.checked_at else "not yet"
            ),
        ),
    )


def _field(error: ForebayError) -> str:
    return "keep_last" if error.kind == "bad-retention" else "dataset"


def _form() -> Form:
    return Form(
        action="/admin/retention/plan",
        method="get",
        button="Show what would go",
        fields=(
            Field(name="dataset", label="Dataset", required=True, placeholder="criteo"),
            Field(
                name="keep_last",
                label="Keep the newest",
                placeholder="5",
                hint="So many versions; empty: by this none.",
            ),
            Field(
                name="keep_days",
                label="Keep for days",
                placeholder="90",
                hint="What was made or used since; both empty: all.",
            ),
        ),
    )
