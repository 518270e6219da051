"""Brings bytes of one file, a range after another: from a peer while one is nearer, the rest of it from the lake.

The sink gets every byte once and in order, whoever it comes from and whenever they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from forebay.cache import pace
from forebay.cache.meter import Meter
from forebay.cache.nearby import Asked, Nearby
from forebay.cache.tally import Tally
from forebay.catalog import recipe
from forebay.clock import Clock
from forebay.errors import InputError
from forebay.lake.backoff import Patience
from forebay.lake.fetch import Sink, fetch
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore

if TYPE_CHECKING:
    from forebay.cache.piece import File, Piece
    from forebay.cache.transfer import Wanted


class Bringer:
    """The sources of one transfer. `cuts`: files may be asked for in parts, so that streams can share them.

    That is over once the lake has answered with a whole object.
    """

    def __init__(self, store: LakeStore, meter: Meter, clock: Clock, nearby: Nearby | None, *, cuts: bool) -> None:
        self._store = store
        self._meter = meter
        self._clock = clock
        self._nearby = nearby
        # What one stream learns is good for all: whoever comes last sets it.
        self._ask_bytes = pace.LEAST_CUT_BYTES
        self.lake = Tally(store.place, clock)
        self.cuts = cuts

    def bring(self, piece: Piece, sink: Sink, *, lake_alone: bool) -> None:
        """Feed what the piece lacks to the sink, which claims it; what the sink raises comes through."""
        nearby = None if lake_alone else self._nearby
        first_at = 0.0

        def noting(chunk: bytes) -> None:
            nonlocal first_at
            first_at = first_at or self._clock.monotonic()
            sink(chunk)

        while True:
            began, before, first_at = self._clock.monotonic(), piece.position, 0.0
            self._bring_range(piece, piece.ask(self._ask_bytes if self.cuts else None), noting, nearby)
            if piece.asked_to >= piece.end:
                return
            self._ask_bytes = pace.next_ask(
                self._ask_bytes,
                moved_bytes=piece.position - before,
                waited_s=first_at - began,
                seconds=self._clock.monotonic() - began,
            )

    def _bring_range(self, piece: Piece, end: int, sink: Sink, nearby: Nearby | None) -> None:
        wanted = piece.file.wanted
        if nearby is not None and wanted.digest is not None and end > piece.position:
            self._from_peers(nearby, piece, end, wanted.digest, sink)
            if piece.position >= end:
                return
        try:
            self._from_lake(_parts(wanted, piece.position, end), sink)
        except InputError as error:
            if error.kind != "range-ignored" or wanted.cut is not None:
                raise
            # This lake gives whole objects only: the rest is to be had with all that is before it.
            self.cuts = False
            piece.ask(None)
            self._from_lake(_parts(wanted, 0, wanted.size_bytes), _behind(piece.position, sink))

    def suspect(self, file: File) -> None:
        """What came is not what it should be: whoever gave some of it is asked no more for that."""
        if self._nearby is not None and file.given_by:
            self._nearby.suspect(file.wanted.digest or b"", file.given_by)

    def _from_peers(self, nearby: Nearby, piece: Piece, end: int, digest: bytes, sink: Sink) -> None:
        asked = Asked(index=piece.file.wanted.missing.index, digest=digest, start=piece.position, end=end)

        def counted(chunk: bytes) -> None:
            before = piece.position
            try:
                sink(chunk)
            finally:
                self._meter.came_from_peer(piece.position - before)

        nearby.fetch(asked, counted, self._meter.cancelled, piece.file.given_by)

    def _from_lake(self, parts: Iterable[Part | bytes], sink: Sink) -> None:
        for part in parts:
            if isinstance(part, bytes):
                sink(part)
                continue
            request = self.lake.begin()

            def counted(chunk: bytes, request: object = request) -> None:
                self.lake.came(request, len(chunk))  # type: ignore[arg-type]
                sink(chunk)

            try:
                patience = Patience(sleep=self._meter.wait)
                fetch(self._store, part, counted, cancelled=self._meter.cancelled, patience=patience)
            finally:
                self.lake.end(request)


def _behind(skipped_bytes: int, sink: Sink) -> Sink:
    """A sink that is not given the first bytes."""
    left = skipped_bytes

    def shorter(chunk: bytes) -> None:
        nonlocal left
        skip = min(left, len(chunk))
        left -= skip
        if skip < len(chunk):
            sink(chunk[skip:])

    return shorter


def _parts(wanted: Wanted, start: int, end: int) -> Iterator[Part | bytes]:
    """What to ask the lake for, to have bytes [start, end) of a file; literal bytes where the lake has none of them."""
    whole = (recipe.Piece(start, start, end),)
    for piece in whole if wanted.cut is None else wanted.cut.parts(start, end):
        if isinstance(piece, bytes):
            yield piece
            continue
        yield Part(
            index=wanted.missing.index,
            key=wanted.key,
            etag=wanted.etag,
            version_id=wanted.version_id,
            start=piece.start,
            end=piece.end,
            object_size_bytes=wanted.size_bytes if wanted.cut is None else wanted.cut.object_bytes,
        )
