"""What is fetched: names and sizes of the objects of one measurement."""

from __future__ import annotations

from bench.origin import Work

SMALL = Work(name="small", bucket="small", objects=10_000, object_bytes=20_000)
BIG = Work(name="big", bucket="big", objects=4, object_bytes=512 << 20)


def test_a_quick_look_has_fewer_small_objects_and_smaller_big_ones() -> None:
    assert (SMALL.scaled(0.1).objects, SMALL.scaled(0.1).object_bytes) == (1000, 20_000)
    assert (BIG.scaled(0.125).objects, BIG.scaled(0.125).object_bytes) == (4, 64 << 20)


def test_full_scale_is_the_work_itself() -> None:
    assert SMALL.scaled(1.0) == SMALL
    assert BIG.scaled(1.0) == BIG


def test_no_two_objects_have_one_key_and_all_lie_below_the_url() -> None:
    keys = {SMALL.key(index) for index in range(SMALL.objects)}
    assert len(keys) == SMALL.objects
    assert all(f"s3://small/{key}".startswith(SMALL.url) for key in keys)


def test_it_is_described_as_people_say_it() -> None:
    assert (str(SMALL), str(BIG)) == ("10,000 x 20 KB", "4 x 512 MiB")
