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
    """`barred` says why nothing is shown, `todo` what would help; `preview` is None then, and where nothing can be."""

    dataset: str
    number: int
    files: PreviewFiles = field(default_factory=PreviewFiles)
    kind: PreviewKind = PreviewKind.TABLE
    path: str = ""
    preview: Preview | None = None
    barred: str = ""
    todo: str = ""

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number)

    @property
    def is_awaited(self) -> bool:
        """Whether it may come by itself."""
        return self.preview is not None and self.preview.state in (PreviewState.WAITING, PreviewState.ORDERED)


def ask(visit: Visit, number: int, *, kind: PreviewKind | None = None, path: str = "") -> Asked:
    """For the dataset in the page's path: the preview of `path`, by default of the first file of the wanted kind.

    NotFoundError for what is not there, or not to be seen.
    """
    dataset = visit.path["name"]
    ref = ref_of(dataset, number)
    # Before anything is told: whether it is there, for this one.
    visit.hub.catalog.resolve(ref)
    try:
        files = visit.hub.previews.files(ref)
    except NotAllowedError as error:
        return Asked(dataset=dataset, number=number, barred=error.message, todo=error.todo)
    kind = kind or _kind(visit, files)
    path = path or visit.query.get("path", "") or _first(files, kind)
    asked = Asked(dataset=dataset, number=number, files=files, kind=kind, path=path)
    if not path:
        return asked
    if not visit.may_on(Action.OPEN, dataset):
        why = "To look into files takes the role scientist, which you have not here."
        return replace(asked, barred=why, todo="Ask an admin.")
    try:
        preview = visit.hub.previews.ask(ref, kind, path)
    except UnavailableError as error:
        return replace(asked, barred=error.message, todo=error.todo)
    return replace(asked, preview=preview)


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


def _first(files: PreviewFiles, kind: PreviewKind) -> str:
    found = files.tables if kind is PreviewKind.TABLE else files.pictures
    return found[0] if found else ""
