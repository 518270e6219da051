"""Plans a smaller Parquet file of some columns and row groups of an object: which bytes it needs, and its footer. Pure.

Chunks are kept as they are, in their order; page indexes and bloom filters are left out, and every offset in the new
footer is where the bytes stand now. What this planner is not sure about, it leaves whole (None).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.catalog.names import did_you_mean
from forebay.catalog.recipe import Cut, Piece
from forebay.errors import InputError
from forebay.lake.parquet.keys import kept_keys
from forebay.lake.parquet.thrift import BINARY, I16, I64, LIST, STRUCT, Items, Struct, read_struct, write_struct
from forebay.lake.parquet.where import Term, row_groups

MAGIC = b"PAR1"
GAP_BYTES = 16 << 10
"""Two ranges that lie closer are fetched as one, the bytes between them with them: a request costs more."""

WORTH_SHARE = 0.9
"""A file that would keep more of the object than this share is left whole: then others share it by its digest."""

# FileMetaData, SchemaElement, RowGroup, ColumnChunk, ColumnMetaData, SortingColumn of parquet.thrift.
_SCHEMA, _NUM_ROWS, _ROW_GROUPS, _KEYS, _CREATED_BY, _ORDERS, _ENCRYPTION = 2, 3, 4, 5, 6, 7, 8
_NAME, _CHILDREN = 4, 5
_COLUMNS, _TOTAL_BYTES, _ROWS, _SORTING, _GROUP_OFFSET, _COMPRESSED, _ORDINAL = 1, 2, 3, 4, 5, 6, 7
_FILE_PATH, _CHUNK_OFFSET, _META, _INDEXES, _CRYPTO = 1, 2, 3, (4, 5, 6, 7), 8
_UNCOMPRESSED, _COMPRESSED_CHUNK, _DATA, _INDEX, _DICTIONARY, _BLOOM = 6, 7, 9, 10, 11, (14, 15)
_COLUMN_INDEX = 1
# Their sizes of chunks leave out the dictionary page's header (PARQUET-816).
_WRONG_SIZES = re.compile(rb"parquet-mr version (?:0|1\.[0-2])\.")


@dataclass(frozen=True, slots=True)
class _Root:
    """A column at the top: its elements of the schema and its leaves are those in these ranges."""

    name: str
    elements: range
    leaves: range


def cut(
    footer: bytes, object_bytes: int, columns: Sequence[str], where: Sequence[Term], *, gap_bytes: int = GAP_BYTES
) -> Cut | None:
    """The cut of an object whose footer this is (without its length and magic); None to keep the object whole.

    Without `columns` all are kept. InputError `no-column`, `bad-where`; ValueError when this is no footer.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(MAGIC + footer + len(footer).to_bytes(4, "little") + MAGIC))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    told = read_struct(footer)
    roots = _roots(told)
    kept = _kept_roots(roots, columns)
    groups = row_groups(metadata, where)
    if len(kept) == len(roots) and len(groups) == metadata.num_row_groups:
        return None
    if _ENCRYPTION in told or _WRONG_SIZES.match(bytes(told.get(_CREATED_BY, (BINARY, b""))[1])):
        return None
    leaves = [leaf for root in kept for leaf in root.leaves]
    chosen = [_structs(told, _ROW_GROUPS)[group] for group in groups]
    chunks = [[_structs(group, _COLUMNS)[leaf] for leaf in leaves] for group in chosen]
    ranges = sorted(filter(None, (_range(chunk) for group in chunks for chunk in group)))
    if not _sound(chunks, ranges, object_bytes - len(footer) - 8):
        return None
    pieces = _pieces(ranges, gap_bytes)
    whole_rows = len(groups) == metadata.num_row_groups
    written = write_struct(_footer(told, kept, leaves, chosen, chunks, pieces, whole_rows=whole_rows))
    made = Cut(
        object_bytes=object_bytes,
        head=MAGIC,
        pieces=pieces,
        tail=written + len(written).to_bytes(4, "little") + MAGIC,
    )
    return made if made.size_bytes <= object_bytes * WORTH_SHARE else None


def _roots(told: Struct) -> list[_Root]:
    elements = _structs(told, _SCHEMA)
    found: list[_Root] = []
    at, leaf = 1, 0
    while at < len(elements):
        end, leaves = _subtree(elements, at)
        name = bytes(elements[at][_NAME][1]).decode(errors="replace")
        found.append(_Root(name, range(at, end), range(leaf, leaf + leaves)))
        at, leaf = end, leaf + leaves
    return found


def _subtree(elements: Sequence[Struct], at: int) -> tuple[int, int]:
    """The element after this one and all below it, and how many leaves they are."""
    open_nodes, leaves = 1, 0
    while open_nodes:
        children = elements[at].get(_CHILDREN, (0, 0))[1]
        open_nodes += children - 1
        leaves += not children
        at += 1
    return at, leaves


def _kept_roots(roots: Sequence[_Root], columns: Sequence[str]) -> list[_Root]:
    known = [root.name for root in roots]
    for name in columns:
        if name not in known:
            advice = f"It has: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}"
            raise InputError(
                "no-column", f"there is no column {name!r}", todo=did_you_mean(name, known, otherwise=advice)
            )
    return [root for root in roots if not columns or root.name in columns]


def _structs(struct: Struct, number: int) -> list[Struct]:
    items = struct[number][1].values if number in struct else []
    found: list[Struct] = items
    return found


def _range(chunk: Struct) -> tuple[int, int] | None:
    """The bytes of a chunk, its dictionary page included; None for one without any."""
    meta: Struct = chunk[_META][1]
    size = int(meta[_COMPRESSED_CHUNK][1])
    starts = [int(meta[number][1]) for number in (_DATA, _INDEX, _DICTIONARY) if number in meta and meta[number][1] > 0]
    return (min(starts), min(starts) + size) if size and starts else None


def _sound(chunks: Sequence[Sequence[Struct]], ranges: Sequence[tuple[int, int]], end: int) -> bool:
    """Whether all chunks are in this file, and apart from each other; some writers' footers are not to be trusted."""
    elsewhere = any(_FILE_PATH in chunk or _CRYPTO in chunk for group in chunks for chunk in group)
    apart = all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    return not elsewhere and apart and all(len(MAGIC) <= first and last <= end for first, last in ranges)


def _pieces(ranges: Sequence[tuple[int, int]], gap_bytes: int) -> tuple[Piece, ...]:
    joined: list[list[int]] = []
    for start, end in ranges:
        if joined and start - joined[-1][1] <= gap_bytes:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    pieces: list[Piece] = []
    at = len(MAGIC)
    for start, end in joined:
        pieces.append(Piece(at, start, end))
        at += end - start
    return tuple(pieces)


def _footer(
    told: Struct,
    kept: Sequence[_Root],
    leaves: Sequence[int],
    groups: Sequence[Struct],
    chunks: Sequence[Sequence[Struct]],
    pieces: Sequence[Piece],
    *,
    whole_rows: bool,
) -> Struct:
    elements = _structs(told, _SCHEMA)
    root = {**elements[0], _CHILDREN: (elements[0][_CHILDREN][0], len(kept))}
    schema = [root, *(elements[index] for item in kept for index in item.elements)]
    written = [
        _group(group, number, leaves, columns, pieces)
        for number, (group, columns) in enumerate(zip(groups, chunks, strict=True))
    ]
    footer = {
        **told,
        _SCHEMA: (LIST, Items(STRUCT, schema)),
        _NUM_ROWS: (I64, sum(int(group[_ROWS][1]) for group in groups)),
        _ROW_GROUPS: (LIST, Items(STRUCT, written)),
    }
    if _ORDERS in told:
        orders = told[_ORDERS][1].values
        footer[_ORDERS] = (LIST, Items(STRUCT, [orders[leaf] for leaf in leaves]))
    if _KEYS in told:
        names = [item.name for item in kept]
        footer[_KEYS] = (LIST, Items(STRUCT, kept_keys(_structs(told, _KEYS), names, whole_rows=whole_rows)))
    return footer


def _group(
    group: Struct, number: int, leaves: Sequence[int], chunks: Sequence[Struct], pieces: Sequence[Piece]
) -> Struct:
    columns = [_chunk(chunk, pieces) for chunk in chunks]
    metas: list[Struct] = [chunk[_META][1] for chunk in chunks]
    written = {
        **group,
        _COLUMNS: (LIST, Items(STRUCT, columns)),
        _TOTAL_BYTES: (I64, sum(int(meta[_UNCOMPRESSED][1]) for meta in metas)),
    }
    if _COMPRESSED in group:
        written[_COMPRESSED] = (I64, sum(int(meta[_COMPRESSED_CHUNK][1]) for meta in metas))
    if _ORDINAL in group:
        written[_ORDINAL] = (I16, number)
    first = [found[0] for chunk in chunks if (found := _range(chunk))]
    if _GROUP_OFFSET in group:
        written[_GROUP_OFFSET] = (I64, _moved(min(first), pieces) if first else 0)
    if _SORTING in group:
        written[_SORTING] = (LIST, Items(STRUCT, _sorting(_structs(group, _SORTING), leaves)))
    return {key: value for key, value in written.items() if key != _SORTING or value[1].values}


def _sorting(sorting: Sequence[Struct], leaves: Sequence[int]) -> list[Struct]:
    """The columns that the rows are sorted by, up to the first that is left out: after that it says nothing."""
    found: list[Struct] = []
    for item in sorting:
        kind, leaf = item[_COLUMN_INDEX]
        if leaf not in leaves:
            break
        found.append({**item, _COLUMN_INDEX: (kind, leaves.index(leaf))})
    return found


def _chunk(chunk: Struct, pieces: Sequence[Piece]) -> Struct:
    meta: Struct = {number: value for number, value in chunk[_META][1].items() if number not in _BLOOM}
    for number in (_DATA, _INDEX, _DICTIONARY):
        if number in meta and (_range(chunk) is not None and meta[number][1] > 0):
            meta[number] = (meta[number][0], _moved(meta[number][1], pieces))
    written = {number: value for number, value in chunk.items() if number not in _INDEXES}
    if chunk.get(_CHUNK_OFFSET, (I64, 0))[1] and (found := _range(chunk)):
        written[_CHUNK_OFFSET] = (I64, _moved(found[0], pieces))
    return {**written, _META: (STRUCT, meta)}


def _moved(offset: int, pieces: Sequence[Piece]) -> int:
    """Where a byte of the object stands in the new file."""
    low, high = 0, len(pieces) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if pieces[middle].start <= offset else (low, middle - 1)
    return pieces[low].at + offset - pieces[low].start
