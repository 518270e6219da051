"""The digests of a manifest's entries in 33 bytes each: a million cost no million Python objects.

Invariant: an entry's digest is 32 bytes or not known yet; which entries share one is told by their first.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from forebay.digest import DIGEST_BYTES

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

_TYPE = pa.binary(DIGEST_BYTES)
_PREFIX_BYTES = 8


class Digests:
    """`digests[index]` is an entry's digest, None while nobody knows it. Threads may set different entries at once."""

    def __init__(self, count: int) -> None:
        self._bytes = bytearray(DIGEST_BYTES * count)
        self._known = bytearray(count)

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Digests:
        """The digests of a manifest's column."""
        made, at = cls(len(column)), 0
        for chunk in column.chunks:
            valid = chunk.is_valid().cast(pa.uint8())
            made._known[at : at + len(chunk)] = _values(valid, 1)
            if chunk.null_count < len(chunk):
                made._bytes[at * DIGEST_BYTES : (at + len(chunk)) * DIGEST_BYTES] = _values(chunk, DIGEST_BYTES)
            at += len(chunk)
        return made

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, index: int) -> bytes | None:
        at = index * DIGEST_BYTES
        return bytes(self._bytes[at : at + DIGEST_BYTES]) if self._known[index] else None

    def __setitem__(self, index: int, digest: bytes) -> None:
        if len(digest) != DIGEST_BYTES:
            raise ValueError(f"a digest has {DIGEST_BYTES} bytes, not {len(digest)}")
        at = index * DIGEST_BYTES
        self._bytes[at : at + DIGEST_BYTES] = digest
        self._known[index] = 1

    def known(self) -> Iterator[int]:
        """The entries whose digests are known."""
        index = self._known.find(1)
        while index >= 0:
            yield index
            index = self._known.find(1, index + 1)

    def name(self, index: int) -> str:
        """The name of an entry's blob; its digest is known."""
        assert self._known[index], "only a blob whose digest is known has a name"
        at = index * DIGEST_BYTES
        return self._bytes[at : at + DIGEST_BYTES].hex()

    def column(self) -> pa.ChunkedArray:
        """The same as a manifest's column, which shares this memory."""
        valid = _array(self._known, pa.uint8()).cast(pa.bool_())
        buffers = [valid.buffers()[1], pa.py_buffer(self._bytes)]
        return pa.chunked_array([pa.Array.from_buffers(_TYPE, len(self), buffers)])

    def firsts(self) -> array[int]:
        """For every entry the first one with the same digest: itself when there is none before, or when not known."""
        firsts = array("q", range(len(self)))
        order, alike = self._ordered()
        first_of: dict[bytes | None, int] = {}
        previous = -1
        for at in alike:
            if at != previous + 1 or not first_of:
                first_of = {self[order[at]]: order[at]}
            index, previous = order[at + 1], at
            firsts[index] = first_of.setdefault(self[index], index)
        return firsts

    def _ordered(self) -> tuple[memoryview, memoryview]:
        """The known entries by the first bytes of their digests, and where in that order two neighbours have the same.

        Sorted as integers: a table of a million digests would take several times the memory.
        """
        known = pc.indices_nonzero(_array(self._known, pa.uint8()))
        begins = pc.binary_slice(_array(self._bytes, _TYPE), 0, _PREFIX_BYTES)
        begins = _array(begins.buffers()[1], pa.int64()).take(known)
        order = pc.array_sort_indices(begins)
        begins = begins.take(order)
        alike = pc.indices_nonzero(pc.equal(begins.slice(1), begins.slice(0, max(0, len(begins) - 1))))
        return _values(known.take(order), 8).cast("Q"), _values(alike, 8).cast("Q")


def _array(data: Buffer, kind: pa.DataType) -> pa.Array:
    """Values of a fixed width, none of them null, where they lie."""
    buffer = pa.py_buffer(data)
    return pa.Array.from_buffers(kind, buffer.size * 8 // kind.bit_width, [None, buffer])


def _values(chunk: pa.Array, width: int) -> memoryview:
    """The values of a chunk as they lie in memory."""
    return memoryview(chunk.buffers()[1])[chunk.offset * width : (chunk.offset + len(chunk)) * width]
