"""One version: what it is, how to use it, where it is, the runs that used it; and its end: retire, restore, forget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from markupsafe import Markup

from forebay.errors import NotFoundError
from forebay.hub.access.rules import Action
from forebay.hub.board import dataset as board
from forebay.hub.board import used_by
from forebay.hub.board.dataset import Place, VersionLine
from forebay.hub.board.used_by import Opener
from forebay.hub.web import data_shown, forms, show
from forebay.hub.web.addresses import WARM, address, of_dataset, of_place, of_ref, of_run, of_version
from forebay.hub.web.data_shown import NO_SITE, Tab, place_fact, version_tabs
from forebay.hub.web.forms import Confirm, Field, Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import Version

pages = Pages()

Facts = tuple[tuple[str, str | Markup], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """What the page of a version shows around its tables. `ways` are titles with what to copy."""

    version: Version
    line: VersionLine
    tabs: tuple[Tab, ...]
    facts: Facts
    ways: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str], ...]


@pages.get("/datasets/{name}/v{number}", live=("says", "tags", "acts", "stands", "facts", "places", "runs", "users"))
def version(visit: Visit) -> Page:
    """`?before=` is the cursor of the runs."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        line = board.version_line(connection, visit.sight, name, number, visit.now)
        runs = used_by.runs_that_read(
            connection,
            visit.sight,
            name,
            number,
            visit.now,
            before=forms.number(visit.query, "before", "before"),
            limit=min(visit.limit(used_by.PAGE), 10_000),
        )
        openers = used_by.opened_by(connection, visit.sight, name, number)
    found = line.version
    more = address(of_version(name, number), before=runs.next_before) if runs.next_before else ""
    return Page(
        template="datasets/version.html",
        title=found.ref,
        nav="datasets",
        context=VersionPage(
            version=found,
            line=line,
            tabs=version_tabs(name, number, ""),
            facts=_facts(found),
            ways=_ways(found),
            actions=_actions(visit, found),
        ),
        tables=(
            _places(line.places, found, visit.now),
            _users(openers, visit.now),
            data_shown.run_table(
                runs.runs,
                visit.now,
                caption="Runs that read it, newest first",
                more=more,
                empty=Markup("<p>No run has read it yet.</p>{}").format(
                    show.command(f"forebay run --data {found.ref} -- python train.py {{{found.dataset}}}")
                ),
            ),
        ),
        parent=(name, of_dataset(name)),
    )


@pages.get("/datasets/{name}/v{number}/retire")
def ask_to_retire(visit: Visit) -> Page:
    """Before nobody may use it any more."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        line = board.version_line(connection, visit.sight, name, number, visit.now)
    here = of_version(name, number)
    reason = Field(name="reason", label="Why", hint="Whoever looks for it reads this.", placeholder="wrong labels")
    facts: list[str | Markup] = ["The lake keeps its files, and it can be restored."]
    if line.places:
        held = sum(place.size_bytes for place in line.places)
        facts.append(
            Markup("Its {} ({}) go after some days of grace.").format(
                show.count(len(line.places), "replica"), show.size(held)
            )
        )
    confirm = Confirm(
        heading=f"Retire {line.version.ref}?",
        says="It can't be opened, filled, tagged or run on until somebody restores it.",
        form=Form(action=f"{here}/retire", button="Retire it", fields=(reason,), danger=True, cancel=here),
        facts=tuple(facts),
    )
    return _confirm(confirm, "Retire a version", line.version)


@pages.post("/datasets/{name}/v{number}/retire")
def retire(visit: Visit) -> Redirect:
    """Retire it."""
    name, number = visit.path["name"], number_of(visit)
    visit.hub.retention.retire(name, number, visit.form.get("reason", "").strip(), visit.sight.user)
    return Redirect(to=of_version(name, number), notice=f"{name}@v{number} is retired.")


@pages.post("/datasets/{name}/v{number}/restore")
def restore(visit: Visit) -> Redirect:
    """Take that back."""
    name, number = visit.path["name"], number_of(visit)
    visit.hub.retention.restore(name, number, visit.sight.user)
    return Redirect(to=of_version(name, number), notice=f"{name}@v{number} is as it was.")


@pages.get("/datasets/{name}/v{number}/restore")
def ask_to_restore(visit: Visit) -> Page:
    """What comes back."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        found = board.version(connection, visit.sight, name, number)
    here = of_version(name, number)
    confirm = Confirm(
        heading=f"Restore {found.ref}?",
        says="It can be opened, filled, tagged and run on again.",
        form=Form(action=f"{here}/restore", button="Restore it", cancel=here),
        facts=("What is not on a volume any more is filled from the lake when somebody wants it.",),
    )
    return _confirm(confirm, "Restore a version", found)


@pages.get("/datasets/{name}/v{number}/forget")
def ask_to_forget(visit: Visit) -> Page:
    """Before its record goes."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        line = board.version_line(connection, visit.sight, name, number, visit.now)
    here = of_version(name, number)
    confirm = Confirm(
        heading=f"Forget {line.version.ref}?",
        says="Its record, its manifest's place and its lineage go. This can't be undone; retiring can.",
        form=Form(action=f"{here}/forget", button="Forget it", danger=True, cancel=here),
        facts=(
            Markup("{} in the lake stay as they are ({}).").format(
                show.count(line.version.files, "file"), show.size(line.version.size_bytes)
            ),
            "It is refused while a tag, a replica or a version that was made from it holds it.",
        ),
    )
    tables = (_places(line.places, line.version, visit.now),) if line.places else ()
    return _confirm(confirm, "Forget a version", line.version, tables)


@pages.post("/datasets/{name}/v{number}/forget")
def forget(visit: Visit) -> Redirect:
    """Forget a version with its subsets."""
    name, number = visit.path["name"], number_of(visit)
    visit.hub.catalog.remove_version(name, number)
    return Redirect(to=of_dataset(name), notice=f"{name}@v{number} is forgotten.")


def number_of(visit: Visit) -> int:
    """The version's number in the address; NotFoundError `version-not-found`."""
    text = visit.path["number"]
    if not (text.isascii() and text.isdecimal() and 0 < len(text) <= 9):
        raise NotFoundError("version-not-found", f"There is no version {visit.path['name']}@v{text}.")
    return int(text)


def _confirm(confirm: Confirm, title: str, found: Version, tables: tuple[Table, ...] = ()) -> Page:
    return Page(
        template="confirm.html",
        title=title,
        nav="datasets",
        context=confirm,
        tables=tables,
        parent=(found.ref, of_version(found.dataset, found.number)),
    )


def _facts(found: Version) -> Facts:
    facts: list[tuple[str, str | Markup]] = [
        ("Name", show.copy(found.ref)),
        ("Manifest digest", show.copy(found.manifest_digest, f"{found.manifest_digest[:20]}…")),
        ("In the lake", show.copy(found.lake_url)),
    ]
    if found.message:
        facts.append(("Message", found.message))
    if found.profile:
        facts.append(("Profile", found.profile))
    facts.append(("Digests", "all known" if found.sealed else "learned as it is filled for the first time"))
    if found.parents:
        links = Markup(", ").join(show.link(of_ref(parent.ref), parent.ref) for parent in found.parents)
        facts.append(("Made from", links))
    if found.made_by.command:
        facts.append(("Made by", show.copy(found.made_by.command)))
    if found.made_by.code:
        facts.append(("Code", show.mono(found.made_by.code)))
    if found.made_by.parameters:
        facts.append(("Parameters", _parameters(found.made_by.parameters)))
    return tuple(facts)


def _parameters(text: str) -> Markup | str:
    """`run 0123abcd; ...` of what a run made leads to that run."""
    first, semicolon, rest = text.partition(";")
    word, _, run_id = first.partition(" ")
    if word == "run" and run_id.isascii() and run_id.isalnum() and semicolon:
        return Markup("{};{}").format(show.link(of_run(run_id), f"run {run_id[:8]}"), rest)
    return text


def _ways(found: Version) -> tuple[tuple[str, str], ...]:
    ref = found.ref
    name = "".join(letter if letter.isalnum() else "_" for letter in found.dataset)
    name = f"_{name}" if name[:1].isdigit() else name
    terminal = (
        f"forebay cache warm {quote(ref)}\n"
        f"forebay exec {quote(ref)} -- python train.py {{{found.dataset}}}\n"
        f"ls $(forebay path {quote(ref)} --fill)"
    )
    python = f'import forebay\n\nwith forebay.open("{ref}") as {name}:\n    print({name}.path)'
    fsspec = f'import fsspec\n\nfiles = fsspec.filesystem("forebay").ls("{ref}")'
    run = f"forebay run --data {quote(ref)} -- python train.py {{{found.dataset}}}"
    return (("In a terminal", terminal), ("In Python", python), ("By fsspec", fsspec), ("As a run", run))


def _actions(visit: Visit, found: Version) -> tuple[tuple[str, str], ...]:
    here = of_version(found.dataset, found.number)
    actions = []
    if visit.may_on(Action.WARM, found.dataset) and not found.is_retired:
        actions.append(("Warm", address(WARM, ref=found.ref)))
    if visit.may_on(Action.TAG, found.dataset) and not found.is_retired:
        actions.append(("Tag", address(of_dataset(found.dataset, "tags"), number=found.number)))
    if visit.may_on(Action.REMOVE, found.dataset):
        if found.is_retired:
            actions.append(("Restore…", f"{here}/restore"))
            actions.append(("Forget…", f"{here}/forget"))
        else:
            actions.append(("Retire…", f"{here}/retire"))
    return tuple(actions)


def _places(found: tuple[Place, ...], item: Version, now: float) -> Table:
    """What is there of a version: all of it, unless a subset is named."""
    rows = [
        Row(
            cells=(
                Cell(
                    value=place.site,
                    shown=place.site or NO_SITE,
                    href=of_place(place.site, item.dataset, item.number) if place.site else "",
                    title=f"volume {place.volume_id}",
                ),
                Cell(
                    value=place.state.value,
                    shown=show.state(place.state.value, place.state.value, _fact(place, now)),
                ),
                Cell(value=place.since, shown=show.when(place.since, now)),
                Cell(value=place.size_bytes, shown=show.size(place.size_bytes)),
                Cell(value=_fact(place, now)),
                Cell(value=place.volume_id),
            )
        )
        for place in found
    ]
    return Table(
        name="places",
        caption="Replicas",
        columns=(
            Column(key="site", title="Site"),
            Column(key="state", title="State"),
            Column(key="since", title="Since"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="fact", title="What matters", given=True),
            Column(key="volume", title="Volume", given=True),
        ),
        rows=tuple(rows),
        empty=Markup("<p>It is on no volume.</p>{}").format(show.command(f"forebay cache warm {quote(item.ref)}")),
    )


def _users(openers: Sequence[Opener], now: float) -> Table:
    return Table(
        name="users",
        caption="The last ones",
        columns=(Column(key="user", title="Who"), Column(key="last_used", title="Last")),
        rows=tuple(
            Row(
                cells=(
                    Cell(value=item.user),
                    Cell(value=item.last_used_at, shown=show.when(item.last_used_at, now)),
                )
            )
            for item in openers
        ),
        empty="Nobody has opened it yet.",
    )


def _fact(place: Place, now: float) -> str:
    told = place_fact(place, now)
    return "" if told.startswith(place.state.value) else told
