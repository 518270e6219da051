"""Policies: which teams read, write and run a dataset, and at which sites its bytes may be."""

from __future__ import annotations

from urllib.parse import quote

from markupsafe import Markup

from forebay import words
from forebay.errors import ForebayError
from forebay.hub.access.rules import Action
from forebay.hub.board.governed import Governed, open_datasets, policies
from forebay.hub.web import buttons, given, show
from forebay.hub.web.forms import Field, Form, failed, filled
from forebay.hub.web.listing import Listing
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.admin import ADMIN
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import DatasetPolicy

pages = Pages()

_POLICIES = ("Policies", "/admin/policies")
_SHOWN = 100
_LISTS = (("read", "May read"), ("write", "May write"), ("run", "May run on it"))
_UNSET = {"read": "everybody", "write": "who may read it", "run": "who may read it", "sites": "any site"}
"""What holds where no team, or no site, is named; a role may still be too low."""


@pages.get("/admin/policies")
def all_policies(visit: Visit) -> Page | Redirect:
    """Those that are set, by dataset; or on to the dataset's that was chosen."""
    chosen = visit.query.get("dataset", "").strip()
    if not chosen:
        return _page(visit)
    try:
        return Redirect(to=f"/admin/policies/{quote(visit.hub.catalog.dataset(chosen).name)}")
    except ForebayError as error:
        return _page(visit, failed(filled(_choose_form(), visit.query), error, "dataset"))


def _page(visit: Visit, form: Form | None = None) -> Page:
    sought, limit = visit.query.get("q", "").strip(), visit.limit(_SHOWN)
    with visit.read() as connection:
        found = policies(connection, visit.sight, words=sought, after=visit.query.get("after", ""), limit=limit + 1)
        free = open_datasets(connection, visit.sight)
    shown, more = found[:limit], ""
    if len(found) > limit:
        more = f"/admin/policies?q={quote(sought)}&after={quote(shown[-1].dataset)}"
    table = Table(
        name="policies",
        caption="Which teams may do what, and where the bytes may be",
        columns=(
            Column(key="dataset", title="Dataset"),
            *(Column(key=key, title=title) for key, title in _LISTS),
            Column(key="sites", title="Only at"),
            Column(key="owner", title="Owner"),
            Column(key="set_by", title="Set by"),
            Column(key="set_at", title="When", number=True),
        ),
        rows=tuple(_row(item, visit.now) for item in shown),
        more=more,
        empty="No dataset has a policy: whoever is on this hub may read all of them. Choose a dataset below.",
    )
    search = Form(
        action="/admin/policies",
        method="get",
        button="Search",
        quiet=True,
        fields=(Field(name="q", label="Dataset", kind="search", value=sought),),
    )
    context = Listing(
        says=f"{'more than ' if more else ''}{len(shown)} set · "
        f"{words.count(free, 'dataset')} without one, open to everybody on this hub",
        search=search,
        forms=(("A dataset's policy", form or _choose_form()),),
    )
    return Page(
        template="admin/list.html",
        title="Policies",
        nav="admin",
        context=context,
        tables=(table,),
        parent=ADMIN,
        status=400 if form else 200,
    )


@pages.get("/admin/policies/{dataset}")
def policy(visit: Visit) -> Page:
    """One, with a form for who governs it."""
    return _one_page(visit)


def _one_page(visit: Visit, form: Form | None = None) -> Page:
    dataset = visit.hub.catalog.dataset(visit.path["dataset"])
    found = visit.hub.access.policy(dataset.name)
    table = Table(
        name="policy",
        caption="Which teams may do what, and where the bytes may be",
        columns=(Column(key="what", title="What"), Column(key="who", title="Who, or where")),
        rows=tuple(
            Row(cells=(Cell(value=title), _names(found, key)))
            for key, title in (*_LISTS, ("sites", "Its bytes may be at"))
        ),
    )
    set_by = (
        Markup("set by {} {}").format(found.set_by, show.when(found.set_at, visit.now))
        if found.set_by
        else "nothing was set"
    )
    may = visit.may_on(Action.GOVERN, dataset.name)
    forms = (("Change it", form or _form(found)),) if may else ()
    says = Markup("{} owns it · {}").format(dataset.owner or "nobody", set_by)
    return Page(
        template="admin/list.html",
        title=f"Policy of {dataset.name}",
        nav="admin",
        context=Listing(
            says=says, forms=forms, danger=buttons.link(f"/datasets/{dataset.name}", "To the dataset", kind="")
        ),
        tables=(table,),
        parent=_POLICIES,
        status=400 if form else 200,
    )


@pages.post("/admin/policies/{dataset}")
def set_policy(visit: Visit) -> Page | Redirect:
    """Replace it."""
    name = visit.path["dataset"]
    read, write, run, sites = (given.names(visit.form.get(key, "")) for key in ("read", "write", "run", "sites"))
    try:
        visit.hub.access.set_policy(DatasetPolicy(dataset=name, read=read, write=write, run=run, sites=sites))
    except ForebayError as error:
        if error.kind in ("dataset-not-found", "not-allowed"):
            raise
        return _one_page(visit, failed(filled(_form(DatasetPolicy(dataset=name)), visit.form), error))
    return Redirect(to=f"/admin/policies/{quote(name)}", notice=f"The policy of {name} holds from now on.")


def _names(found: DatasetPolicy, key: str) -> Cell:
    """Of the teams that may, or of sites; empty to programs where none is named."""
    names: tuple[str, ...] = getattr(found, key)
    return Cell(value=" ".join(names), shown=Markup(" ").join(map(show.tag, names)) if names else _UNSET[key])


def _row(item: Governed, now: float) -> Row:
    found = item.policy
    return Row(
        key=item.dataset,
        cells=(
            Cell(value=item.dataset, href=f"/admin/policies/{quote(item.dataset)}"),
            *(_names(found, key) for key, _ in _LISTS),
            _names(found, "sites"),
            Cell(value=item.owner),
            Cell(value=found.set_by),
            Cell(value=found.set_at, shown=show.when(found.set_at, now)),
        ),
    )


def _choose_form() -> Form:
    return Form(
        action="/admin/policies",
        method="get",
        button="Show it",
        fields=(Field(name="dataset", label="Dataset", required=True, placeholder="criteo"),),
    )


def _form(found: DatasetPolicy) -> Form:
    hints = {
        "read": "Teams, with a blank between; empty: everybody.",
        "write": "Empty: every scientist who may read it.",
        "run": "The same.",
    }
    return Form(
        action=f"/admin/policies/{quote(found.dataset)}",
        button="Set the policy",
        fields=(
            *(
                Field(name=key, label=title, value=" ".join(getattr(found, key)), hint=hints[key])
                for key, title in _LISTS
            ),
            Field(name="sites", label="Its bytes may be at", value=" ".join(found.sites), hint="Sites; empty: any."),
        ),
    )
