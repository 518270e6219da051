"""How the files of a subset are put together that are not whole objects: which bytes of the object go where.

A recipe belongs to one manifest and is made once, when the subset is declared; a later forebay might write another
footer. It is one Parquet file, kept in the catalog, and beside the manifest in every tree of the subset.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from forebay.catalog.parquet import damaged, open_parquet, write_parquet
from forebay.digest import new_hasher

_KIND = "recipe"
_PIECE = struct.Struct("<QQQ")
_SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("object_bytes", pa.int64(), nullable=False),
        pa.field("head", pa.binary(), nullable=False),
        pa.field("pieces", pa.binary(), nullable=False),
        pa.field("tail", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes [start, end) of an object, which stand at `at` in the file."""

    at: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A file made of an object of `object_bytes`: `head`, then the pieces without a gap, then `tail`."""

    object_bytes: int
    head: bytes
    pieces: tuple[Piece, ...]
    tail: bytes

    @property
    def size_bytes(self) -> int:
        return self._tail_at + len(self.tail)

    def parts(self, start: int, end: int) -> Iterator[bytes | Piece]:
        """What bytes [start, end) of the file are, in order: literal bytes, or pieces of the object."""
        if start < len(self.head):
            yield self.head[start:end]
        for piece in self.pieces:
            first, last = max(start, piece.at), min(end, piece.at + piece.end - piece.start)
            if first < last:
                yield Piece(first, piece.start + first - piece.at, piece.start + last - piece.at)
        if end > self._tail_at:
            yield self.tail[max(0, start - self._tail_at) : end - self._tail_at]

    @property
    def _tail_at(self) -> int:
        last = self.pieces[-1] if self.pieces else Piece(len(self.head), 0, 0)
        return last.at + last.end - last.start


def recipe_digest(cuts: Mapping[str, Cut]) -> str:
    """The digest of what files are made of, in hex; "" where none is cut."""
    if not cuts:
        return ""
    hasher = new_hasher()
    for name, cut in sorted(cuts.items()):
        for part in (name.encode(), cut.object_bytes.to_bytes(8), cut.head, _packed(cut), cut.tail):
            hasher.update(len(part).to_bytes(8))
            hasher.update(part)
    return hasher.hexdigest()


def write_recipe(path: Path, manifest_digest: str, cuts: Mapping[str, Cut]) -> None:
    """Write (not durably: the caller decides) what the cut files of a manifest are made of, by path."""
    rows = [
        {
            "path": name,
            "object_bytes": cut.object_bytes,
            "head": cut.head,
            "pieces": _packed(cut),
            "tail": cut.tail,
        }
        for name, cut in sorted(cuts.items())
    ]
    write_parquet(path, pa.Table.from_pylist(rows, _SCHEMA), kind=_KIND, digest=manifest_digest, facts={})


def read_recipe(path: Path, manifest_digest: str) -> dict[str, Cut]:
    """The cut files by path; NotFoundError, DamagedError `recipe-damaged`, also for one of another manifest."""
    with open_parquet(path, _SCHEMA, kind=_KIND) as file:
        if file.claims.digest != manifest_digest:
            raise damaged(path, _KIND, f"it belongs to the manifest {file.claims.digest}")
        rows = file.table().to_pylist()
    try:
        return {row["path"]: _cut(row) for row in rows}
    except (ValueError, struct.error) as error:
        raise damaged(path, _KIND, str(error)) from error


def _packed(cut: Cut) -> bytes:
    return b"".join(_PIECE.pack(piece.at, piece.start, piece.end) for piece in cut.pieces)


def _cut(row: dict[str, object]) -> Cut:
    packed, head, tail, size = row["pieces"], row["head"], row["tail"], row["object_bytes"]
    assert isinstance(packed, bytes) and isinstance(head, bytes) and isinstance(tail, bytes) and isinstance(size, int)  # noqa: PT018
    pieces = tuple(Piece(*piece) for piece in _PIECE.iter_unpack(packed))
    at = len(head)
    for piece in pieces:
        if piece.at != at or not piece.start < piece.end <= size:
            raise ValueError("its pieces make up no file")
        at += piece.end - piece.start
    return Cut(object_bytes=size, head=head, pieces=pieces, tail=tail)
