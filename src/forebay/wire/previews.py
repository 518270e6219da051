"""What hub, agents and people tell each other of previews: what a file of a version holds, in small.

Values only. A hub has the agent of a site where the version is ready look into a file (`PreviewOrder`, beside its other
orders), and keeps what it found. Every number that can't be known is None, every text is cut to a length.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

MOST_BYTES = 512 * 1024
"""A preview that takes more as JSON is refused."""


class PreviewKind(StrEnum):
    """What is looked into: one file with rows and columns, some pictures, or the rows of some files, counted.

    `unknown` is a newer hub's word.
    """

    TABLE = "table"
    IMAGES = "images"
    ROWS = "rows"
    UNKNOWN = "unknown"


class PreviewState(StrEnum):
    """`waiting` (for its next try, or for a site that has the version) -> `ordered` -> `ready`.

    `failed`: another try helps only once something has changed, so it comes much later.
    """

    WAITING = "waiting"
    ORDERED = "ordered"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """`counts[i]` values are from `edges[i]` up to `edges[i + 1]`, the last edge included. Edges grow."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopValue:
    """A value, as text, and in how many rows it is."""

    value: str
    count: int


QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPreview:
    """A column: its name, its type as Arrow calls it, and what of it was seen in `TablePreview.seen_rows` rows.

    `nulls` counts what has no value, NaN too. `distinct` is how many different values the file has: counted where
    `is_counted`, else estimated. `quantiles` are at `QUANTILES`; they, `mean` and `histogram` are of numbers, and of
    times as Unix seconds. `top` are the most frequent values, of columns whose values repeat.
    """

    name: str
    type: str
    nulls: int = 0
    distinct: int | None = None
    is_counted: bool = False
    minimum: str = ""
    maximum: str = ""
    mean: float | None = None
    quantiles: tuple[float, ...] = ()
    top: tuple[TopValue, ...] = ()
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePreview:
    """A file with rows. `rows` is how many it has, if that can be known without reading all of it.

    `sample` has a text (None: no value) for each of `columns`, which leave `more_columns` out. `bad_rows` of those that
    were seen did not fit the others. `size_bytes` is the file's.
    """

    size_bytes: int
    columns: tuple[ColumnPreview, ...]
    sample: tuple[tuple[str | None, ...], ...]
    seen_rows: int
    rows: int | None = None
    bad_rows: int = 0
    more_columns: int = 0
    answer: Literal["table"] = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnail:
    """A picture in small: `data` is base64 of a `media_type`; "" where it could not be made, for the `reason` given.

    `width` and `height` are the picture's own, in pixels.
    """

    path: str
    size_bytes: int
    width: int = 0
    height: int = 0
    media_type: str = ""
    data: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesPreview:
    """Some pictures of a version, in the order of their paths."""

    thumbnails: tuple[Thumbnail, ...]
    answer: Literal["images"] = "images"


ROW_DIGEST_BYTES = 6
"""Of two sets of 30,000 rows, two that differ have the same digest once in some 300,000 comparisons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRows:
    """How many rows a file has; None where that can't be known in bounds. `digests` is base64 of one digest of
    `ROW_DIGEST_BYTES` a row, in the file's order: rows with the same names and values have the same one. "" where the
    file is too large for that, or can't be read.
    """

    path: str
    rows: int | None = None
    digests: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsPreview:
    """Some files of a version with rows, in the order of their paths."""

    files: tuple[FileRows, ...]
    answer: Literal["rows"] = "rows"


Content = TablePreview | ImagesPreview | RowsPreview


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOrder:
    """Look into these files of a version. `paths` is one for a table; `token` grows with each try."""

    preview_id: str
    token: int
    ref: str
    kind: PreviewKind
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewDone:
    """What came of an order: the content, or the error by its `kind`. `retryable` as in `wire.sites.Report`."""

    preview_id: str
    token: int
    table: TablePreview | None = None
    images: ImagesPreview | None = None
    rows: RowsPreview | None = None
    kind: str = ""
    detail: str = ""
    todo: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A preview as the hub knows it, with the reason of its state, and since when. `path` is the first file of it.

    `site` is where it is made, or was. Not ready, it is tried again at `next_try_at`, when somebody looks at it then.
    """

    ref: str
    kind: PreviewKind
    path: str
    state: PreviewState
    reason: str
    since: float
    unblock: str = ""
    site: str = ""
    attempts: int = 0
    next_try_at: float = 0.0
    table: TablePreview | None = None
    images: ImagesPreview | None = None
    rows: RowsPreview | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFiles:
    """Which files of a version can be looked into: the paths of the first ones of each kind, and how many there are."""

    tables: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    all_tables: int = 0
    all_pictures: int = 0


class Previews(Protocol):
    """Previews of versions: asked for when somebody looks, kept, and switched off for a dataset where it wants none."""

    def ask(self, ref: str, kind: PreviewKind, path: str, *, again: bool = False) -> Preview:
        """The preview that begins with this file of a version, as it stands; it is ordered where it is not there yet.

        One that failed is ordered anew when its time has come, or with `again` at once. NotFoundError `file-not-found`;
        InputError `no-preview` (a file of another kind); NotAllowedError `previews-off`, `residency`; UnavailableError
        `too-many-previews`.
        """

    def files(self, ref: str) -> PreviewFiles:
        """Which files of a version `ask` takes. NotFoundError."""

    def are_on(self, dataset: str) -> bool:
        """Whether the dataset's owner lets its files be looked into; NotFoundError."""

    def switch(self, dataset: str, on: bool) -> None:
        """Let its files be looked into, or not: what is kept of them goes at once. NotFoundError."""

    def done(self, site: str, agent_token: int, done: PreviewDone) -> None:
        """For the agent of a site: what came of an order. A late one changes nothing.

        ConflictError `fenced`; InputError `bad-preview`.
        """
