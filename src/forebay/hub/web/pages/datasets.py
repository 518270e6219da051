"""The list of datasets: searched, narrowed, in an order, each with where it is cached."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forebay.hub.access.rules import Action
from forebay.hub.board import datasets as board
from forebay.hub.board.datasets import Choices, DatasetLine, DatasetQuery, DatasetTotals, Order
from forebay.hub.web import data_shown, show
from forebay.hub.web.addresses import COMMIT, REGISTER, address, of_dataset, of_version
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

_EXPORTED = 10_000
_ORDERS = (
    (Order.NAME, "Name"),
    (Order.USED, "Last used"),
    (Order.CHANGED, "Last changed"),
    (Order.SIZE, "Size"),
    (Order.VERSIONS, "Versions"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasets:
    """What there is in all, what was asked for, and by what one can narrow it."""

    totals: DatasetTotals
    found: int
    is_narrowed: bool
    form: Form
    register: str
    commit: str


@pages.get("/datasets", live=("says", "datasets"))
def datasets(visit: Visit) -> Page:
    """`?q=`, `tag`, `owner`, `team`, `site`, `order`, `page`."""
    query = _query(visit)
    with visit.read() as connection:
        page = board.page(connection, visit.sight, query, limit=min(visit.limit(board.PAGE), _EXPORTED))
        totals = visit.keep("datasets", (), lambda sight: board.totals(connection, sight))
        choices = visit.keep("choices", (), lambda sight: board.choices(connection, sight))
    may_add = visit.may(Action.WRITE)
    context = Datasets(
        totals=totals,
        found=page.found,
        is_narrowed=query.is_narrowed,
        form=_form(query, choices),
        register=REGISTER if may_add else "",
        commit=COMMIT if may_add else "",
    )
    return Page(
        template="datasets/list.html",
        title="Datasets",
        nav="datasets",
        context=context,
        tables=(_table(visit, query, page),),
    )


def _query(visit: Visit) -> DatasetQuery:
    given = visit.query
    number = given.get("page", "")
    return DatasetQuery(
        text=given.get("q", "").strip()[:200],
        tag=given.get("tag", ""),
        owner=given.get("owner", ""),
        team=given.get("team", ""),
        site=given.get("site", ""),
        order=Order(given["order"]) if given.get("order") in set(Order) else Order.NAME,
        page=int(number) if number.isdecimal() and len(number) < 7 else 1,
    )


def _form(query: DatasetQuery, choices: Choices) -> Form:
    fields = [Field(name="q", label="Name or description", kind="search", value=query.text)]
    for name, label, values in (
        ("tag", "Tag", choices.tags),
        ("owner", "Owner", choices.owners),
        ("team", "Team", choices.teams),
        ("site", "Cached at", choices.sites),
    ):
        chosen = getattr(query, name)
        if values or chosen:
            options = (
                ("", "any"),
                *((value, value) for value in dict.fromkeys((*values, *([chosen] if chosen else [])))),
            )
            fields.append(Field(name=name, label=label, kind="select", value=chosen, options=options))
    orders = tuple((order.value, label) for order, label in _ORDERS)
    fields.append(Field(name="order", label="First", kind="select", value=query.order.value, options=orders))
    return Form(action="/datasets", method="get", button="Show", fields=tuple(fields), quiet=True)


def _table(visit: Visit, query: DatasetQuery, page: board.DatasetsPage) -> Table:
    more = ""
    if page.page < page.pages:
        more = address(
            "/datasets",
            q=query.text,
            tag=query.tag,
            owner=query.owner,
            team=query.team,
            site=query.site,
            order="" if query.order is Order.NAME else query.order.value,
            page=page.page + 1,
        )
    where = f", page {page.page} of {page.pages}" if page.pages > 1 else ""
    return Table(
        name="datasets",
        caption=f"{show.count(page.found, 'dataset')}{where}",
        columns=(
            Column(key="dataset", title="Dataset"),
            Column(key="latest", title="Latest", number=True),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="versions", title="Versions", number=True),
            Column(key="last_used", title="Last used"),
            Column(key="changed", title="Changed"),
            Column(key="cached", title="Cached"),
            Column(key="owner", title="Owner"),
            Column(key="team", title="Team"),
            Column(key="tags", title="Tags", given=True),
        ),
        rows=tuple(_row(line, visit.now) for line in page.lines),
        more=more,
        empty=_empty(visit, query),
    )


def _row(line: DatasetLine, now: float) -> Row:
    marks = Markup("").join(
        show.html('<a class="tag" href="{}" title="v{}">{}</a>', of_version(line.name, number), number, tag)
        for tag, number in line.tags[:4]
    )
    latest = show.link(of_version(line.name, line.latest), f"v{line.latest}") if line.latest else ""
    return Row(
        cells=(
            Cell(
                value=line.name,
                shown=data_shown.named(of_dataset(line.name), line.name, marks),
                title=line.description[:200],
            ),
            Cell(value=line.latest, shown=latest),
            Cell(value=line.size_bytes, shown=show.size(line.size_bytes if line.latest else None)),
            Cell(value=line.versions, shown=show.whole(line.versions)),
            Cell(value=line.last_used_at, shown=show.when(line.last_used_at, now)),
            Cell(value=line.changed_at, shown=show.when(line.changed_at, now)),
            data_shown.cached(line.name, line.cached),
            Cell(value=line.owner),
            Cell(value=line.team),
            Cell(value=" ".join(f"{tag}:v{number}" for tag, number in line.tags)),
        ),
        key=line.name,
    )


def _empty(visit: Visit, query: DatasetQuery) -> Markup:
    if query.is_narrowed:
        return Markup("<p>No dataset that you may see is like that.</p><p>{}</p>").format(
            show.link("/datasets", "Show all datasets")
        )
    told = Markup("<p>No dataset yet. Register what lies in a lake: nothing is copied, and nothing is read.</p>{}")
    return told.format(show.command("forebay dataset register NAME 's3://bucket/folder/*'"))
