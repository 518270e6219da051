"""What a fill has to fetch, pure: the manifest minus what the volume holds and what an earlier try left behind.

Invariant: present, duplicate, finished and missing entries are disjoint and make up the whole manifest; the gaps of a
missing entry and its kept ranges make up its bytes exactly once. Entries are numbers in arrays: a million cost 8 MB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes [start, end) of one file."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An entry to fetch. `kept` are verified ranges of an earlier try, `gaps` the rest; an empty file has no gap."""

    index: int
    kept: tuple[Range, ...]
    gaps: tuple[Range, ...]

    @property
    def gap_bytes(self) -> int:
        return sum(gap.end - gap.start for gap in self.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPlan:
    """Entries by class. `duplicates` share their known digest with an earlier entry; `finished` were left whole.

    `kept` has the ranges to keep of those missing entries that have some; `missing_entry` says what else one lacks.
    `need_bytes` is what the volume must hold on top of its blobs: everything not present, leftovers included.
    """

    present: Sequence[int]
    duplicates: Sequence[int]
    finished: Sequence[int]
    missing: Sequence[int]
    kept: Mapping[int, tuple[Range, ...]]
    need_bytes: int
    move_bytes: int

    def missing_entry(self, index: int, size: int) -> Missing:
        """What is missing of an entry; made when it is asked for, since a manifest may have millions."""
        kept = self.kept.get(index, ())
        return Missing(index=index, kept=kept, gaps=gaps(kept, size))

    def brought(self) -> Iterator[int]:
        """The entries that this fill puts on the volume."""
        return chain(self.finished, self.missing)


def plan_fill(
    sizes: Sequence[int],
    firsts: Sequence[int],
    present: Sequence[int],
    finished: Sequence[int],
    leftovers: Mapping[int, Sequence[Range]],
) -> FillPlan:
    """Sort every entry into its class.

    Given by entry: `firsts` is the first one with the same known digest (itself: none before); `present` (not 0) is on
    the volume; `finished` (not 0) was left whole by an earlier try, and `leftovers` are ranges of others that it left.
    """
    there, duplicates, whole, missing = array("q"), array("q"), array("q"), array("q")
    kept: dict[int, tuple[Range, ...]] = {}
    need_bytes = move_bytes = 0
    for index, (size, first, on_volume) in enumerate(zip(sizes, firsts, present, strict=True)):
        if on_volume:
            there.append(index)
            continue
        if first != index:
            duplicates.append(index)
            continue
        need_bytes += size
        if finished[index]:
            whole.append(index)
            continue
        missing.append(index)
        move_bytes += size
        if index in leftovers:
            kept[index] = merge(leftovers[index], size)
            move_bytes -= sum(item.end - item.start for item in kept[index])
    return FillPlan(
        present=there,
        duplicates=duplicates,
        finished=whole,
        missing=missing,
        kept=kept,
        need_bytes=need_bytes,
        move_bytes=move_bytes,
    )


def merge(ranges: Sequence[Range], size: int) -> tuple[Range, ...]:
    """The union of ranges as few sorted ones; what lies outside of [0, size) is left out.

    An empty range counts only for an empty file, which it covers.
    """
    merged: list[Range] = []
    for item in sorted(ranges, key=lambda item: (item.start, item.end)):
        if item.start < 0 or item.end > size or item.start > item.end or (item.start == item.end and size):
            continue
        if merged and item.start <= merged[-1].end:
            merged[-1] = Range(merged[-1].start, max(merged[-1].end, item.end))
        else:
            merged.append(item)
    return tuple(merged)


def gaps(kept: Sequence[Range], size: int) -> tuple[Range, ...]:
    """What merged ranges leave uncovered of [0, size)."""
    found: list[Range] = []
    position = 0
    for item in kept:
        if item.start > position:
            found.append(Range(position, item.start))
        position = item.end
    if position < size:
        found.append(Range(position, size))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Bytes [start, end) of one file, hashed as one: up to `copied_to` from an earlier try, the rest from the lake."""

    start: int
    copied_to: int
    end: int


def segments(missing: Missing, size: int, piece_bytes: int) -> tuple[Segment, ...]:
    """Cut one entry into segments, in order, whose fetched bytes are at most about `piece_bytes` each.

    They cover [0, size) exactly once; an empty file has one empty segment.
    """
    cuts: list[Segment] = []
    starts = {gap.start for gap in missing.gaps}
    for item in missing.kept:
        if item.end not in starts:
            cuts.append(Segment(start=item.start, copied_to=item.end, end=item.end))
    prefix_of = {item.end: item.start for item in missing.kept}
    for gap in missing.gaps:
        start, position = prefix_of.get(gap.start, gap.start), gap.start
        while position < gap.end:
            # No crumb at the end: the last piece may be half as long again.
            end = gap.end if gap.end - position <= piece_bytes * 3 // 2 else position + piece_bytes
            cuts.append(Segment(start=start, copied_to=position, end=end))
            start = position = end
    if size == 0:
        return (Segment(start=0, copied_to=0, end=0),)
    return tuple(sorted(cuts, key=lambda cut: cut.start))


def piece_bytes(move_bytes: int, streams: int, least_bytes: int) -> int:
    """How finely to cut large files: not at all while there are enough of them to keep every stream busy."""
    return max(least_bytes, -(-move_bytes // max(1, streams)))
