from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from forebay.lake.part import Part
from forebay.lake.plan import MIB, Limits, plan_transfer


def whole(index: int, size_bytes: int) -> Part:
    return Part(
        index=index,
        key=f"k{index}",
        etag="",
        version_id="",
        start=0,
        end=size_bytes,
        object_size_bytes=size_bytes,
    )


sizes = st.one_of(st.integers(0, 100), st.integers(0, 600 * MIB), st.integers(0, 20_000 * MIB))
objects = st.lists(sizes, max_size=30).map(lambda found: [whole(index, size) for index, size in enumerate(found)])
all_limits = st.builds(
    Limits,
    streams=st.integers(1, 16),
    split_above_bytes=st.integers(1, 512 * MIB),
    small_bytes=st.integers(0, 16 * MIB),
    batch_files=st.integers(1, 10),
    batch_bytes=st.integers(1, 64 * MIB),
    ranges=st.booleans(),
)


def check_exactly_once(wanted: list[Part], parts: list[Part]) -> None:
    spans = defaultdict(list)
    for part in parts:
        assert part.end > part.start or part.object_size_bytes == 0
        spans[part.index].append((part.start, part.end))
    assert sorted(spans) == [part.index for part in wanted]
    for part in wanted:
        position = part.start
        for start, end in sorted(spans[part.index]):
            assert start == position
            position = end
        assert position == part.end


@given(wanted=objects, limits=all_limits)
def test_parts_cover_every_object_exactly_once(wanted: list[Part], limits: Limits) -> None:
    plan = plan_transfer(wanted, limits)

    check_exactly_once(wanted, list(plan.parts()))
    assert plan.size_bytes == sum(part.size_bytes for part in wanted)


@given(wanted=objects, limits=all_limits)
def test_streamed_parts_come_largest_first_and_batches_are_bounded(wanted: list[Part], limits: Limits) -> None:
    plan = plan_transfer(wanted, limits)

    streamed = [part.size_bytes for part in plan.streamed]
    assert streamed == sorted(streamed, reverse=True)
    assert all(size > limits.small_bytes for size in streamed) or any(not part.whole for part in plan.streamed)
    for batch in plan.batches:
        assert 1 <= len(batch) <= limits.batch_files
        assert len(batch) == 1 or sum(part.size_bytes for part in batch) <= limits.batch_bytes


@given(wanted=objects, limits=all_limits)
def test_no_object_is_split_without_need(wanted: list[Part], limits: Limits) -> None:
    plan = plan_transfer(wanted, limits)

    large = sum(part.size_bytes for part in wanted if part.size_bytes > limits.small_bytes)
    for part in plan.streamed:
        if not part.whole:
            assert limits.ranges
            assert part.object_size_bytes > max(limits.split_above_bytes, large // limits.streams)


@given(wanted=objects, limits=all_limits, nodes=st.integers(1, 6))
def test_a_split_plan_is_the_same_plan(wanted: list[Part], limits: Limits, nodes: int) -> None:
    plan = plan_transfer(wanted, limits)
    split = plan.split(nodes)

    assert len(split) == nodes
    check_exactly_once(wanted, [part for one in split for part in one.parts()])


@given(wanted=objects, limits=all_limits)
def test_the_same_question_has_the_same_answer(wanted: list[Part], limits: Limits) -> None:
    assert plan_transfer(wanted, limits) == plan_transfer(list(reversed(wanted))[::-1], limits)


def test_one_big_object_occupies_all_streams() -> None:
    plan = plan_transfer([whole(0, 2048 * MIB)], Limits(streams=4))

    assert [part.size_bytes // MIB for part in plan.streamed] == [512, 512, 512, 512]


def test_as_many_big_objects_as_streams_stay_whole() -> None:
    plan = plan_transfer([whole(index, 512 * MIB) for index in range(4)], Limits(streams=4))

    assert all(part.whole for part in plan.streamed)


def test_a_lake_that_ignores_ranges_gets_no_split() -> None:
    plan = plan_transfer([whole(0, 2048 * MIB)], Limits(streams=4, ranges=False))

    assert [part.whole for part in plan.streamed] == [True]


def test_only_the_missing_part_of_an_object_is_planned() -> None:
    rest = Part(index=3, key="k", etag="", version_id="", start=700 * MIB, end=1700 * MIB, object_size_bytes=2000 * MIB)

    plan = plan_transfer([rest], Limits(streams=2))

    assert [(part.start // MIB, part.end // MIB) for part in plan.streamed] == [(700, 1200), (1200, 1700)]
