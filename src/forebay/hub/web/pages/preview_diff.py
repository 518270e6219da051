"""How a file changed from one version to another: its columns, and how far the values of each have moved."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.hub.board import dataset as board
from forebay.hub.board import diff
from forebay.hub.web import compared, data_shown, previewed, shifted
from forebay.hub.web.addresses import of_version
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.preview_asked import Asked, files_of, look_if_there, number_of
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Table
from forebay.hub.web.visit import Visit
from forebay.previews.drift import judged
from forebay.wire.catalog import Version

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two previews side by side, `names` what their versions are called; `told` is what came of it, "" while one is
    not there. `before` is None where it is not known with what to compare; `only` is the one that has the file alone.
    """

    before: Asked | None
    after: Asked
    names: tuple[str, str]
    views: tuple[data_shown.Tab, ...]
    form: Form
    told: str
    by_what: str
    only: Asked | None
    facts: tuple[str, ...]

    @property
    def is_awaited(self) -> bool:
        return self.after.is_awaited or (self.before is not None and self.before.is_awaited)


@pages.get("/datasets/{name}/v{number}/diff/preview", live=("shift",))
def compare(visit: Visit) -> Page:
    """`?with=` (or `other`) as in `compared`, `path=` the file: by default the first one that changed."""
    name, number = visit.path["name"], number_of(visit.path["number"])
    with visit.read() as connection:
        version = board.version(connection, visit.sight, name, number)
        choice = compared.other_of(visit, connection, name, number, later=False)
    if choice.version is None and choice.error is None:
        raise _none_before(number)
    before, after = _sides(visit, version, choice.version)
    names = ("" if choice.version is None else compared.called(choice.version, name), f"v{number}")
    found = _judged(before, after)
    only = _only(before, after)
    made = only.preview.table if only is not None and only.preview is not None else None
    tables: tuple[Table, ...] = (shifted.shifts_table(found, *names),) if found else ()
    context = Compared(
        before=before,
        after=after,
        names=names,
        views=data_shown.version_tabs(name, number, "diff"),
        form=_form(of_version(name, number, "diff", "preview"), compared.fields(name, number, choice), after),
        told=shifted.in_short(found) if found else "",
        by_what=shifted.by_what(found),
        only=only,
        facts=tuple(previewed.facts(made)) if made is not None else (),
    )
    compares = f"{name} {names[0]} and {names[1]}" if "@" not in names[0] else f"{names[0]} and {version.ref}"
    return Page(
        template="preview/shift.html",
        title=f"{compares if before else version.ref}: schema and distributions",
        nav="datasets",
        context=context,
        tables=tables if made is None else (previewed.columns_table(made),),
        parent=(f"{name} v{number}", of_version(name, number)),
        status=choice.status,
    )


def _none_before(number: int) -> NotFoundError:
    return NotFoundError(
        "no-other-version",
        f"There is no version before v{number} to compare it with.",
        todo="Name one: ?with=NUMBER",
    )


def _sides(visit: Visit, version: Version, other: Version | None) -> tuple[Asked | None, Asked]:
    """Both previews of one file; NotFoundError `file-not-found` where neither version has it."""
    after = files_of(visit, version.dataset, version.number)
    if other is None:
        return None, after
    before = files_of(visit, other.dataset, other.number)
    path = visit.query.get("path", "") or _path(visit, before, after, other, version)
    before, after = look_if_there(visit, before, path), look_if_there(visit, after, path)
    if after.lacks and (before.lacks or before.barred):
        raise NotFoundError("file-not-found", f"There is no file {path!r} in {after.ref} that can be shown so.")
    return before, after


def _path(visit: Visit, before: Asked, after: Asked, other: Version, version: Version) -> str:
    """The file to begin with: one that changed, else one that both have, else any."""
    was, now = before.files.tables, after.files.tables
    if not (was and now):
        return (*now, *was, "")[0]
    found = diff.changes(visit.hub.catalog, other.manifest_digest, version.manifest_digest)
    return diff.table_in_both(found) or next((path for path in now if path in was), now[0])


def _judged(before: Asked | None, after: Asked) -> shifted.Judged:
    if before is None or before.preview is None or after.preview is None:
        return ()
    if before.preview.table is None or after.preview.table is None:
        return ()
    return judged(before.preview.table, after.preview.table)


def _only(before: Asked | None, after: Asked) -> Asked | None:
    """The side whose version alone has the file; None where both have it."""
    if before is None or not (before.lacks or after.lacks):
        return None
    return after if before.lacks else before


def _form(here: str, versions: tuple[Field, ...], after: Asked) -> Form:
    paths = after.files.tables
    fields = [*versions]
    if after.files.all_tables > len(paths) or after.lacks:
        fields.append(Field(name="path", label="File (its path)", kind="search", value=after.path))
    elif len(paths) > 1:
        options = tuple((path, path) for path in paths)
        fields.append(Field(name="path", label="File", kind="select", value=after.path, options=options))
    return Form(action=here, method="get", button="Compare", fields=tuple(fields), quiet=True)
