"""Reads the footers of Parquet objects, their last bytes first, and plans what to cut out of each.

Only objects that can be told from later ones of their name are cut: ranges of two objects must never meet in one file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from forebay.catalog.recipe import Cut
from forebay.errors import InputError
from forebay.lake.fetch import fetch
from forebay.lake.parquet.cut import MAGIC, cut
from forebay.lake.parquet.where import Term
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore

TAIL_BYTES = 64 << 10
LEAST_BYTES = 64 << 10
"""Smaller objects are kept whole: to ask for parts of them costs more than the rest of their bytes."""

_FRAME_BYTES = 8
_NAMES = (".parquet", ".parq", ".pq")
_SUMMARIES = frozenset({"_metadata", "_common_metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeObject:
    """One object, as a manifest lists it."""

    path: str
    key: str
    etag: str
    version_id: str
    size_bytes: int


def is_parquet(path: str) -> bool:
    """Whether a file is taken for Parquet, by its name."""
    return path.lower().endswith(_NAMES)


def is_summary(path: str) -> bool:
    """Whether a file repeats the footers of others, which it would contradict once they are cut."""
    return path.rpartition("/")[2] in _SUMMARIES


def plan_cuts(
    store: LakeStore,
    objects: Iterable[LakeObject],
    columns: Sequence[str],
    where: Sequence[Term],
    *,
    streams: int,
    content_addressed: bool,
) -> dict[str, Cut]:
    """What to cut out of each object, by path; those that are better kept whole are left out.

    `content_addressed` says that a key never holds other bytes. InputError `no-column`, `bad-where`, `not-parquet` with
    the object's name; the lake's own errors.
    """

    def plan(item: LakeObject) -> Cut | None:
        footer = _footer(store, item)
        try:
            return cut(footer, item.size_bytes, columns, where)
        except InputError as error:
            raise InputError(error.kind, f"{item.path}: {error.message}", todo=error.todo) from error
        except (ValueError, KeyError, IndexError) as error:
            raise _not_parquet(item, f"its footer can't be read ({error})") from error

    def worth(item: LakeObject) -> bool:
        return item.size_bytes >= LEAST_BYTES and bool(content_addressed or item.etag or item.version_id)

    listed = list(objects)
    # One is looked at in any case: a column of no such name is an error also where nothing is worth a cut.
    chosen = [item for item in listed if worth(item)] or listed[:1]
    with ThreadPoolExecutor(streams, thread_name_prefix="forebay-footers") as pool:
        try:
            planned = list(pool.map(plan, chosen))
        except BaseException:
            # The first object that is wrong, or Ctrl-C, ends it: the others need not be read.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {item.path: found for item, found in zip(chosen, planned, strict=True) if found is not None and worth(item)}


def _footer(store: LakeStore, item: LakeObject) -> bytes:
    """The footer of an object, without its length and magic; a second request only where it is long."""
    tail = _read(store, item, max(0, item.size_bytes - TAIL_BYTES))
    if tail[-4:] != MAGIC:
        encrypted = tail[-4:] == b"PARE"
        raise _not_parquet(item, "it is encrypted" if encrypted else "it does not end as one")
    size = int.from_bytes(tail[-_FRAME_BYTES:-4], "little")
    if size + _FRAME_BYTES + len(MAGIC) > item.size_bytes:
        raise _not_parquet(item, "its footer would be longer than itself")
    if size + _FRAME_BYTES > len(tail):
        tail = _read(store, item, item.size_bytes - size - _FRAME_BYTES)
    return tail[len(tail) - size - _FRAME_BYTES : -_FRAME_BYTES]


def _read(store: LakeStore, item: LakeObject, start: int) -> bytes:
    part = Part(
        index=0,
        key=item.key,
        etag=item.etag,
        version_id=item.version_id,
        start=start,
        end=item.size_bytes,
        object_size_bytes=item.size_bytes,
    )
    found = bytearray()
    fetch(store, part, found.extend)
    return bytes(found)


def _not_parquet(item: LakeObject, why: str) -> InputError:
    return InputError(
        "not-parquet",
        f"{item.path} is no Parquet file to take columns or rows from: {why}",
        todo=f"Leave it out: --exclude {item.path!r}",
    )
