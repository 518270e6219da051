"""Which bytes of one file stand in others: spans that never overlap, and say where."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.salvage import Salvage, Source, Span, join, spans
from forebay.catalog.recipe import Piece

SIZE = 60
OBJECT = bytes(range(SIZE))


@st.composite
def cuts(draw: st.DrawFn) -> tuple[Piece, ...]:
    """Some ranges of the object, one after another in a file that begins with four bytes of its own."""
    edges = sorted(draw(st.sets(st.integers(0, SIZE), max_size=8)))
    pieces: list[Piece] = []
    at = 4
    for start, end in zip(edges[::2], edges[1::2], strict=False):
        pieces.append(Piece(at, start, end))
        at += end - start
    return tuple(pieces)


def made(pieces: tuple[Piece, ...]) -> bytes:
    return b"HEAD" + b"".join(OBJECT[piece.start : piece.end] for piece in pieces)


def held(pieces: tuple[Piece, ...]) -> set[int]:
    return {offset for piece in pieces for offset in range(piece.start, piece.end)}


@given(target=cuts(), one=cuts(), other=cuts())
def test_every_byte_that_is_here_is_found_once_and_in_its_place(
    target: tuple[Piece, ...], one: tuple[Piece, ...], other: tuple[Piece, ...]
) -> None:
    files = {Path("one"): made(one), Path("other"): made(other)}
    sources = [Source(path=Path("one"), digest="", pieces=one), Source(path=Path("other"), digest="", pieces=other)]
    found: tuple[Span, ...] = ()
    for source in sources:
        found = join(found, list(spans(target, source)))
    assert list(found) == sorted(found, key=lambda span: span.start)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    file = made(target)
    for span in found:
        there = files[span.path][span.at : span.at + span.end - span.start]
        assert there == file[span.start : span.end]
    covered = sum(span.end - span.start for span in found)
    assert covered == len(held(target) & (held(one) | held(other)))


@given(target=cuts(), one=cuts(), data=st.data())
def test_it_reads_as_if_an_earlier_try_had_left_it(
    target: tuple[Piece, ...], one: tuple[Piece, ...], data: st.DataObject
) -> None:
    found = join((), list(spans(target, Source(path=Path("one"), digest="", pieces=one))))
    if not found:
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(made(one))
        file.flush()
        placed = tuple(Span(span.start, span.end, Path(file.name), span.at, "") for span in found)
        salvage = Salvage(path=Path(file.name), ranges=(), digest=None, spans=placed)
        span = data.draw(st.sampled_from(placed))
        start = data.draw(st.integers(span.start, span.end))
        end = data.draw(st.integers(start, span.end))
        assert b"".join(salvage.read(start, end)) == made(target)[start:end]
