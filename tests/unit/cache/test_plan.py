"""What a fill has to fetch: classes that are disjoint and complete, ranges and segments that cover exactly once."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.plan import Missing, Range, gaps, merge, piece_bytes, plan_fill, segments

DIGESTS = [bytes([number]) * 32 for number in range(4)]
sizes = st.integers(0, 50)
ranges = st.lists(st.builds(Range, st.integers(-2, 55), st.integers(-2, 55)), max_size=5)


@st.composite
def manifests(draw: st.DrawFn) -> tuple[list[int], list[bytes | None]]:
    """Entries with the same digest have the same size."""
    size_of = {digest: draw(sizes) for digest in DIGESTS}
    digests = draw(st.lists(st.none() | st.sampled_from(DIGESTS), max_size=8))
    return [draw(sizes) if digest is None else size_of[digest] for digest in digests], digests


@given(manifests(), st.sets(st.sampled_from(DIGESTS)), st.dictionaries(st.integers(0, 8), ranges))
def test_classes_are_disjoint_and_complete(
    manifest: tuple[list[int], list[bytes | None]], there: set[bytes], leftovers: dict[int, list[Range]]
) -> None:
    sizes, digests = manifest
    plan = plan_fill(sizes, digests, there, leftovers)
    missing = [entry.index for entry in plan.missing]
    assert sorted([*plan.present, *plan.duplicates, *plan.finished, *missing]) == list(range(len(sizes)))
    assert all(digests[index] in there for index in plan.present)
    assert plan.need_bytes == sum(sizes[index] for index in (*plan.finished, *missing))
    assert plan.move_bytes == sum(entry.gap_bytes for entry in plan.missing)


@given(manifests(), st.sets(st.sampled_from(DIGESTS)), st.dictionaries(st.integers(0, 8), ranges))
def test_ONE_FILL_known_contents_are_fetched_once(
    manifest: tuple[list[int], list[bytes | None]], there: set[bytes], leftovers: dict[int, list[Range]]
) -> None:
    sizes, digests = manifest
    plan = plan_fill(sizes, digests, there, leftovers)
    brought = [digests[index] for index in (*plan.finished, *(entry.index for entry in plan.missing))]
    known = [digest for digest in brought if digest is not None]
    assert len(known) == len(set(known))
    assert not set(known) & there
    for index, first in plan.duplicates.items():
        assert digests[index] == digests[first]
        assert first < index


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
    assert plan_fill([0], [None], set(), {0: [Range(0, 0)]}).finished == (0,)


@given(st.lists(st.integers(0, 1000), max_size=5), st.integers(1, 8), st.integers(1, 300))
def test_pieces_keep_every_stream_busy_and_are_no_crumbs(sizes: list[int], streams: int, least: int) -> None:
    missing = [Missing(index=at, kept=(), gaps=gaps((), size)) for at, size in enumerate(sizes)]
    piece = piece_bytes(missing, streams, least)
    assert piece >= least
    assert piece * streams >= sum(sizes)
