"""Builds a manifest from a listing that comes in Arrow batches, holding little more than the manifest itself."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.manifest import SCHEMA, Manifest, normalised
from forebay.wire.catalog import VersionOrigin

_CHUNK_ROWS = 1 << 17


class ManifestBuilder:
    """`add` batches in any order, then `build`. `files` and `size_bytes` count what was added so far."""

    def __init__(self, origin: VersionOrigin) -> None:
        self._origin = origin
        self._chunks: list[pa.Table] = []
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self.files = 0
        self.size_bytes = 0

    def add(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take a batch with the columns that `Manifest.registered` describes; InputError `bad-rows`."""
        table = normalised(rows)
        self._pending.append(table)
        self._pending_rows += len(table)
        self.files += len(table)
        self.size_bytes += pc.sum(table["size_bytes"]).as_py() or 0
        # A listing has a thousand rows a page: joined early, a million rows stay a handful of arrays.
        if self._pending_rows >= _CHUNK_ROWS:
            self._join()

    def build(self) -> Manifest:
        """The manifest of all that was added; the builder is empty afterwards. InputError as `check_paths` says."""
        self._join()
        table = pa.concat_tables(self._chunks) if self._chunks else SCHEMA.empty_table()
        self._chunks = []
        return Manifest.registered(table) if self._origin == "registered" else Manifest.committed(table)

    def _join(self) -> None:
        if self._pending:
            self._chunks.append(pa.concat_tables(self._pending).combine_chunks())
        self._pending, self._pending_rows = [], 0
        # What the pages took is given back, or Arrow's pool keeps as much again as the manifest needs.
        pa.default_memory_pool().release_unused()
