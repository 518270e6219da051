"""What is in a lake at a location: objects as Arrow batches, without reading any.

Streams, holding one page at a time. Directory markers are left out and counted. A listing that breaks off is begun
again, and goes on only if it repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa
import pyarrow.compute as pc

from forebay.errors import InputError
from forebay.lake.backoff import Attempts, Patience
from forebay.lake.etag import etag_of
from forebay.lake.faults import OBSTORE_ERRORS, Fault, FaultKind, LakeFault, read_fault, request_error
from forebay.lake.glob import pattern_regex
from forebay.lake.location import Location
from forebay.lake.look import look, look_many
from forebay.lake.stores import LakeStore

if TYPE_CHECKING:
    from obstore import ObjectMeta

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
    ]
)
PAGE_ROWS = 5000
_NEAR_COUNTED = 10_000
# Azure's hierarchical namespace lists a folder as an empty object of the folder's name.
_FOLDERS_ARE_OBJECTS = ("az", "abfs", "abfss")


@dataclass(slots=True)
class Listed:
    """How far a listing is; it grows while batches are taken. `seen` counts what did not match, too."""

    seen: int = 0
    objects: int = 0
    size_bytes: int = 0
    markers: int = 0


def list_objects(
    location: Location, store: LakeStore, *, listed: Listed | None = None, patience: Patience | None = None
) -> Iterator[pa.RecordBatch]:
    """All objects at `location`, as batches of `SCHEMA` in the lake's order; `listed` counts along.

    A plain key that is an object gives that one, any other all below it. InputError `nothing-matched` (naming the
    nearest folder that holds something), `bad-key` or `size-unknown`; NotFoundError `lake-not-found`; UnavailableError
    `lake-away`; NotAllowedError `lake-denied`.
    """
    listed = listed or Listed()
    for batch in _batches(location, store, listed, patience or Patience()):
        if batch.num_rows:
            listed.objects += batch.num_rows
            listed.size_bytes += pc.sum(batch["size_bytes"]).as_py()
            yield batch
    if not listed.objects:
        raise _nothing_matched(location, store, listed)


def _batches(location: Location, store: LakeStore, listed: Listed, patience: Patience) -> Iterator[pa.RecordBatch]:
    if location.may_be_object:
        meta = look(store, location.key)
        if meta is not None and not _is_marker(store, meta):
            listed.seen += 1
            yield _batch([meta], location.key.rpartition("/")[0])
            return
    if location.listable:
        yield from _below(location, store, listed, patience)


def _below(location: Location, store: LakeStore, listed: Listed, patience: Patience) -> Iterator[pa.RecordBatch]:
    """Everything under the location's base that matches; empty objects last, when they were told from markers."""
    folder = location.base.removesuffix("/")
    regex = None if location.glob is None else pattern_regex(location.glob)
    empty: list[ObjectMeta] = []
    for page in list_pages(store, folder, patience):
        found = [meta for meta in page if meta["path"].startswith(location.base)]
        listed.seen += len(found)
        listed.markers += len(page) - len(found)
        empty += [meta for meta in found if not meta["size"]]
        yield _matching(_batch([meta for meta in found if meta["size"]], folder), regex)
    yield from _empty_ones(store, empty, folder, regex, listed)


def _empty_ones(
    store: LakeStore, empty: list[ObjectMeta], folder: str, regex: str | None, listed: Listed
) -> Iterator[pa.RecordBatch]:
    """A marker `a/` is listed as `a`, which nobody can read: only a look tells it from an empty object."""
    batch = _matching(_batch(empty, folder), regex)
    if store.scheme == "file" or not batch.num_rows:
        yield batch
        return
    looks = look_many(store, ((key, "") for key in batch["key"].to_pylist()))
    real = pa.array([meta is not None and not _is_marker(store, meta) for meta in looks], pa.bool_())
    listed.markers += batch.num_rows - real.true_count
    yield batch.filter(real)


def list_pages(store: LakeStore, folder: str, patience: Patience) -> Iterator[list[ObjectMeta]]:
    """All objects below a folder (no slash at its end; empty: the whole lake), a page at a time.

    obstore retries what fails before an answer. After a break in one the listing begins anew; pages that were yielded
    before are passed over when they are the same.
    """
    attempts = Attempts(patience)
    yielded: list[int] = []
    while True:
        try:
            yield from _pages_after(store, folder, yielded)
        except LakeFault as caught:
            fault = caught.fault
        else:
            return
        if fault.kind is not FaultKind.TRUNCATED or not attempts.wait(throttled=False):
            raise request_error(fault, store.root_url, folder, tries=attempts.failed)


def _pages_after(store: LakeStore, folder: str, yielded: list[int]) -> Iterator[list[ObjectMeta]]:
    """The pages beyond those whose fingerprints are in `yielded`; adds to it."""
    try:
        for number, page in enumerate(obstore.list(store.requests, folder or None, chunk_size=PAGE_ROWS)):
            fingerprint = hash(tuple((meta["path"], meta["e_tag"]) for meta in page))
            if number >= len(yielded):
                yielded.append(fingerprint)
                yield list(page)
            elif fingerprint != yielded[number]:
                what = "the listing broke off, and the objects changed before it could be taken up again"
                raise LakeFault(Fault(kind=FaultKind.CHANGED, what=what))
    except OBSTORE_ERRORS as error:
        raise LakeFault(read_fault(error)) from None


def _batch(metas: list[ObjectMeta], folder: str) -> pa.RecordBatch:
    cut = len(folder) + 1 if folder else 0
    keys = [meta["path"] for meta in metas]
    return pa.record_batch(
        [
            pa.array([key[cut:] for key in keys], pa.string()),
            pa.array([meta["size"] for meta in metas], pa.int64()),
            pa.array(keys, pa.string()),
            pa.array([etag_of(meta) for meta in metas], pa.string()),
            pa.array([meta["version"] or "" for meta in metas], pa.string()),
        ],
        schema=SCHEMA,
    )


def _matching(batch: pa.RecordBatch, regex: str | None) -> pa.RecordBatch:
    return batch if regex is None else batch.filter(pc.match_substring_regex(batch["path"], regex))


def _is_marker(store: LakeStore, meta: ObjectMeta) -> bool:
    """Whether an object that can be looked at is a folder all the same."""
    if meta["size"] or store.scheme not in _FOLDERS_ARE_OBJECTS:
        return False
    return any(list_pages(store, meta["path"], Patience()))


def _nothing_matched(location: Location, store: LakeStore, listed: Listed) -> InputError:
    todo = "In a pattern, * stays within one folder and ** crosses folders." if location.glob else "Check the name."
    near = _nearest(location, store, listed) if location.listable else ""
    return InputError("nothing-matched", f"There is no object at {location}.{near}", todo=todo)


def _nearest(location: Location, store: LakeStore, listed: Listed) -> str:
    """The innermost folder above the location that holds objects, and how many."""
    folder, count = location.base.removesuffix("/"), listed.seen
    while not count and folder:
        folder = folder.rpartition("/")[0]
        count = _count(store, folder)
    if not count:
        return " The lake is empty."
    counted = f"more than {_NEAR_COUNTED}" if count > _NEAR_COUNTED else f"{count}"
    return f" The nearest folder with objects is {store.subject(folder).removesuffix('/')}/, with {counted}."


def _count(store: LakeStore, folder: str) -> int:
    count = 0
    for page in list_pages(store, folder, Patience()):
        count += len(page)
        if count > _NEAR_COUNTED:
            break
    return count
