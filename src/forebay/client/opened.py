"""`forebay.open`: a version as a folder of plain files, leased while it is open."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forebay.cache.selection import EVERYTHING, Patterns, Selection, Where
from forebay.client.progress import fill_progress
from forebay.client.session import Session, shared_session
from forebay.client.subset import resolve

if TYPE_CHECKING:
    from forebay.cache.engine import Leased, OnProgress
    from forebay.catalog.manifest import Manifest
    from forebay.wire.catalog import Version
    from forebay.wire.hub import Catalog


class OpenedVersion(os.PathLike[str]):
    """A dataset version on the cache volume. Use it as a path, or as a context manager that ends the lease."""

    def __init__(self, version: Version, leased: Leased, catalog: Catalog) -> None:
        self.version = version
        self.path: Path = leased.warmed.path
        self.moved_bytes: int = leased.warmed.moved_bytes
        self.seconds: float = leased.warmed.seconds
        self._leased = leased
        self._catalog = catalog
        self._manifest: Manifest | None = None
        self._finalizer = weakref.finalize(self, leased.close)

    @property
    def from_cache(self) -> bool:
        """Whether it was ready: nothing came from the lake and nobody was waited for."""
        return self.moved_bytes == 0 and not self._leased.warmed.waited

    @property
    def manifest(self) -> Manifest:
        """The version's manifest with the digests of its files; read when first asked for."""
        if self._manifest is None:
            from forebay.cache.contents import load_manifest  # plain files need none, and start without Arrow

            self._manifest = load_manifest(self._catalog, self.version)
        return self._manifest

    @property
    def files(self) -> list[str]:
        """Relative paths of all files, sorted."""
        paths: list[str] = self.manifest.table["path"].to_pylist()
        return paths

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def close(self) -> None:
        """End the lease. Idempotent; also happens when the object is collected and at exit."""
        self._finalizer()

    def __fspath__(self) -> str:
        return str(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<forebay {self.version.ref} at {self.path}{' (closed)' if self.closed else ''}>"

    def _repr_html_(self) -> str:
        import html

        from humanize import naturalsize

        facts = f"{self.version.files:,} files, {naturalsize(self.version.size_bytes, binary=True)}"
        state = "closed" if self.closed else "leased"
        return (
            f"<b>{html.escape(self.version.ref)}</b> · {facts} · {state}<br><code>{html.escape(str(self.path))}</code>"
        )


def open(  # noqa: A001
    ref: str,
    *,
    include: Patterns = None,
    exclude: Patterns = None,
    columns: Patterns = None,
    where: Where = None,
    on_progress: OnProgress | None = None,
) -> OpenedVersion:
    """Open a dataset version near this process: `criteo@v3`, `criteo@prod`, `criteo@<digest prefix>` or `criteo`.

    `include` and `exclude` (patterns such as `day_0*` or `**/*.parquet`, one or several) open a subset: only those
    files are moved, and only those are there. Of Parquet files, `columns` (one or several) and `where` (like pyarrow's
    and Dask's `filters`: `[("day", ">=", 3)]`, or as text: `"day>=3"`) keep only those columns, and only row groups
    that may hold such rows. None means all; an `include` or `columns` of nothing is an error.

    Fills the cache once if the version is not there (a progress bar shows it, unless `on_progress` is given), then
    leases it until `close`, the end of the `with` block, or exit. Raises a `forebay.ForebayError`.
    """
    selection = Selection.of(include=include, exclude=exclude, columns=columns, where=where)
    return open_version(shared_session(), ref, on_progress, selection)


def open_version(
    session: Session, ref: str, on_progress: OnProgress | None = None, selection: Selection = EVERYTHING
) -> OpenedVersion:
    """`open` in a session of the caller's."""
    version = resolve(session, ref, selection)
    if on_progress is not None:
        leased = session.lease(version, "open", on_progress)
    else:
        with fill_progress(version.ref) as show:
            leased = session.lease(version, "open", show)
    return OpenedVersion(version, leased, session.hub.catalog)
