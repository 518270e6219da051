"""How much a preview reads and tells at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`rows` are looked at, from `row_groups` places of a Parquet file; of a text file `read_bytes`, unpacked.

    `sample_chars` bounds the sample as a whole, `cell_chars` one value of it. `picture_pixels` is the most that a
    picture may have before it is decoded, `picture_bytes` its file; `thumbnail_pixels` is a thumbnail's longer side.

    Rows are counted in `counted_files`, whose paths have `counted_chars` in all, of texts in the first `counted_bytes`,
    unpacked; `told_rows` of them are told apart, of files of at most `told_bytes`, unpacked.
    """

    rows: int = 50_000
    row_groups: int = 8
    columns: int = 100
    read_bytes: int = 16 << 20
    held_bytes: int = 128 << 20
    sample_rows: int = 20
    sample_chars: int = 60_000
    cell_chars: int = 80
    bins: int = 24
    top: int = 8
    pictures: int = 24
    picture_pixels: int = 64_000_000
    picture_bytes: int = 64 << 20
    thumbnail_pixels: int = 192
    thumbnail_bytes: int = 14_000
    counted_files: int = 1000
    counted_chars: int = 100_000
    counted_bytes: int = 256 << 20
    told_rows: int = 30_000
    told_bytes: int = 32 << 20
