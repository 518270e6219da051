"""A version's files, a folder at a time or by a part of their path, and one file with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from markupsafe import Markup

from forebay.hub.board import dataset as board
from forebay.hub.board import files
from forebay.hub.board.files import FileLine, Listing
from forebay.hub.web import data_shown, forms, show
from forebay.hub.web.addresses import address, of_dataset, of_version
from forebay.hub.web.data_shown import Tab, version_tabs
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.pages.version import Facts, number_of
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import Version

pages = Pages()

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPage:
    """`entry` are the facts of one file, or empty; `found` how many a search found, None where nothing is searched."""

    version: Version
    tabs: tuple[Tab, ...]
    form: Form
    trail: tuple[tuple[str, str], ...]
    found: int | None = None
    entry: Facts = ()
    ways: tuple[tuple[str, str], ...] = ()


@pages.get("/datasets/{name}/v{number}/files")
def version_files(visit: Visit) -> Page:
    """`?folder=` or `?find=`, each with `start`, or `?file=`."""
    with visit.read() as connection:
        version = board.version(connection, visit.sight, visit.path["name"], number_of(visit))
    listed = files.listing(version.manifest_digest, visit.hub.catalog.manifest_path)
    if path := visit.query.get("file", ""):
        return _one_file(visit, version, listed, path)
    if text := visit.query.get("find", "").strip():
        return _found(visit, version, listed, text[:1000])
    return _folder(visit, version, listed)


def _folder(visit: Visit, version: Version, listed: Listing) -> Page:
    base = of_version(version.dataset, version.number, "files")
    folder = visit.query.get("folder", "").strip("/")
    start = forms.number(visit.query, "start", "start")
    page = files.page(listed, folder, start=start, limit=visit.limit(_PAGE))
    more = address(base, folder=folder, start=page.next_start) if page.next_start else ""
    told = f"{show.count(page.files, 'file')} in {folder or 'all'}"
    rows = tuple(_row(line, base, page.size_bytes) for line in page.lines)
    table = _table(told, rows, more, f"There is no file behind row {start}." if start else "It has no file.")
    return _page(
        visit,
        version,
        FilesPage(
            version=version,
            tabs=version_tabs(version.dataset, version.number, "files"),
            form=_form(base, ""),
            trail=tuple(data_shown.crumbs(base, folder, version.ref)),
        ),
        table,
    )


def _found(visit: Visit, version: Version, listed: Listing, text: str) -> Page:
    base = of_version(version.dataset, version.number, "files")
    start = forms.number(visit.query, "start", "start")
    found = files.find(listed, text, start=start, limit=visit.limit(_PAGE))
    told = show.count(found.files, "file") + f" with {text} in the path"
    if 0 < len(found.lines) < found.files:
        told += f"; {found.before + 1:,} to {found.before + len(found.lines):,} by path"
    more = address(base, find=text, start=found.next_start) if found.next_start else ""
    rows = tuple(_row(line, base, version.size_bytes) for line in found.lines)
    context = FilesPage(
        version=version,
        tabs=version_tabs(version.dataset, version.number, "files"),
        form=_form(base, text),
        trail=(),
        found=found.files,
    )
    none = f"No path behind row {start} has {text} in it." if found.files else f"No path has {text} in it."
    empty = Markup("<p>{}</p><p>{}</p>").format(none, show.link(base, "Show the folders"))
    return _page(visit, version, context, _table(told, rows, more, empty))


def _one_file(visit: Visit, version: Version, listed: Listing, path: str) -> Page:
    base = of_version(version.dataset, version.number, "files")
    entry = files.entry(listed, path, visit.hub.catalog.seal_path(version.manifest_digest))
    if entry is None:
        return _folder(visit, version, listed)
    known = version.origin == "committed" or entry.digest is not None
    facts: list[tuple[str, str | Markup]] = [
        ("Path", show.copy(entry.path)),
        ("Size", show.size(entry.size_bytes)),
        ("BLAKE3", show.copy(entry.digest or "") if known else "learned as it is filled for the first time"),
        ("Object in the lake", show.copy(f"{version.lake_url.rstrip('/')}/{entry.key}")),
    ]
    facts += [
        (label, show.mono(text)) for label, text in (("ETag", entry.etag), ("Version id", entry.version_id)) if text
    ]
    context = FilesPage(
        version=version,
        tabs=version_tabs(version.dataset, version.number, "files"),
        form=_form(base, ""),
        trail=tuple(data_shown.crumbs(base, path, version.ref)),
        entry=tuple(facts),
        ways=_ways(version, path),
    )
    return _page(visit, version, context)


def _page(visit: Visit, version: Version, context: FilesPage, *tables: Table) -> Page:
    return Page(
        template="datasets/files.html",
        title=f"Files of {version.ref}",
        nav="datasets",
        context=context,
        tables=tables,
        parent=(version.dataset, of_dataset(version.dataset)),
    )


def _form(base: str, text: str) -> Form:
    field = Field(name="find", label="In the path", kind="search", value=text, placeholder="part-000")
    return Form(action=base, method="get", button="Find files", fields=(field,), quiet=True)


def _table(caption: str, rows: tuple[Row, ...], more: str, empty: str | Markup) -> Table:
    columns = (
        Column(key="name", title="Name"),
        Column(key="files", title="Files", number=True),
        Column(key="size_bytes", title="Size", number=True),
        Column(key="share", title="Share"),
    )
    return Table(name="files", caption=caption, columns=columns, rows=rows, more=more, empty=empty)


def _row(line: FileLine, base: str, all_bytes: int) -> Row:
    share = line.size_bytes / all_bytes if all_bytes else 0.0
    if line.is_folder:
        name = Cell(value=f"{line.path}/", shown=f"{line.name}/", href=address(base, folder=line.path))
        count = Cell(value=line.files, shown=show.whole(line.files))
    else:
        name = Cell(value=line.path, shown=line.name, href=address(base, file=line.path))
        count = Cell(value=1, shown="")
    return Row(
        cells=(
            name,
            count,
            Cell(value=line.size_bytes, shown=show.size(line.size_bytes)),
            Cell(value=round(share, 4), shown=_share(share)),
        )
    )


def _share(share: float) -> Markup:
    """A number, and the same as a bar."""
    told = show.percent(share)
    return show.html(
        '<span class="share"><span class="n">{}</span>{}</span>',
        told,
        show.bar(share, "partial", f"{told} of the folder"),
    )


def _ways(version: Version, path: str) -> tuple[tuple[str, str], ...]:
    url = f"forebay://{version.ref}/{path}"
    readers = {".parquet": "read_parquet", ".csv": "read_csv", ".tsv": "read_table", ".json": "read_json"}
    reader = next((name for ending, name in readers.items() if path.lower().endswith(ending)), "")
    python = (
        f"import pandas\n\nframe = pandas.{reader}({url!r})"
        if reader
        else (f"import fsspec\n\nwith fsspec.open({url!r}) as file:\n    data = file.read()")
    )
    shell = f"forebay cache warm {quote(version.ref)} --include {quote(path)}"
    return (("In Python", python), ("Only this file, near compute", shell))
