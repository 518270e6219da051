"""The arithmetic of a bounded log: never above its bound, beginning and end kept, offsets that stay true."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.executors.log_shape import next_kept, shape_for

BOUNDS = st.integers(64 << 10, 1 << 20)
LENGTHS = st.integers(1, 8 << 20)


def kept_after(bound: int, length: int) -> tuple[int, ...]:
    """The segments that are there when so many bytes were written, one segment after the other."""
    shape = shape_for(bound)
    kept: set[int] = set()
    for segment in range(shape.segment_of(length - 1) + 1):
        kept.add(segment)
        kept -= set(shape.surplus(kept))
    return tuple(sorted(kept))


@given(BOUNDS, LENGTHS)
def test_what_is_kept_is_within_the_bound(bound: int, length: int) -> None:
    assert len(kept_after(bound, length)) * shape_for(bound).segment_bytes <= bound


@given(BOUNDS, LENGTHS)
def test_beginning_and_end_are_kept_and_all_of_a_short_one(bound: int, length: int) -> None:
    shape, kept = shape_for(bound), kept_after(bound, length)
    last = shape.segment_of(length - 1)
    assert kept[0] == 0
    assert kept[-1] == last
    if length <= bound - shape.segment_bytes:
        assert kept == tuple(range(last + 1))
    else:
        assert set(range(shape.head)) <= set(kept)
        assert set(range(last - shape.tail + 1, last + 1)) <= set(kept)


@given(BOUNDS, LENGTHS, st.integers(0, 8 << 20))
def test_reading_goes_on_at_the_next_byte_that_is_kept(bound: int, length: int, offset: int) -> None:
    shape, kept = shape_for(bound), kept_after(bound, length)
    begin = next_kept(shape, offset, kept)
    if begin is None:
        assert offset >= shape.start_of(kept[-1] + 1)
        return
    assert begin >= offset
    assert shape.segment_of(begin) in kept
    between = range(shape.segment_of(offset), shape.segment_of(begin))
    assert not set(between) & set(kept), "nothing that is kept is passed over"
    assert begin == offset or begin == shape.start_of(shape.segment_of(begin))
