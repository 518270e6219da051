"""Which rows came and which went between some files and others, by the digests of their rows. Pure."""

from __future__ import annotations

from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forebay.wire.previews import ROW_DIGEST_BYTES, FileRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A file before and after. `was` and `is_there` say on which sides there is one; of one that nobody counted yet the
    rows are None.
    """

    was: bool
    is_there: bool
    before: FileRows | None = None
    after: FileRows | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """Rows of some files before and after, of those that were counted: `counted_before` and `counted_after` files.

    `added` and `removed` are None where that can't be said of all of them. A row that is in another file now, of those
    that are told apart by rows, is neither.
    """

    before: int
    after: int
    counted_before: int
    counted_after: int
    added: int | None
    removed: int | None


def row_change(pairs: Sequence[Pair]) -> RowChange:
    """Of all those files together."""
    before, after = ([side.rows for side in sides if side and side.rows is not None] for sides in _sides(pairs))
    came, went = _changed(pairs) or (None, None)
    return RowChange(
        before=sum(before),
        after=sum(after),
        counted_before=len(before),
        counted_after=len(after),
        added=came,
        removed=went,
    )


def _sides(pairs: Sequence[Pair]) -> tuple[list[FileRows | None], list[FileRows | None]]:
    return [pair.before for pair in pairs if pair.was], [pair.after for pair in pairs if pair.is_there]


def _changed(pairs: Sequence[Pair]) -> tuple[int, int] | None:
    """Rows that came and that went; a whole file that did does so with all its rows."""
    old, new = Counter[bytes](), Counter[bytes]()
    came = went = 0
    for pair in pairs:
        sides = ((pair.was, pair.before), (pair.is_there, pair.after))
        if all(_is_told(file) for there, file in sides if there):
            old.update(_digests(pair.before))
            new.update(_digests(pair.after))
        elif not pair.was and pair.after is not None and pair.after.rows is not None:
            came += pair.after.rows
        elif not pair.is_there and pair.before is not None and pair.before.rows is not None:
            went += pair.before.rows
        else:
            return None
    return came + (new - old).total(), went + (old - new).total()


def _is_told(file: FileRows | None) -> bool:
    return file is not None and file.rows is not None and (bool(file.digests) or file.rows == 0)


def _digests(file: FileRows | None) -> Iterable[bytes]:
    told = b64decode(file.digests) if file is not None else b""
    return (told[at : at + ROW_DIGEST_BYTES] for at in range(0, len(told), ROW_DIGEST_BYTES))
