"""One dataset: its versions as a timeline, its use, a lineage; its tags and their moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forebay.errors import InputError, NotFoundError
from forebay.hub.access.rules import Action
from forebay.hub.board import dataset as board
from forebay.hub.board import lineage
from forebay.hub.board.dataset import Head, UserOfIt, VersionLine
from forebay.hub.web import data_shown, forms, show
from forebay.hub.web.addresses import COMMIT, REGISTER, address, of_dataset, of_ref, of_version
from forebay.hub.web.charted import Chart
from forebay.hub.web.data_shown import Tab, dataset_tabs
from forebay.hub.web.forms import Confirm, Field, Form
from forebay.hub.web.lineage_drawn import drawn
from forebay.hub.web.openings import openings_by_day
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.access import DatasetPolicy
from forebay.wire.catalog import TagMove, ref_of

pages = Pages()

_DAYS = 30
_MOVES = 200
_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPage:
    """What the page of a dataset shows around its tables; what there is none of is None or "".

    `rights` says who may read it and where its bytes may be. `graph` is the lineage of the version `graph_of`.
    """

    head: Head
    tabs: tuple[Tab, ...]
    rights: str
    settings: str
    chart: Chart | None
    graph: Markup | None
    graph_of: str
    is_of_latest: bool
    lineage: str
    register: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TagsPage:
    """A dataset's tags; the form for who may move them."""

    head: Head
    tabs: tuple[Tab, ...]
    form: Form | None


@pages.get("/datasets/{name}", live=("says", "rights", "versions", "use", "users", "lineage"))
def dataset(visit: Visit) -> Page:
    """`?before=` is the cursor of the timeline."""
    name = visit.path["name"]
    with visit.read() as connection:
        head = board.head(connection, visit.sight, name)
        before = forms.number(visit.query, "before", "before")
        limit = min(visit.limit(board.PAGE), 10_000)
        line = board.timeline(connection, visit.sight, name, visit.now, before=before, limit=limit)
        use = board.use_of(connection, visit.sight, name, visit.now, days=_DAYS)
        latest = head.dataset.latest
        graph = lineage.newest(connection, visit.sight, name, latest) if latest and not before else None
    may_add = visit.may_on(Action.WRITE, name)
    chart = openings_by_day(use.days) if use.users else None
    context = DatasetPage(
        head=head,
        tabs=dataset_tabs(name, ""),
        chart=chart,
        rights=_rights(head.policy),
        settings=of_dataset(name, "settings"),
        graph=drawn(graph) if graph else None,
        graph_of=graph.of if graph else "",
        is_of_latest=graph is not None and graph.of == ref_of(name, latest),
        lineage=f"{of_ref(graph.of)}/lineage" if graph else "",
        register=address(REGISTER, name=name) if may_add else "",
        commit=address(COMMIT, name=name) if may_add else "",
    )
    more = address(of_dataset(name), before=line.next_before) if line.next_before else ""
    return Page(
        template="datasets/one.html",
        title=name,
        nav="datasets",
        context=context,
        tables=(
            _versions(name, line.lines, visit.now, more),
            _users(use.users, visit.now),
            *(() if chart is None else (chart.numbers,)),
        ),
        parent=("Datasets", "/datasets"),
    )


@pages.get("/datasets/{name}/tags")
def tags(visit: Visit) -> Page:
    """The tags and every move of them; the newest moves first."""
    return _tags_page(visit, _move_form(visit))


@pages.post("/datasets/{name}/tags")
def move_tag(visit: Visit) -> Page | Redirect:
    """Point a tag at a version."""
    name = visit.path["name"]
    form = forms.filled(_required_form(visit), visit.form)
    try:
        tag = forms.required(visit.form, "tag", "The tag")
        number = forms.number(visit.form, "number", "The version")
        visit.hub.catalog.tag(name, tag, number, visit.sight.user)
    except InputError as error:
        return _tags_page(visit, forms.failed(form, error, "tag" if error.kind != "bad-number" else "number"), 422)
    return Redirect(to=of_dataset(name, "tags"), notice=f"{name}@{tag} is v{number} now.")


@pages.get("/datasets/{name}/tags/{tag}/remove")
def ask_to_untag(visit: Visit) -> Page:
    """Before a tag goes."""
    name, tag = visit.path["name"], visit.path["tag"]
    with visit.read() as connection:
        head = board.head(connection, visit.sight, name)
    number = dict(head.tags).get(tag)
    if number is None:
        raise NotFoundError("tag-not-found", f"The dataset {name!r} has no tag {tag!r}.")
    confirm = Confirm(
        heading=f"Remove the tag {tag} of {name}?",
        says=f"{name}@{tag} names v{number} now, and nothing afterwards. Its moves are kept, and it can be set again.",
        form=Form(
            action=of_dataset(name, "tags", tag, "remove"),
            button="Remove it",
            danger=True,
            cancel=of_dataset(name, "tags"),
        ),
        facts=(
            "Runs and rules that name the tag find no version by it.",
            f"Retention may retire v{number}, which is kept now because it is tagged.",
        ),
    )
    return Page(
        template="confirm.html",
        title="Remove a tag",
        nav="datasets",
        context=confirm,
        parent=(name, of_dataset(name, "tags")),
    )


@pages.post("/datasets/{name}/tags/{tag}/remove")
def untag(visit: Visit) -> Redirect:
    """Remove a tag; its history stays."""
    name, tag = visit.path["name"], visit.path["tag"]
    visit.hub.catalog.untag(name, tag, visit.sight.user)
    return Redirect(to=of_dataset(name, "tags"), notice=f"The tag {tag} is removed.")


def _tags_page(visit: Visit, form: Form | None, status: int = 200) -> Page:
    name = visit.path["name"]
    with visit.read() as connection:
        head = board.head(connection, visit.sight, name)
    moves = visit.hub.catalog.tag_history(name)
    return Page(
        template="datasets/tags.html",
        title=f"Tags of {name}",
        nav="datasets",
        context=TagsPage(head=head, tabs=dataset_tabs(name, "tags"), form=form),
        tables=(_tags(head, moves, form is not None, visit.now), _moves(name, moves[: visit.limit(_MOVES)], visit.now)),
        parent=("Datasets", "/datasets"),
        status=status,
    )


def _move_form(visit: Visit) -> Form | None:
    """For who may; None for others, and where there is no version."""
    return _required_form(visit) if visit.may_on(Action.TAG, visit.path["name"]) else None


def _required_form(visit: Visit) -> Form:
    name = visit.path["name"]
    with visit.read() as connection:
        known = board.numbers(connection, visit.sight, name, limit=_NAMED)
    options = tuple((str(number), f"v{number}") for number, is_retired in known if not is_retired)
    wanted = visit.query.get("number", "")
    return Form(
        action=of_dataset(name, "tags"),
        button="Set it",
        fields=(
            Field(name="tag", label="Tag", required=True, placeholder="prod", value=visit.query.get("tag", "")),
            Field(name="number", label="Version", kind="select", options=options, value=wanted),
        ),
    )


def _rights(policy: DatasetPolicy) -> str:
    """`Read by ads, its owner and admins; its bytes may be at dgx only.`"""
    teams = ", ".join(policy.read)
    readers = f"{teams}, its owner and admins" if teams else "everybody, as their role allows"
    sites = f"{', '.join(policy.sites)} only" if policy.sites else "any site"
    return f"Read by {readers}; its bytes may be at {sites}."


def _versions(name: str, lines: Sequence[VersionLine], now: float, more: str) -> Table:
    return Table(
        name="versions",
        caption="Versions, newest first",
        columns=(
            Column(key="version", title="Version"),
            Column(key="made", title="Made"),
            Column(key="by", title="By"),
            Column(key="message", title="Message"),
            Column(key="files", title="Files", number=True),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="grew_bytes", title="Grew", number=True),
            Column(key="uses", title="Opened", number=True),
            Column(key="last_used", title="Last used"),
            Column(key="places", title="Where"),
            Column(key="tags", title="Tags", given=True),
            Column(key="retired", title="Retired", given=True),
            Column(key="made_by", title="Made by", given=True),
        ),
        rows=tuple(_version_row(line, now) for line in lines),
        more=more,
        empty=Markup("<p>It has no version.</p>{}").format(
            show.command(f"forebay dataset register {name} 's3://bucket/folder/*'")
        ),
    )


def _version_row(line: VersionLine, now: float) -> Row:
    item = line.version
    marks = data_shown.tags(item.tags)
    if item.is_retired:
        marks += show.state("retired", "retired")
    return Row(
        cells=(
            Cell(
                value=item.ref,
                shown=data_shown.named(of_version(item.dataset, item.number), f"v{item.number}", marks),
            ),
            Cell(value=item.created_at, shown=show.when(item.created_at, now)),
            Cell(value=item.created_by),
            Cell(value=item.message, shown=_short(item.message or item.made_by.command), title=item.message[:500]),
            Cell(value=item.files, shown=show.whole(item.files)),
            Cell(value=item.size_bytes, shown=show.size(item.size_bytes)),
            Cell(value=line.grew_bytes, shown=data_shown.signed_size(line.grew_bytes)),
            Cell(value=line.uses, shown=show.whole(line.uses)),
            Cell(value=line.last_used_at, shown=show.when(line.last_used_at, now)),
            data_shown.places(item.dataset, item.number, line.places, now),
            Cell(value=" ".join(item.tags)),
            Cell(value=item.is_retired),
            Cell(value=item.made_by.command),
        ),
        key=f"v{item.number}",
    )


def _users(users: Sequence[UserOfIt], now: float) -> Table:
    return Table(
        name="users",
        caption=f"In the last {_DAYS} days",
        columns=(
            Column(key="user", title="Who"),
            Column(key="uses", title="Times", number=True),
            Column(key="last_used", title="Last"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=item.user),
                    Cell(value=item.uses, shown=show.whole(item.uses)),
                    Cell(value=item.last_used_at, shown=show.when(item.last_used_at, now)),
                )
            )
            for item in users
        ),
    )


def _tags(head: Head, moves: Sequence[TagMove], may_move: bool, now: float) -> Table:
    name = head.dataset.name
    last = {move.tag: move for move in reversed(moves)}
    columns = [
        Column(key="tag", title="Tag"),
        Column(key="version", title="Version"),
        Column(key="moved", title="Since"),
        Column(key="by", title="Set by"),
    ]
    columns += [Column(key="remove", title="")] if may_move else []
    rows = []
    for tag, number in head.tags:
        move = last.get(tag)
        cells = [
            Cell(value=tag, shown=show.tag(tag)),
            Cell(value=f"v{number}", href=of_version(name, number)),
            Cell(value=move.moved_at if move else None, shown=show.when(move.moved_at if move else None, now)),
            Cell(value=move.moved_by if move else ""),
        ]
        if may_move:
            cells.append(Cell(value="", shown="Remove…", href=of_dataset(name, "tags", tag, "remove")))
        rows.append(Row(cells=tuple(cells), key=tag))
    return Table(
        name="tags",
        caption="Tags",
        columns=tuple(columns),
        rows=tuple(rows),
        empty=Markup("<p>No tag yet. One names the version that is used for something:</p>{}").format(
            show.command(f"forebay dataset tag {name}@v{head.dataset.latest or 1} prod")
        ),
    )


def _moves(name: str, moves: Sequence[TagMove], now: float) -> Table:
    return Table(
        name="moves",
        caption="Newest first",
        columns=(
            Column(key="when", title="When"),
            Column(key="tag", title="Tag"),
            Column(key="to", title="To"),
            Column(key="by", title="By"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=move.moved_at, shown=show.when(move.moved_at, now)),
                    Cell(value=move.tag, shown=show.tag(move.tag)),
                    Cell(value=f"v{move.number}", href=of_version(name, move.number))
                    if move.number
                    else Cell(value="", shown="removed"),
                    Cell(value=move.moved_by),
                )
            )
            for move in moves
        ),
        empty="No tag was ever set.",
    )


def _short(text: str, letters: int = 60) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= letters else f"{first[: letters - 1]}…"
