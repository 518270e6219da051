"""Whether the lake still holds what a manifest says, object by object, before anything is evicted. Reads no object."""

from __future__ import annotations

from dataclasses import dataclass
from os.path import commonpath

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.manifest import Manifest
from forebay.lake.backoff import Patience
from forebay.lake.etag import etag_of, same_etag
from forebay.lake.listing import list_pages
from forebay.lake.look import look_many
from forebay.lake.stores import LakeStore

# Up to here looking at each object costs less than listing a folder that may hold many others.
_LOOKED_UP = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Paths whose object is gone, and paths whose object is another one now (size or etag)."""

    checked: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not self.missing and not self.changed


def confirm(manifest: Manifest, store: LakeStore, *, patience: Patience | None = None) -> Confirmation:
    """Compare every object of `manifest` with the lake; errors of the lake come through."""
    table = manifest.table
    doubtful = table
    if table.num_rows > _LOOKED_UP and store.scheme not in ("https", "http"):
        doubtful = table.filter(pc.invert(_listed_alike(table, store, patience or Patience())))
    missing: list[str] = []
    changed: list[str] = []
    wanted = zip(doubtful["key"].to_pylist(), doubtful["version_id"].to_pylist(), strict=True)
    for row, meta in zip(doubtful.to_pylist(), look_many(store, wanted), strict=True):
        if meta is None:
            missing.append(row["path"])
        elif meta["size"] != row["size_bytes"] or (row["etag"] and not same_etag(etag_of(meta), row["etag"])):
            changed.append(row["path"])
    return Confirmation(checked=table.num_rows, missing=tuple(missing), changed=tuple(changed))


def _listed_alike(table: pa.Table, store: LakeStore, patience: Patience) -> pa.ChunkedArray:
    """For every row, whether one listing shows its object with the same size and etag."""
    keys = table["key"]
    folder = commonpath([pc.min(keys).as_py(), pc.max(keys).as_py()])
    found = pa.table(_columns(store, folder, patience), schema=_FOUND)
    rows = pc.index_in(keys, found["key"])
    sizes, etags = (found[name].take(rows) for name in ("size_bytes", "etag"))
    alike = pc.and_(
        pc.equal(sizes, table["size_bytes"]), pc.or_(pc.equal(table["etag"], ""), pc.equal(etags, _bare(table["etag"])))
    )
    return pc.fill_null(alike, False)


_FOUND = pa.schema([pa.field("key", pa.string()), pa.field("size_bytes", pa.int64()), pa.field("etag", pa.string())])


def _columns(store: LakeStore, folder: str, patience: Patience) -> list[pa.ChunkedArray]:
    batches: list[pa.RecordBatch] = []
    for page in list_pages(store, folder, patience):
        columns = zip(*((meta["path"], meta["size"], etag_of(meta)) for meta in page), strict=True)
        batches.append(pa.record_batch([pa.array(column) for column in columns], schema=_FOUND))
    table = pa.Table.from_batches(batches, schema=_FOUND)
    return [table["key"], table["size_bytes"], _bare(table["etag"])]


def _bare(etags: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(etags, '^W/|"', "")
