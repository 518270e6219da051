"""What streams ask for and take from each other: every byte once, whoever is how fast, and nobody waits long."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.pace import LEAST_CUT_BYTES, next_ask
from forebay.cache.piece import File, Piece
from forebay.cache.plan import Missing, Range, Segment
from forebay.cache.transfer import Wanted

MIB = 1 << 20


def _piece(size: int, *, etag: str = "e", copied_to: int = 0) -> Piece:
    missing = Missing(index=0, kept=(), gaps=(Range(0, size),))
    wanted = Wanted(missing=missing, key="k", etag=etag, version_id="", size_bytes=size, digest=None, leftover=None)
    return Piece(File(wanted, (Segment(start=0, copied_to=copied_to, end=size),)), 0, copied_to, size)


def test_an_object_without_etag_and_version_is_asked_for_whole_and_never_shared() -> None:
    """Two requests could be answered from two objects, and nobody would know."""
    nameless = _piece(512 * MIB, etag="")
    assert nameless.cut_rest() is None
    assert nameless.ask(32 * MIB) == 512 * MIB


def test_what_was_asked_for_is_not_taken() -> None:
    first = _piece(512 * MIB)
    assert first.ask(400 * MIB) == 400 * MIB
    rest = first.cut_rest()
    assert rest is not None
    assert (rest.start, rest.end, first.end) == (400 * MIB, 512 * MIB, 400 * MIB)
    assert first.cut_rest() is None
    assert first.claim(500 * MIB) == 400 * MIB
    assert first.claim(1) == 0
    assert rest.claim(500 * MIB) == 112 * MIB


def test_half_is_taken_where_nobody_asked_yet() -> None:
    first = _piece(512 * MIB)
    first.ask(32 * MIB)
    first.claim(32 * MIB)
    rest = first.cut_rest()
    assert rest is not None
    assert (first.end, rest.end) == (272 * MIB, 512 * MIB)


def test_what_an_earlier_try_left_is_neither_asked_for_nor_taken() -> None:
    left = _piece(512 * MIB, copied_to=440 * MIB)
    rest = left.cut_rest()
    assert rest is not None
    assert rest.start == 476 * MIB
    assert left.ask(32 * MIB) == 476 * MIB
    assert _piece(512 * MIB, copied_to=470 * MIB).cut_rest() is None, "too little for two"


def test_a_small_file_is_one_request_and_no_crumb_is_left() -> None:
    assert _piece(60 * MIB).ask(32 * MIB) == 60 * MIB
    assert _piece(64 * MIB).ask(32 * MIB) == 32 * MIB


@given(
    size=st.integers(0, 1 << 33),
    moves=st.lists(st.tuples(st.sampled_from(["ask", "claim", "cut"]), st.integers(0, 99), st.integers(1, 1 << 31))),
)
def test_every_byte_is_asked_for_once_whoever_takes_what_when(size: int, moves: list[tuple[str, int, int]]) -> None:
    pieces, asked = [_piece(size)], list[tuple[int, int]]()

    def ask(piece: Piece, most_bytes: int | None) -> None:
        before = piece.asked_to
        asked.append((before, piece.ask(most_bytes)))

    for move, who, count in moves:
        piece = pieces[who % len(pieces)]
        if move == "ask":
            ask(piece, max(count, LEAST_CUT_BYTES))
        elif move == "claim":
            claimed = piece.claim(min(count, piece.asked_to - piece.position))
            assert claimed == min(count, claimed)
        elif (rest := piece.cut_rest()) is not None:
            pieces.append(rest)
        assert all(piece.position <= piece.asked_to <= piece.end for piece in pieces)
    for piece in pieces:
        ask(piece, None)
    ranges = sorted(item for item in asked if item[0] < item[1])
    assert all(before[1] == after[0] for before, after in pairwise(ranges)), "no gap and no byte twice"
    assert sum(end - start for start, end in ranges) == size


@given(
    most_bytes=st.integers(LEAST_CUT_BYTES, 1 << 34),
    moved_bytes=st.integers(0, 1 << 34),
    waited_s=st.floats(0, 1e3),
    seconds=st.floats(0, 1e4),
)
def test_what_is_asked_for_next_stays_within_its_bounds(
    most_bytes: int, moved_bytes: int, waited_s: float, seconds: float
) -> None:
    asked = next_ask(most_bytes, moved_bytes=moved_bytes, waited_s=waited_s, seconds=seconds)
    assert LEAST_CUT_BYTES <= asked <= 2 * most_bytes


@pytest.mark.parametrize(
    ("moved_bytes", "waited_s", "seconds", "asked"),
    [
        (200_000_000, 0.01, 1.01, 60_000_000),  # thirty waits of a near lake
        (100_000_000, 0.2, 1.2, 200_000_000),  # two seconds, and not six
        (100_000_000, 0.05, 10.05, LEAST_CUT_BYTES),  # a slow one
        (1 << 40, 1.0, 2.0, 2 * 256 * MIB),  # one answer says little
        (MIB, 0.01, 0.02, 256 * MIB),  # a crumb says nothing
    ],
)
def test_an_answer_lasts_long_beside_the_wait_for_it(
    moved_bytes: int, waited_s: float, seconds: float, asked: int
) -> None:
    assert next_ask(256 * MIB, moved_bytes=moved_bytes, waited_s=waited_s, seconds=seconds) == pytest.approx(asked)


@dataclass(slots=True)
class _Stream:
    """One of a simulated transfer; `wait_s` until the first byte of what it asked for."""

    piece: Piece | None = None
    wait_s: float = 0.0
    asked_at: float = 0.0
    before: int = 0


class _Lake:
    """Streams of one speed that share files as a transfer has them do, in steps of time."""

    STEP_S = 0.01

    def __init__(self, files: int, file_bytes: int, stream_bytes_s: float, wait_s: float) -> None:
        self._todo = [_piece(file_bytes) for _ in range(files)]
        self._step_bytes = int(stream_bytes_s * self.STEP_S)
        self._wait_s = wait_s
        self._running = set[Piece]()
        self._most_bytes = LEAST_CUT_BYTES
        self._now = 0.0

    def seconds(self, streams: int) -> float:
        """Until all has come."""
        crew = [_Stream() for _ in range(streams)]
        while self._todo or self._running or not self._now:
            for stream in crew:
                self._step(stream)
            self._now += self.STEP_S
        return self._now

    def _step(self, stream: _Stream) -> None:
        if stream.piece is None:
            stream.piece = self._todo.pop() if self._todo else self._cut()
            if stream.piece is not None:
                self._running.add(stream.piece)
                self._ask(stream, stream.piece)
        elif stream.wait_s > 0:
            stream.wait_s -= self.STEP_S
        else:
            self._receive(stream, stream.piece)

    def _cut(self) -> Piece | None:
        return max(self._running, key=lambda piece: piece.spare_bytes).cut_rest() if self._running else None

    def _ask(self, stream: _Stream, piece: Piece) -> None:
        stream.wait_s, stream.asked_at, stream.before = self._wait_s, self._now, piece.position
        piece.ask(self._most_bytes)

    def _receive(self, stream: _Stream, piece: Piece) -> None:
        piece.claim(min(self._step_bytes, piece.asked_to - piece.position))
        if piece.position < piece.asked_to:
            return
        moved_bytes, seconds = piece.position - stream.before, self._now - stream.asked_at
        self._most_bytes = next_ask(self._most_bytes, moved_bytes=moved_bytes, waited_s=self._wait_s, seconds=seconds)
        if piece.asked_to < piece.end:
            self._ask(stream, piece)
        else:
            self._running.discard(piece)
            stream.piece = None


@pytest.mark.parametrize(
    ("files", "file_bytes", "streams", "stream_bytes_s", "wait_s"),
    [
        (1, 4 << 30, 8, 25e6, 0.05),
        (1, 4 << 30, 4, 100e6, 0.05),
        (1, 8 << 30, 64, 10e6, 0.1),
        (6, 512 << 20, 4, 50e6, 0.05),
        (6, 512 << 20, 4, 300e6, 0.01),
        (3, 300 << 20, 8, 5e6, 0.1),
    ],
)
def test_streams_share_what_there_is_to_the_end(
    files: int, file_bytes: int, streams: int, stream_bytes_s: float, wait_s: float
) -> None:
    """Beside lost round trips, it is the last answer alone that may keep the others waiting."""
    alike_s = files * file_bytes / streams / stream_bytes_s
    last_s = max(min(30 * wait_s, 2.0), 2 * LEAST_CUT_BYTES / stream_bytes_s) + wait_s
    took_s = _Lake(files, file_bytes, stream_bytes_s, wait_s).seconds(streams)
    assert took_s < 1.06 * alike_s + last_s
