"""Brings bytes of one file: from a peer while one is nearer, the rest of the range from the lake.

The sink gets every byte once and in order, whoever it comes from and whenever they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

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
    """The sources of one transfer. `cuts` says whether the lake gives parts of objects, as far as it is known."""

    def __init__(self, store: LakeStore, meter: Meter, clock: Clock, nearby: Nearby | None) -> None:
        self._store = store
        self._meter = meter
        self._nearby = nearby
        self.lake = Tally(store.place, clock)
        self.cuts = True

    def bring(self, piece: Piece, sink: Sink, *, lake_alone: bool) -> None:
        """Feed what the piece lacks to the sink, which claims it; what the sink raises comes through."""
        wanted = piece.file.wanted
        if self._nearby is not None and wanted.digest is not None and not lake_alone and piece.end > piece.copied_to:
            self._from_peers(self._nearby, piece, wanted.digest, sink)
            if piece.position >= piece.end:
                return
        try:
            self._from_lake(_parts(wanted, piece.position, piece.end), sink)
        except InputError as error:
            behind_others = piece.cut or piece.position > piece.copied_to
            if error.kind != "range-ignored" or not behind_others or wanted.cut is not None:
                raise
            # This lake gives whole objects only: the rest is to be had with all that is before it.
            self.cuts = False
            self._from_lake(_parts(wanted, 0, wanted.size_bytes), _behind(piece.position, sink))

    def suspect(self, file: File) -> None:
        """What came is not what it should be: whoever gave some of it is asked no more for that."""
        if self._nearby is not None and file.given_by:
            self._nearby.suspect(file.wanted.digest or b"", file.given_by)

    def _from_peers(self, nearby: Nearby, piece: Piece, digest: bytes, sink: Sink) -> None:
        asked = Asked(index=piece.file.wanted.missing.index, digest=digest, start=piece.position, end=piece.end)

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
