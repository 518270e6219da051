"""Which files of a manifest can be looked into. A manifest never changes, so what was found in it is kept a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from forebay.catalog.archive import Archive
from forebay.errors import NotFoundError
from forebay.previews.kinds import PATTERNS
from forebay.wire.previews import PreviewFiles, PreviewKind

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 100
"""So many paths of each kind are told."""

_REMEMBERED = 500


class PreviewPaths:
    """One of a hub; any number of threads may ask."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._known: OrderedDict[str, PreviewFiles] = OrderedDict()

    def of(self, manifest_digest: str) -> PreviewFiles:
        """The first ones of each kind, and how many there are. NotFoundError, DamagedError."""
        with self._lock:
            if manifest_digest in self._known:
                self._known.move_to_end(manifest_digest)
                return self._known[manifest_digest]
        paths = self._paths(manifest_digest)
        tables, pictures = (_of_kind(paths, kind) for kind in (PreviewKind.TABLE, PreviewKind.IMAGES))
        found = PreviewFiles(
            tables=tuple(tables.slice(0, SHOWN).to_pylist()),
            pictures=tuple(pictures.slice(0, SHOWN).to_pylist()),
            all_tables=len(tables),
            all_pictures=len(pictures),
        )
        with self._lock:
            self._known[manifest_digest] = found
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found

    def from_path(self, manifest_digest: str, kind: PreviewKind, path: str, most: int) -> tuple[str, ...]:
        """That file and the next ones of its kind, `most` in all; NotFoundError `file-not-found`."""
        import pyarrow.compute as pc

        files = self.of(manifest_digest)
        told, count = (
            (files.pictures, files.all_pictures) if kind is PreviewKind.IMAGES else (files.tables, files.all_tables)
        )
        # A manifest of a million paths is read for those alone that are far in it.
        if path in told and (told.index(path) + most <= len(told) or count == len(told)):
            return told[told.index(path) :][:most]
        of_kind = _of_kind(self._paths(manifest_digest), kind)
        at = pc.index(of_kind, path).as_py()
        if at < 0:
            raise NotFoundError("file-not-found", f"There is no file {path!r} in this version that can be shown so.")
        return tuple(of_kind.slice(at, most).to_pylist())

    def _paths(self, manifest_digest: str) -> pa.ChunkedArray:
        from forebay.catalog.manifest import Manifest

        self._archive.facts(manifest_digest)
        with Manifest.opened(self._archive.manifest_file(manifest_digest)) as file:
            return file.column("path")


def _of_kind(paths: pa.ChunkedArray, kind: PreviewKind) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    return paths.filter(pc.match_substring_regex(paths, PATTERNS[kind]))
