"""Devices: a GPU has one holder, a CPU as few as can be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from forebay.runs.executors.allotment import allot_cpus, allot_gpus


@given(st.lists(st.integers(0, 4), max_size=12))
def test_no_gpu_has_two_holders_and_none_is_left_idle(wishes: list[int]) -> None:
    had, held = ("0", "1", "GPU-a", "GPU-b"), list[str]()
    for wanted in wishes:
        got = allot_gpus(wanted, had, held)
        if got is None:
            assert len(had) - len(held) < wanted
        else:
            assert len(got) == wanted
            held += got
    assert len(set(held)) == len(held)
    assert set(held) <= set(had)


@given(st.integers(0, 9), st.sets(st.integers(0, 7), min_size=1), st.lists(st.integers(0, 7), max_size=20))
def test_the_cpus_are_those_that_fewest_hold(wanted: int, had: set[int], held: list[int]) -> None:
    got = allot_cpus(wanted, had, held)
    if not 0 < wanted < len(had):
        assert got == ()
        return
    assert len(set(got)) == wanted
    assert set(got) <= had
    holders = Counter(held)
    others = had - set(got)
    assert max(holders[cpu] for cpu in got) <= min(holders[cpu] for cpu in others)
