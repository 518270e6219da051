"""What a fill has to fetch: classes that are disjoint and complete, ranges and segments that cover exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.plan import FillPlan, Missing, Range, Segment, gaps, merge, piece_bytes, plan_fill, segments

sizes = st.integers(0, 50)
ranges = st.lists(st.builds(Range, st.integers(-2, 55), st.integers(-2, 55)), max_size=5)


@dataclass(frozen=True)
class Given:
    """A manifest whose entries hold one of four contents that are known, or one that is not; and what is there."""

    contents: list[int | None]
    sizes: list[int]
    firsts: list[int]
    present: list[bool]
    finished: list[bool]
    leftovers: dict[int, list[Range]]

    def plan(self) -> FillPlan:
        return plan_fill(self.sizes, self.firsts, self.present, self.finished, self.leftovers)


@st.composite
def given_manifests(draw: st.DrawFn) -> Given:
    size_of = {content: draw(sizes) for content in range(4)}
    contents = draw(st.lists(st.none() | st.integers(0, 3), max_size=8))
    there = draw(st.sets(st.integers(0, 3)))
    return Given(
        contents=contents,
        sizes=[draw(sizes) if content is None else size_of[content] for content in contents],
        firsts=[at if content is None else contents.index(content) for at, content in enumerate(contents)],
        present=[content in there for content in contents],
        finished=[draw(st.booleans()) for _ in contents],
        leftovers=draw(st.dictionaries(st.integers(0, 8), ranges)),
    )


@given(given_manifests())
def test_classes_are_disjoint_and_complete(given: Given) -> None:
    plan = given.plan()
    everything = sorted([*plan.present, *plan.duplicates, *plan.finished, *plan.missing])
    assert everything == list(range(len(given.sizes)))
    assert all(given.present[index] for index in plan.present)
    assert all(given.finished[index] for index in plan.finished)
    assert plan.need_bytes == sum(given.sizes[index] for index in plan.brought())
    lacking = [plan.missing_entry(index, given.sizes[index]) for index in plan.missing]
    assert plan.move_bytes == sum(entry.gap_bytes for entry in lacking)
    for entry in lacking:
        assert entry.kept == merge(given.leftovers.get(entry.index, ()), given.sizes[entry.index])
        assert entry.gaps == gaps(entry.kept, given.sizes[entry.index])


@given(given_manifests())
def test_ONE_FILL_known_contents_are_fetched_once(given: Given) -> None:
    plan = given.plan()
    brought = [given.contents[index] for index in plan.brought()]
    known = [content for content in brought if content is not None]
    assert len(known) == len(set(known))
    assert not any(given.present[index] for index in plan.brought())
    for index in plan.duplicates:
        first = given.firsts[index]
        assert given.contents[index] == given.contents[first]
        assert first in set(plan.brought()), "a duplicate is linked from what this fill brings"


@given(ranges, sizes)
def test_kept_and_gaps_cover_exactly_once(found: list[Range], size: int) -> None:
    kept = merge(found, size)
    pieces = sorted([*kept, *gaps(kept, size)], key=lambda item: (item.start, item.end))
    assert b"".join(bytes(range(item.start, item.end)) for item in pieces) == bytes(range(size))
    inside = {at for item in found if 0 <= item.start <= item.end <= size for at in range(item.start, item.end)}
    assert {at for item in kept for at in range(item.start, item.end)} == inside, "only what was verified is kept"
    assert all(one.end < two.start for one, two in pairwise(kept))


@given(ranges, sizes, st.integers(1, 20))
def test_segments_cover_exactly_once_and_copy_only_what_was_kept(found: list[Range], size: int, piece: int) -> None:
    kept = merge(found, size)
    cuts = segments(Missing(index=0, kept=kept, gaps=gaps(kept, size)), size, piece)
    assert [cut.start for cut in cuts] == [0, *(cut.end for cut in cuts[:-1])]
    assert cuts[-1].end == size
    copied = {at for cut in cuts for at in range(cut.start, cut.copied_to)}
    assert copied == {at for item in kept for at in range(item.start, item.end)}
    assert all(cut.end - cut.copied_to <= piece * 3 // 2 for cut in cuts)


def test_an_empty_file_is_one_empty_segment_and_finished_when_it_was_left() -> None:
    assert len(segments(Missing(index=0, kept=(), gaps=()), 0, 10)) == 1
    assert list(plan_fill([0], [0], [0], [1], {}).finished) == [0]


def test_parts_that_cover_a_file_are_no_whole_file_before_it_was_hashed_as_one() -> None:
    plan = plan_fill([9], [0], [0], [0], {0: [Range(0, 4), Range(4, 9)]})
    entry = plan.missing_entry(0, 9)
    assert (list(plan.missing), plan.move_bytes) == ([0], 0)
    assert segments(entry, 9, 100) == (Segment(start=0, copied_to=9, end=9),)


@given(st.lists(st.integers(0, 1000), max_size=5), st.integers(1, 8), st.integers(1, 300))
def test_pieces_keep_every_stream_busy_and_are_no_crumbs(sizes: list[int], streams: int, least: int) -> None:
    piece = piece_bytes(sum(sizes), streams, least)
    assert piece >= least
    assert piece * streams >= sum(sizes)
