"""A manifest as the steps of a fill use it: columns, what of them is here already, what is to be moved.

Holds a few dozen bytes an entry whatever happens; Python objects are made for some thousand entries at a time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.digests import Digests
from forebay.cache.incoming import Leftovers
from forebay.cache.line import Line
from forebay.cache.place import Placer
from forebay.cache.plan import FillPlan
from forebay.cache.transfer import Wanted
from forebay.catalog.manifest import Manifest
from forebay.catalog.recipe import Cut
from forebay.wire.cache import Progress

_BATCH_ROWS = 4096
# Smaller objects are moved as they lie in the manifest: which of them comes last costs no time.
_LARGE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A manifest's columns as the steps use them; `digests` is filled in as they are learned.

    `firsts` names for every entry the first one whose digest was known to be the same when the fill began.
    """

    sizes: Sequence[int]
    digests: Digests
    firsts: array[int]
    _paths: pa.ChunkedArray

    @classmethod
    def of(cls, manifest: Manifest) -> Listing:
        table = manifest.table
        sizes = array("q")
        for chunk in table["size_bytes"].chunks:
            sizes.frombytes(memoryview(chunk.buffers()[1])[chunk.offset * 8 : (chunk.offset + len(chunk)) * 8])
        digests = Digests.of(table["digest"])
        return cls(sizes=sizes, digests=digests, firsts=digests.firsts(), _paths=table["path"])

    def name(self, index: int) -> str:
        """The name of an entry's blob."""
        return self.digests.name(index)

    def path(self, index: int) -> str:
        return str(self._paths[index].as_py())

    def paths(self, indexes: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Entries with their paths."""
        for some in _batches(indexes):
            yield from zip(some, _at(self._paths, some), strict=True)


def link_present(placer: Placer, listing: Listing) -> bytearray:
    """Link every known blob that the volume has into the new tree; for every entry 1 when it was there, 0 if not."""
    there = bytearray(len(listing.sizes))
    for index, path in listing.paths(listing.digests.known()):
        first = listing.firsts[index]
        if first == index:
            there[index] = placer.link(listing.name(index), path, listing.sizes[index])
        elif there[first]:
            # Not from the blob: an eviction may have taken it meanwhile, the tree's own link stays.
            placer.link_again(listing.path(first), path)
            there[index] = 1
    return there


def starting(plan: FillPlan, sizes: Sequence[int]) -> Progress:
    """The progress of a fill before its first byte: what is there counts as present, parts of files too."""
    total_bytes = sum(sizes)
    return Progress(
        total_files=len(sizes),
        total_bytes=total_bytes,
        present_files=len(sizes) - len(plan.missing),
        present_bytes=total_bytes - plan.move_bytes,
    )


def line(
    manifest: Manifest, plan: FillPlan, listing: Listing, leftovers: Leftovers, cuts: Mapping[str, Cut]
) -> Line[Wanted]:
    """The missing entries in line to be moved: the largest first, so that no long one is left for the end."""

    def find(entry: int) -> Wanted | None:
        at = bisect_left(plan.missing, entry)
        if at == len(plan.missing) or plan.missing[at] != entry:
            return None
        return next(wanted(manifest, [entry], plan, listing, leftovers, cuts))

    items = wanted(manifest, _largest_first(plan, listing.sizes), plan, listing, leftovers, cuts)
    return Line(items, entries=len(listing.sizes), entry_of=lambda item: item.missing.index, find=find)


def wanted(
    manifest: Manifest,
    entries: Iterable[int],
    plan: FillPlan,
    listing: Listing,
    leftovers: Leftovers,
    cuts: Mapping[str, Cut],
) -> Iterator[Wanted]:
    """What there is to know of missing entries, in this order. `cuts` are what files by path are made of."""
    lake = [manifest.table[name] for name in ("key", "etag", "version_id")]
    for some in _batches(entries):
        columns = (_at(column, some) for column in lake)
        for index, key, etag, version_id in zip(some, *columns, strict=True):
            size_bytes = listing.sizes[index]
            yield Wanted(
                missing=plan.missing_entry(index, size_bytes),
                key=key,
                etag=etag,
                version_id=version_id,
                size_bytes=size_bytes,
                digest=listing.digests[index],
                leftover=leftovers.parts.get(index),
                cut=cuts.get(listing.path(index)) if cuts else None,
            )


def _largest_first(plan: FillPlan, sizes: Sequence[int]) -> Iterator[int]:
    """The missing entries, sorted by what they lack; small ones in their own order, which is that of the folders."""
    kept = {index: sum(item.end - item.start for item in ranges) for index, ranges in plan.kept.items()}
    lacks = (sizes[index] - kept.get(index, 0) for index in plan.missing)
    order = pc.array_sort_indices(pa.array(array("q", (-lack if lack >= _LARGE_BYTES else 0 for lack in lacks))))
    return (plan.missing[at] for at in memoryview(order.buffers()[1]).cast("Q"))


def _batches(indexes: Iterable[int]) -> Iterator[list[int]]:
    left = iter(indexes)
    while some := list(islice(left, _BATCH_ROWS)):
        yield some


def _at(column: pa.ChunkedArray, indexes: list[int]) -> list[Any]:
    """Some rows of a column. Arrow would join all of its chunks first, of which a part is enough.

    Any of the fill's threads may ask next, and Arrow's own pool keeps megabytes for each thread that ever did.
    """
    pool = pa.system_memory_pool()
    first = min(indexes)
    part = column.slice(first, max(indexes) - first + 1)
    rows = pa.array([index - first for index in indexes], pa.int64(), memory_pool=pool)
    values: list[Any] = pc.take(part, rows, memory_pool=pool).to_pylist()
    return values
