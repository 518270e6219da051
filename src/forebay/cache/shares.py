"""Who holds which contents, counted once however many hold it: pure.

Made once from what the replicas list, then kept up as they go one after another: a replica's going costs its own files,
whatever the others hold. Contents of different access groups are never shared.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.trial import NOWHERE, Counts, Trial

Key = tuple[str, pa.Table]
"""An access group, and the distinct digests of one who holds them: columns `digest` and `size_bytes`."""


class Shares:
    """Holders by their name, each with its group and what it holds."""

    def __init__(self, holders: Mapping[str, Key]) -> None:
        by_group: dict[str, dict[str, pa.Table]] = defaultdict(dict)
        for name, (group, table) in holders.items():
            by_group[group][name] = table
        names = [(name, group) for group, tables in by_group.items() for name in tables]
        self._group = dict(names)
        self._at = {name: at for at, (name, _) in enumerate(names)}
        self._contents: dict[str, _Contents] = {}
        numbers, sizes, first = list[pa.Array](), list[pa.Array](), 0
        for group, tables in by_group.items():
            every = pa.concat_tables(tables.values()).combine_chunks()
            encoded = _whole(every["digest"]).dictionary_encode()
            numbers.append(pc.add(encoded.indices, pa.scalar(first, pa.int32())))
            sizes.append(_whole(every["size_bytes"]))
            self._contents[group] = _Contents(digests=encoded.dictionary, first=first)
            first += len(encoded.dictionary)
        rows = [table.num_rows for tables in by_group.values() for table in tables.values()]
        self._counts = _counts(rows, pa.chunked_array(numbers, pa.int32()), pa.chunked_array(sizes, pa.int64()))
        self.held_bytes = sum(self._counts.sizes)
        """What all of them hold."""

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def trial(self, names: Iterable[str]) -> Trial:
        """To try on these what comes free as they go; nothing of it changes anything here."""
        counts = self._counts.copy()
        holders = array("i", list(map(self._at.get, names, repeat(counts.nobody))))
        chosen = _column(holders, pa.int32())
        alone_bytes = _column(counts.alone_bytes, pa.int64()).take(chosen)
        places = array("i")
        if 1 in counts.mixed:
            # As long as the highest number asks for: the options that say so came after pyarrow 20.
            more = pa.repeat(pa.scalar(counts.nobody, pa.int32()), max(0, counts.nobody + 1 - len(chosen)))
            inverse = pc.inverse_permutation(pa.concat_arrays([chosen, more]))
            places = _array("i", pa.chunked_array([inverse.fill_null(NOWHERE)]))
        return Trial(counts, holders, _array("q", pa.chunked_array([alone_bytes])), places)

    def release(self, name: str) -> None:
        """One goes; nothing happens for one not known."""
        at = self._at.pop(name, None)
        if at is not None:
            self.held_bytes -= self._counts.alone_bytes[at]
            for other, more_bytes in self._counts.release(at):
                self._counts.alone_bytes[other] += more_bytes

    def only(self, name: str) -> list[str]:
        """The digests (hex) that nobody else holds."""
        contents, holders = self._contents[self._group[name]], self._counts.holders
        mine = [number - contents.first for number in self._counts.of(self._at[name]) if holders[number] == 1]
        return [digest.hex() for digest in contents.digests.take(pa.array(mine, pa.int64())).to_pylist()]

    def holds(self, group: str, digest: str) -> bool:
        """Whether somebody of the group holds these contents (hex)."""
        contents = self._contents.get(group)
        number = None if contents is None else contents.number(bytes.fromhex(digest))
        return number is not None and self._counts.holders[number] > 0

    def added_bytes(self, group: str, table: pa.Table) -> int:
        """What one more holder of this would add."""
        contents, sizes = self._contents.get(group), table["size_bytes"]
        if contents is None:
            return int(pc.sum(sizes).as_py() or 0)
        holders, first = self._counts.holders, contents.first
        found = pc.index_in(table["digest"], value_set=contents.digests).to_pylist()
        held = (at is not None and holders[first + at] > 0 for at in found)
        return sum(size for size, here in zip(sizes.to_pylist(), held, strict=True) if not here)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    """Those of one access group, numbered from `first`."""

    digests: pa.Array
    first: int

    def number(self, digest: bytes) -> int | None:
        at = int(self.digests.index(pa.scalar(digest, self.digests.type)).as_py())
        return None if at < 0 else self.first + at


def _counts(rows: list[int], numbers: pa.ChunkedArray, sizes: pa.ChunkedArray) -> Counts:
    """From the contents of all holders in a row: how many rows each has, and the number and size of each row.

    Of nothing it is had without what groups rows, which imports pandas: whoever only opens something waits for neither.
    """
    if not rows:
        empty = array("q")
        one = array("q", [0])
        return Counts(
            start=one,
            numbers=array("i"),
            sizes=empty,
            mixed=bytes(1),
            holders=array("i"),
            sums=empty[:],
            alone_bytes=one[:],
        )
    repeated = [pa.repeat(pa.scalar(at, pa.int64()), count) for at, count in enumerate(rows)]
    table = pa.table({"number": numbers, "owner": pa.chunked_array(repeated, pa.int64()), "size": sizes})
    by_number = table.group_by("number").aggregate([("owner", "count"), ("owner", "sum"), ("size", "min")])
    by_number = by_number.sort_by("number")
    single = by_number.filter(pc.equal(by_number["owner_count"], 1))
    single = single.group_by("owner_sum").aggregate([("size_min", "sum")])
    alone_bytes = array("q", bytes(8 * (len(rows) + 1)))
    for at, size in zip(single["owner_sum"].to_pylist(), single["size_min_sum"].to_pylist(), strict=True):
        alone_bytes[at] = size
    mixed = bytearray(len(rows) + 1)
    several = pc.greater(by_number["owner_count"], 1).take(table["number"])
    for at in table["owner"].filter(several).unique().to_pylist():
        mixed[at] = True
    return Counts(
        start=array("q", accumulate(rows, initial=0)),
        numbers=_array("i", table["number"]),
        sizes=_array("q", by_number["size_min"]),
        mixed=bytes(mixed),
        holders=_array("i", by_number["owner_count"].cast(pa.int32())),
        sums=_array("q", by_number["owner_sum"]),
        alone_bytes=alone_bytes,
    )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _column(values: array[int], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _array(kind: str, column: pa.ChunkedArray) -> Any:
    """The values of a column without nulls, of numbers of that kind."""
    copied = array(kind)
    for chunk in (chunk for chunk in column.chunks if len(chunk)):
        values = memoryview(chunk.buffers()[1]).cast("B")
        copied.frombytes(values[chunk.offset * copied.itemsize : (chunk.offset + len(chunk)) * copied.itemsize])
    return copied
