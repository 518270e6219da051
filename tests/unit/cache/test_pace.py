"""The pace: many simulated lakes, near and far, are kept full with about as many streams as that takes."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.pace import FIRST_STREAMS, Pace, RoundMeasured, begin, may_cut, step

LIMIT = 256
ROUND_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLake:
    """A link with a rate and a latency, one stream's own rate, and a server that answers only so often."""

    link_bytes_s: float
    latency_s: float
    stream_bytes_s: float
    answers_s: float
    object_bytes: int

    def objects_s(self, streams: int) -> float:
        alone = 1 / (self.latency_s + self.object_bytes / self.stream_bytes_s)
        return min(streams * alone, self.link_bytes_s / self.object_bytes, self.answers_s)


def _run(lake: SimulatedLake, *, limit: int, rounds: int, noise: float, chance: random.Random) -> list[Pace]:
    paces = [begin(limit)]
    for _ in range(rounds):
        objects = lake.objects_s(paces[-1].streams) * ROUND_S * (1 + chance.uniform(-noise, noise))
        moved = RoundMeasured(
            seconds=ROUND_S, moved_bytes=int(objects * lake.object_bytes), moved_objects=round(objects)
        )
        paces.append(step(paces[-1], moved))
    return paces


def _share(lake: SimulatedLake, paces: list[Pace], limit: int) -> float:
    """What the later rounds moved, as a share of the most that any number of streams could have moved."""
    later = paces[len(paces) // 3 :]
    return sum(lake.objects_s(pace.streams) for pace in later) / len(later) / lake.objects_s(limit)


lakes = st.builds(
    SimulatedLake,
    link_bytes_s=st.floats(1e6, 5e9),
    latency_s=st.floats(0.0005, 0.3),
    stream_bytes_s=st.floats(5e6, 2e9),
    answers_s=st.floats(200, 1e6),
    object_bytes=st.integers(1_000, 1 << 30),
)


@given(lake=lakes, limit=st.integers(1, LIMIT))
def test_any_steady_lake_is_kept_nearly_full(lake: SimulatedLake, limit: int) -> None:
    paces = _run(lake, limit=limit, rounds=150, noise=0.0, chance=random.Random(0))
    assert all(1 <= pace.streams <= limit for pace in paces)
    assert _share(lake, paces, limit) >= 0.93


GIGABIT = 119e6
FAR_SMALL = SimulatedLake(link_bytes_s=GIGABIT, latency_s=0.03, stream_bytes_s=60e6, answers_s=1e6, object_bytes=20_000)
FAR_BIG = SimulatedLake(link_bytes_s=GIGABIT, latency_s=0.03, stream_bytes_s=60e6, answers_s=1e6, object_bytes=64 << 20)
NEAR_SMALL = SimulatedLake(link_bytes_s=2e9, latency_s=0.001, stream_bytes_s=1e9, answers_s=1_000, object_bytes=20_000)
NEAR_BIG = SimulatedLake(link_bytes_s=2e9, latency_s=0.001, stream_bytes_s=1e9, answers_s=1e6, object_bytes=256 << 20)


@pytest.mark.parametrize("lake", [FAR_SMALL, FAR_BIG, NEAR_SMALL, NEAR_BIG])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_gigabit_at_30_ms_and_a_loopback_are_kept_full(lake: SimulatedLake, noise: float) -> None:
    shares = [
        _share(lake, _run(lake, limit=LIMIT, rounds=100, noise=noise, chance=random.Random(seed)), LIMIT)
        for seed in range(20)
    ]
    assert sum(shares) / len(shares) >= 0.95


@pytest.mark.parametrize("lake", [NEAR_SMALL, NEAR_BIG])
def test_a_near_lake_gets_few_streams(lake: SimulatedLake) -> None:
    paces = _run(lake, limit=LIMIT, rounds=100, noise=0.0, chance=random.Random(0))
    assert sum(pace.streams for pace in paces) / len(paces) <= FIRST_STREAMS + 1


def test_a_far_lake_of_small_objects_gets_many_within_two_seconds() -> None:
    paces = _run(FAR_SMALL, limit=LIMIT, rounds=10, noise=0.0, chance=random.Random(0))
    assert paces[-1].streams >= 128


def test_when_the_objects_become_smaller_more_streams_are_found() -> None:
    chance = random.Random(0)
    pace = _run(FAR_BIG, limit=LIMIT, rounds=60, noise=0.02, chance=chance)[-1]
    assert pace.streams <= 16
    for _ in range(40):
        objects = FAR_SMALL.objects_s(pace.streams) * ROUND_S
        pace = step(
            pace, RoundMeasured(seconds=ROUND_S, moved_bytes=int(objects * 20_000), moved_objects=round(objects))
        )
    assert FAR_SMALL.objects_s(pace.streams) >= 0.9 * FAR_SMALL.objects_s(LIMIT)


@given(
    rates=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1 << 40), st.integers(0, 10_000)), max_size=60),
    limit=st.integers(1, LIMIT),
)
def test_whatever_is_measured_the_streams_stay_within_their_bounds(
    rates: list[tuple[float, int, int]], limit: int
) -> None:
    pace = begin(limit)
    for seconds, moved_bytes, moved_objects in rates:
        pace = step(pace, RoundMeasured(seconds=seconds, moved_bytes=moved_bytes, moved_objects=moved_objects))
        assert 1 <= pace.streams <= limit


def test_a_round_without_a_byte_changes_nothing() -> None:
    pace = begin(LIMIT)
    assert step(pace, RoundMeasured(seconds=1.0, moved_bytes=0, moved_objects=0)) == pace


@pytest.mark.parametrize(
    ("running", "rounds", "stream_bytes_s", "cuts"),
    [
        (0, 9, 1e6, False),  # there is nothing to cut
        (1, 0, 0.0, True),  # the first few streams are always wanted
        (FIRST_STREAMS - 1, 9, 1e9, True),
        (FIRST_STREAMS, 9, 1e9, False),  # a near lake: cutting costs the processor that its streams need
        (FIRST_STREAMS, 4, 1e6, False),  # nobody knows yet
        (FIRST_STREAMS, 5, 1e6, True),  # a far lake
        (200, 50, 1e6, True),
    ],
)
def test_files_are_cut_for_more_than_a_few_streams_only_where_each_is_slow(
    running: int, rounds: int, stream_bytes_s: float, cuts: bool
) -> None:
    assert may_cut(running=running, rounds=rounds, stream_bytes_s=stream_bytes_s) is cuts
