"""The byte encodings that manifest and seal digests are taken over. A layout that was released never changes.

They depend on values alone, not on Arrow, Parquet, chunking or compression, and are written a column at a time, so
that a million rows cost no Python loop. An encoding is `header`, then the number of rows as 8 bytes, then each column:

- strings: the length in UTF-8 bytes of every value as 4 bytes, then all values joined;
- integers: every value as 8 bytes, two's complement;
- digests: their 32 bytes each, joined.

All numbers are little-endian. Lengths come before contents, so no two different tables share an encoding.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from forebay.digest import DIGEST_BYTES, Hasher, new_hasher

DIGEST_TYPE = pa.binary(DIGEST_BYTES)


def encoded_digest(header: bytes, columns: Iterable[pa.ChunkedArray]) -> str:
    """Hex BLAKE3 of the encoding of `columns` (all of one length, without nulls) after `header`."""
    hasher = new_hasher()
    hasher.update(header)
    for position, column in enumerate(columns):
        if position == 0:
            hasher.update(len(column).to_bytes(8, "little"))
        _encode(hasher, column)
    return hasher.hexdigest()


def encoded_nullable_digest(header: bytes, column: pa.ChunkedArray) -> str:
    """Hex BLAKE3 of `header`, the row count, one byte a row (1: known), then the known digests."""
    hasher = new_hasher()
    hasher.update(header)
    hasher.update(len(column).to_bytes(8, "little"))
    for chunk in pc.is_valid(column).cast(pa.uint8()).chunks:
        hasher.update(_values(chunk, 1))
    for chunk in pc.drop_null(column).chunks:
        hasher.update(_values(chunk, DIGEST_BYTES))
    return hasher.hexdigest()


def _encode(hasher: Hasher, column: pa.ChunkedArray) -> None:
    if column.null_count:
        raise ValueError("an encoded column has no nulls")
    if column.type == pa.string():
        for chunk in column.chunks:
            hasher.update(_values(pc.binary_length(chunk), 4))
        for chunk in column.chunks:
            hasher.update(_text(chunk))
        return
    width = DIGEST_BYTES if column.type == DIGEST_TYPE else 8
    for chunk in column.chunks:
        hasher.update(_values(chunk, width))


def _values(chunk: pa.Array, width: int) -> memoryview:
    """The fixed-width values of a chunk, as they lie in memory."""
    buffer = chunk.buffers()[1]
    return memoryview(buffer if buffer is not None else b"")[chunk.offset * width : (chunk.offset + len(chunk)) * width]


def _text(chunk: pa.Array) -> memoryview:
    """The joined bytes of a string chunk."""
    _, offsets, data = chunk.buffers()
    if data is None or not len(chunk):
        return memoryview(b"")
    ends = memoryview(offsets).cast("B").cast("i")
    return memoryview(data)[ends[chunk.offset] : ends[chunk.offset + len(chunk)]]
