"""How a file changed from one version to another: its columns, and how far the values of each have moved."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.hub.web import data_shown, previewed
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.preview_asked import Asked, ask, number_of
from forebay.hub.web.route import Pages
from forebay.hub.web.visit import Visit
from forebay.previews.shift import ColumnShift, shifts
from forebay.wire.previews import PreviewKind

pages = Pages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two previews side by side; `told` is what came of it, "" while one is not there."""

    before: Asked
    after: Asked
    views: tuple[data_shown.Tab, ...]
    form: Form
    told: str

    @property
    def is_awaited(self) -> bool:
        return self.before.is_awaited or self.after.is_awaited


@pages.get("/datasets/{name}/v{number}/diff/preview", live=("shift",))
def compare(visit: Visit) -> Page:
    """`?with=` is the earlier version, by default the one before; `path=` the file, by default the first table."""
    number = number_of(visit.path["number"])
    other = number_of(visit.query["with"]) if visit.query.get("with") else _before(visit, number)
    after = ask(visit, number, kind=PreviewKind.TABLE)
    path = after.path if after.path in _tables(visit, after, other) else ""
    before = ask(visit, other, kind=PreviewKind.TABLE, path=path)
    found = _shifts(before, after)
    here = f"/datasets/{after.dataset}/v{number}/diff/preview"
    context = Compared(
        before=before,
        after=after,
        views=data_shown.version_tabs(after.dataset, number, "diff"),
        form=_form(here, before, after),
        told=previewed.drifted(found) if found else "",
    )
    labels = f"v{other}", f"v{number}"
    return Page(
        template="preview/shift.html",
        title=f"{after.dataset} v{other} and v{number}: schema and distributions",
        nav="datasets",
        context=context,
        tables=(previewed.shifts_table(found, *labels),) if found else (),
        parent=(f"{after.dataset} v{number}", f"/datasets/{after.dataset}/v{number}"),
    )


def _before(visit: Visit, number: int) -> int:
    """The version before this one; NotFoundError where there is none."""
    earlier = [item.number for item in visit.hub.catalog.versions(visit.path["name"]) if item.number < number]
    if not earlier:
        raise NotFoundError(
            "no-other-version",
            f"There is no version before v{number} to compare it with.",
            todo="Name one: ?with=NUMBER",
        )
    return max(earlier)


def _tables(visit: Visit, after: Asked, other: int) -> tuple[str, ...]:
    """The tables of the other version; of one that has more than are listed, the path is taken as it is."""
    if after.barred:
        return ()
    files = visit.hub.previews.files(f"{after.dataset}@v{other}")
    return files.tables if files.all_tables == len(files.tables) else (*files.tables, after.path)


def _shifts(before: Asked, after: Asked) -> tuple[ColumnShift, ...]:
    if before.preview is None or after.preview is None:
        return ()
    if before.preview.table is None or after.preview.table is None:
        return ()
    return shifts(before.preview.table, after.preview.table)


def _form(here: str, before: Asked, after: Asked) -> Form:
    paths = after.files.tables
    fields = [Field(name="with", label="Compared with", kind="number", value=str(before.number))]
    if len(paths) > 1:
        options = tuple((path, path) for path in paths)
        fields.append(Field(name="path", label="File", kind="select", value=after.path, options=options))
    return Form(action=here, method="get", button="Compare", fields=tuple(fields), quiet=True)
