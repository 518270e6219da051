"""Rows are dealt whole, once, and so that no worker is without."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.models.matrix import Piece, dealt


def pieces(rows: list[int], day: int) -> list[Piece]:
    return [Piece(path=Path(f"{day}/{number}"), rows=each, day=day) for number, each in enumerate(rows)]


def rows_of(some: tuple[Piece, ...]) -> list[tuple[Path, int]]:
    """Each row by its file and its place there; a whole piece has as many as it says."""
    return [(piece.path, piece.first + piece.step * row) for piece in some for row in range(piece.rows)]


@given(
    st.lists(st.integers(0, 6), max_size=9).filter(any),
    st.lists(st.integers(0, 6), max_size=9),
    st.integers(1, 12),
)
def test_every_row_is_with_one_worker_and_no_worker_is_without(
    train: list[int], validation: list[int], workers: int
) -> None:
    shares = dealt(pieces(train, 0), pieces(validation, 1), workers)
    assert 1 <= len(shares) <= workers
    assert all(share.train for share in shares)
    assert all(bool(share.validation) is any(validation) for share in shares)
    for mine, given_rows, day in (("train", train, 0), ("validation", validation, 1)):
        dealt_rows = Counter(row for share in shares for row in rows_of(getattr(share, mine)))
        assert dealt_rows == Counter(rows_of(tuple(pieces(given_rows, day))))


def test_whole_parts_go_round_by_their_position() -> None:
    shares = dealt(pieces([5, 5, 5], 0), pieces([5, 5], 1), 2)
    assert [[piece.path.name for piece in share.train] for share in shares] == [["0", "2"], ["1"]]
    assert [[piece.path.name for piece in share.validation] for share in shares] == [["0"], ["1"]]
    assert all(piece.step == 1 for share in shares for piece in share.validation)
