"""What a page asks previews for: which files there are, which one is meant, how it stands, or why there is none.

Whoever looks has a preview ordered that is not there yet: asking twice is asking once, so pages may.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from forebay.errors import NotAllowedError, NotFoundError, UnavailableError
from forebay.hub.access.rules import Action
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import ref_of
from forebay.wire.previews import Preview, PreviewFiles, PreviewKind, PreviewState


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`barred` says why nothing is shown, `todo` what would help; `preview` is None then, and where nothing can be.

    `lacks`: the version has no such file.
    """

    dataset: str
    number: int
    files: PreviewFiles = field(default_factory=PreviewFiles)
    kind: PreviewKind = PreviewKind.TABLE
    path: str = ""
    preview: Preview | None = None
    barred: str = ""
    todo: str = ""
    lacks: bool = False

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number)

    @property
    def is_awaited(self) -> bool:
        """Whether it may come by itself."""
        return self.preview is not None and self.preview.state in (PreviewState.WAITING, PreviewState.ORDERED)


def ask(visit: Visit, number: int) -> Asked:
    """For the dataset in the page's path: the preview that the address asks for, by default of the first file.

    NotFoundError for what is not there, or not to be seen.
    """
    found = files_of(visit, visit.path["name"], number)
    if found.barred:
        return found
    kind = _kind(visit, found.files)
    return look(visit, found, visit.query.get("path", "") or _first(found.files, kind), kind=kind)


def files_of(visit: Visit, dataset: str, number: int) -> Asked:
    """Which files there are, before one is meant; NotFoundError as `ask`."""
    ref = ref_of(dataset, number)
    # Before anything is told: whether it is there, for this one.
    visit.hub.catalog.resolve(ref)
    try:
        return Asked(dataset=dataset, number=number, files=visit.hub.previews.files(ref))
    except NotAllowedError as error:
        return Asked(dataset=dataset, number=number, barred=error.message, todo=error.todo)


def look(visit: Visit, found: Asked, path: str, *, kind: PreviewKind = PreviewKind.TABLE) -> Asked:
    """The preview of one of the files; NotFoundError `file-not-found`."""
    asked = replace(found, kind=kind, path=path)
    if not path or asked.barred:
        return asked
    if not visit.may_on(Action.OPEN, asked.dataset):
        why = "To look into files takes the role scientist, which you have not here."
        return replace(asked, barred=why, todo="Ask an admin.")
    try:
        preview = visit.hub.previews.ask(asked.ref, kind, path)
    except UnavailableError as error:
        return replace(asked, barred=error.message, todo=error.todo)
    return replace(asked, preview=preview)


def look_if_there(visit: Visit, found: Asked, path: str) -> Asked:
    """As `look`, of a file with rows that the version may not have."""
    tables, count = found.files.tables, found.files.all_tables
    if path and not found.barred and path not in tables and count == len(tables):
        return _lacking(found, path)
    try:
        return look(visit, found, path)
    except NotFoundError as error:
        if error.kind != "file-not-found":
            raise
        return _lacking(found, path)


def number_of(text: str) -> int:
    """A version's number in an address; NotFoundError `page-not-found`."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFoundError("page-not-found", f"v{text[:40]} is no version.")
    return int(text)


def _kind(visit: Visit, files: PreviewFiles) -> PreviewKind:
    """As the address says; else what there is."""
    if visit.query.get("kind") in (PreviewKind.TABLE.value, PreviewKind.IMAGES.value):
        return PreviewKind(visit.query["kind"])
    return PreviewKind.TABLE if files.all_tables or not files.all_pictures else PreviewKind.IMAGES


def _lacking(found: Asked, path: str) -> Asked:
    return replace(found, path=path, barred=f"{found.ref} has no file {path}.", lacks=True)


def _first(files: PreviewFiles, kind: PreviewKind) -> str:
    found = files.tables if kind is PreviewKind.TABLE else files.pictures
    return found[0] if found else ""
