"""A bounded log, pure: its bytes are cut into segments of one size; the first and the last ones are kept.

A byte's offset is its place in all that was ever written, so a reader that follows by offset needs to be told nothing
when the middle goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_SEGMENTS = 16
_HEAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LogShape:
    """Segments of `segment_bytes`; the first `head` of them and the last `tail` are kept."""

    segment_bytes: int
    head: int
    tail: int

    def segment_of(self, offset: int) -> int:
        return offset // self.segment_bytes

    def start_of(self, segment: int) -> int:
        """The offset of its first byte."""
        return segment * self.segment_bytes

    def end_of(self, segment: int) -> int:
        return (segment + 1) * self.segment_bytes

    def surplus(self, segments: Iterable[int]) -> tuple[int, ...]:
        """Those to delete, so that with the last one full no more than the bound is kept."""
        present = sorted(segments)
        keep_from = present[-1] - self.tail + 1 if present else 0
        return tuple(segment for segment in present if self.head <= segment < keep_from)


def shape_for(bound_bytes: int) -> LogShape:
    """A quarter of the bound for the beginning, the rest for the end."""
    return LogShape(segment_bytes=max(1, bound_bytes // _SEGMENTS), head=_HEAD, tail=_SEGMENTS - _HEAD)


def next_kept(shape: LogShape, offset: int, segments: Iterable[int]) -> int | None:
    """Where reading from `offset` goes on: there, or at the next segment that is kept; None when nothing follows."""
    wanted = shape.segment_of(offset)
    following = [segment for segment in segments if segment >= wanted]
    if not following:
        return None
    return max(offset, shape.start_of(min(following)))
