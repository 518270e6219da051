"""What changed between a version and another one, by folder, to the row; and what it came of and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from forebay import words
from forebay.catalog.diff import ChangeKind
from forebay.hub.board import dataset as board
from forebay.hub.board import diff, lineage
from forebay.hub.board.diff import ChangeLine, Changes
from forebay.hub.board.row_changes import FolderRows
from forebay.hub.web import compared, data_shown, forms, show
from forebay.hub.web.addresses import address, of_dataset, of_version
from forebay.hub.web.data_shown import Tab, version_tabs
from forebay.hub.web.forms import Form
from forebay.hub.web.lineage_drawn import drawn, lineage_table
from forebay.hub.web.page import Page
from forebay.hub.web.pages.version import number_of
from forebay.hub.web.route import Pages
from forebay.hub.web.rows_asked import Rows, rows_below
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.previews.kinds import can_be
from forebay.wire.catalog import Version
from forebay.wire.previews import PreviewKind

pages = Pages()

_PAGE = 100
_ALONE = "There is no other version of it to compare with."
_TOLD = {
    ChangeKind.ADDED: "added",
    ChangeKind.REMOVED: "removed",
    ChangeKind.CHANGED: "changed",
    ChangeKind.RENAMED: "renamed",
    ChangeKind.UNKNOWN: "not known",
    ChangeKind.UNCHANGED: "unchanged",
}
_MARKS = {
    ChangeKind.ADDED: "ready",
    ChangeKind.REMOVED: "damaged",
    ChangeKind.CHANGED: "stale",
    ChangeKind.RENAMED: "partial",
    ChangeKind.UNKNOWN: "absent",
    ChangeKind.UNCHANGED: "absent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """`other` is what the version is compared with, None where there is nothing."""

    version: Version
    other: Version | None
    tabs: tuple[Tab, ...]
    form: Form
    same: bool
    told: str
    unknown: int
    values: str
    rows: Rows | None
    rows_told: str
    trail: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineagePage:
    """What came before a version and after it; `cut` where that is more than is shown."""

    version: Version
    tabs: tuple[Tab, ...]
    graph: Markup | None
    alone: bool
    cut: bool
    upstream: int
    downstream: int


@pages.get("/datasets/{name}/v{number}/diff", live=("folder",))
def changes(visit: Visit) -> Page:
    """`?with=` (or `other`) as in `compared`, `folder`, `start`."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        version = board.version(connection, visit.sight, name, number)
        choice = compared.other_of(visit, connection, name, number, later=True)
    other = choice.version
    base, folder = of_version(name, number, "diff"), visit.query.get("folder", "").strip("/")
    chosen = "" if other is None else compared.called(other, name)
    found = None if other is None else diff.changes(visit.hub.catalog, other.manifest_digest, version.manifest_digest)
    rows = None if found is None or other is None else rows_below(visit, found, folder, other, version)
    context = ChangesPage(
        version=version,
        other=other,
        tabs=version_tabs(name, number, "diff"),
        form=Form(
            action=base, method="get", button="Compare", fields=compared.fields(name, number, choice), quiet=True
        ),
        same=found is None or found.same,
        told=_told(found, other, version) if found and other else "" if choice.error else _ALONE,
        unknown=found.tallies[ChangeKind.UNKNOWN].files if found else 0,
        values=address(f"{base}/preview", **{"with": chosen}) if other else "",
        rows=rows,
        rows_told=_in_short(rows, folder),
        trail=tuple(data_shown.crumbs(base, folder, version.ref, **{"with": chosen})),
    )
    tables = () if found is None else (_tallies(found), _changes(visit, found, rows, base, folder, chosen))
    return Page(
        template="datasets/diff.html",
        title=f"Changes of {version.ref}",
        nav="datasets",
        context=context,
        tables=tables,
        parent=(name, of_dataset(name)),
        status=choice.status,
    )


@pages.get("/datasets/{name}/v{number}/lineage")
def version_lineage(visit: Visit) -> Page:
    """As a picture and as a table."""
    name, number = visit.path["name"], number_of(visit)
    with visit.read() as connection:
        version = board.version(connection, visit.sight, name, number)
        found = lineage.graph(connection, visit.sight, name, number)
    context = LineagePage(
        version=version,
        tabs=version_tabs(name, number, "lineage"),
        graph=drawn(found),
        alone=found.is_alone,
        cut=found.is_cut,
        upstream=sum(node.level < 0 for node in found.nodes),
        downstream=sum(node.level > 0 for node in found.nodes),
    )
    return Page(
        template="datasets/lineage.html",
        title=f"Lineage of {version.ref}",
        nav="datasets",
        context=context,
        tables=(lineage_table(found, visit.now),),
        parent=(name, of_dataset(name)),
    )


def _told(found: Changes, other: Version, version: Version) -> str:
    """How much of a version is in another one, too, as far as that is known."""
    if found.same:
        return f"The same files as {other.ref}."
    begins = f"From {other.ref} to {version.ref}:"
    if not version.size_bytes:
        return f"{begins} there are no bytes in it."
    size = {kind: found.tallies[kind].size_bytes / version.size_bytes for kind in ChangeKind}
    same = show.part(size[ChangeKind.UNCHANGED] + size[ChangeKind.RENAMED])
    if not size[ChangeKind.UNKNOWN]:
        return f"{begins} {same} of the bytes are the same."
    new = show.part(size[ChangeKind.ADDED] + size[ChangeKind.CHANGED])
    unknown = show.part(size[ChangeKind.UNKNOWN])
    return f"{begins} {same} of the bytes are known to be the same, {new} are new or changed, {unknown} not known."


def _tallies(found: Changes) -> Table:
    rows = []
    for kind in _TOLD:
        tally = found.tallies[kind]
        if tally.files or kind in (ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.CHANGED, ChangeKind.UNCHANGED):
            rows.append(
                Row(
                    cells=(
                        Cell(
                            value=kind.value, shown=show.state(_MARKS[kind] if tally.files else "absent", _TOLD[kind])
                        ),
                        Cell(value=tally.files, shown=show.whole(tally.files)),
                        Cell(value=tally.size_bytes, shown=show.size(tally.size_bytes)),
                    )
                )
            )
    columns = (
        Column(key="kind", title="Files"),
        Column(key="files", title="Number", number=True),
        Column(key="size_bytes", title="Bytes", number=True),
    )
    return Table(name="tallies", caption="What became of the files", columns=columns, rows=tuple(rows))


def _in_short(rows: Rows | None, folder: str) -> str:
    """All below the folder in a sentence; "" while nothing is counted."""
    found = None if rows is None else rows.counted.of_folder(folder)
    if found is None or not (found.rows.counted_before or found.rows.counted_after):
        return ""
    rows_before, rows_after = words.count(found.rows.before, "row"), words.count(found.rows.after, "row")
    sides = (
        (f"had {rows_before}", found.rows.counted_before or not found.files_before),
        (f"have {rows_after}", found.rows.counted_after or not found.files_after),
    )
    told = f"Changed files {' and '.join(text for text, is_known in sides if is_known)}"
    if found.rows.added is not None and found.rows.removed is not None:
        return f"{told}: {words.count(found.rows.added, 'row')} came and {found.rows.removed:,} went."
    counted = found.rows.counted_before + found.rows.counted_after
    files = found.files_before + found.files_after
    return f"{told}." if found.is_whole else f"{told}, as far as counted: {counted:,} of {words.count(files, 'file')}."


def _changes(visit: Visit, found: Changes, rows: Rows | None, base: str, folder: str, chosen: str) -> Table:
    start = forms.number(visit.query, "start", "start")
    page = diff.page(found, folder, start=start, limit=visit.limit(_PAGE))
    given = {"with": chosen}
    more = address(base, folder=folder, start=page.next_start, **given) if page.next_start else ""
    return Table(
        name="changes",
        caption=f"What changed in {folder or 'all'}",
        columns=(
            Column(key="name", title="Name"),
            Column(key="change", title="Change"),
            Column(key="files", title="Files", number=True),
            Column(key="old_bytes", title="Before", number=True),
            Column(key="new_bytes", title="After", number=True),
            *(() if rows is None else _ROW_COLUMNS),
        ),
        rows=tuple(_change_row(line, rows, _below(line, base, given)) for line in page.lines),
        more=more,
        empty="Nothing changed in this folder.",
    )


_ROW_COLUMNS = (
    Column(key="old_rows", title="Rows before", number=True),
    Column(key="new_rows", title="Rows after", number=True),
    Column(key="rows_added", title="Came", number=True),
    Column(key="rows_removed", title="Went", number=True),
)


def _row_cells(found: FolderRows | None) -> tuple[Cell, ...]:
    if found is None:
        return (Cell(value=None, shown=show.size(None)),) * len(_ROW_COLUMNS)
    rows = found.rows
    return (
        _counted(rows.before, rows.counted_before, found.files_before),
        _counted(rows.after, rows.counted_after, found.files_after),
        Cell(value=rows.added, shown=show.size(None) if rows.added is None else f"+{rows.added:,}"),
        Cell(value=rows.removed, shown=show.size(None) if rows.removed is None else f"−{rows.removed:,}"),
    )


def _counted(rows: int, counted: int, files: int) -> Cell:
    """A number of rows; at least so many where not all files were counted, nothing where none was."""
    if not counted:
        return Cell(value=None, shown=show.size(None))
    if counted == files:
        return Cell(value=rows, shown=show.whole(rows))
    return Cell(value=rows, shown=f"≥ {rows:,}", title=f"Counted in {counted:,} of {words.count(files, 'file')}")


def _below(line: ChangeLine, base: str, given: dict[str, str]) -> str:
    """Where more is told of it: a folder's changes, how a file with rows differs; of what was only moved, nowhere."""
    if line.is_folder:
        return address(base, folder=line.path, **given)
    is_shown = line.kind is not ChangeKind.RENAMED and can_be(PreviewKind.TABLE, line.path)
    return address(f"{base}/preview", path=line.path, **given) if is_shown else ""


def _change_row(line: ChangeLine, rows: Rows | None, href: str) -> Row:
    if line.is_folder:
        told = ", ".join(f"{count:,} {_TOLD[kind]}" for kind, count in line.files.items())
        name = Cell(value=f"{line.path}/", shown=f"{line.name}/", href=href)
        change: Cell = Cell(value=told)
    else:
        fact = f"was {line.old_path}" if line.old_path else ""
        name = Cell(value=line.path, shown=line.name, href=href)
        change = Cell(value=line.kind.value, shown=show.state(_MARKS[line.kind], _TOLD[line.kind], fact))
    is_new, is_gone = line.files.keys() <= {ChangeKind.ADDED}, line.files.keys() <= {ChangeKind.REMOVED}
    return Row(
        cells=(
            name,
            change,
            Cell(value=sum(line.files.values()), shown=show.whole(sum(line.files.values()))),
            Cell(value=line.old_bytes, shown=show.size(None if is_new else line.old_bytes)),
            Cell(value=line.new_bytes, shown=show.size(None if is_gone else line.new_bytes)),
            *(() if rows is None else _row_cells(rows.counted.of(line.begin, line.end))),
        )
    )
