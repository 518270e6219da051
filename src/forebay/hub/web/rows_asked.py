"""Has the rows of a version's changed files counted, for a page that compares it: what is known, or why nothing is."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.errors import NotAllowedError, UnavailableError
from forebay.hub.access.rules import Action
from forebay.hub.board.diff import Changes, Tables
from forebay.hub.board.row_changes import CountedRows, first_table
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import Version
from forebay.wire.previews import FileRows, Preview, PreviewKind, PreviewState


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The rows of one version. `barred` says why nobody counts them for who looks; `preview` is None then, and where
    nothing is to be counted.
    """

    ref: str
    preview: Preview | None = None
    barred: str = ""

    @property
    def files(self) -> tuple[FileRows, ...]:
        return self.preview.rows.files if self.preview is not None and self.preview.rows is not None else ()

    @property
    def is_awaited(self) -> bool:
        return self.preview is not None and self.preview.state in (PreviewState.WAITING, PreviewState.ORDERED)

    @property
    def told(self) -> str:
        """Why they are not counted yet; "" where they are."""
        if self.preview is None or self.preview.state is PreviewState.READY:
            return self.barred
        doing = "are being counted" if self.preview.state is PreviewState.ORDERED else "are not counted"
        told = f"Rows of {self.ref} {doing}: {self.preview.reason}."
        return f"{told} {self.preview.unblock}" if self.preview.unblock else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Both versions' rows below a folder."""

    before: Side
    after: Side
    counted: CountedRows

    @property
    def is_awaited(self) -> bool:
        return self.before.is_awaited or self.after.is_awaited

    @property
    def told(self) -> tuple[str, ...]:
        """Why what is missing is missing, each reason once."""
        return tuple(dict.fromkeys(side.told for side in (self.before, self.after) if side.told))


def rows_below(visit: Visit, found: Changes, folder: str, old: Version, new: Version) -> Rows | None:
    """From the first changed file with rows below a folder on, as many as one look counts; None where none has any."""
    first = {side: first_table(found, folder, side) for side in (Tables.OLD, Tables.NEW)}
    if not any(first.values()):
        return None
    before, after = _side(visit, old, first[Tables.OLD]), _side(visit, new, first[Tables.NEW])
    return Rows(before=before, after=after, counted=CountedRows(found, before.files, after.files))


def _side(visit: Visit, version: Version, path: str) -> Side:
    if not path:
        return Side(ref=version.ref)
    if not visit.may_on(Action.OPEN, version.dataset):
        return Side(ref=version.ref, barred="To count rows takes the role scientist, which you have not here.")
    try:
        return Side(ref=version.ref, preview=visit.hub.previews.ask(version.ref, PreviewKind.ROWS, path))
    except (NotAllowedError, UnavailableError) as error:
        return Side(ref=version.ref, barred=error.message)
