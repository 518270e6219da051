"""The simulation behind bench.placement: the same seed tells the same story, and nothing is started too early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.placed_simulation import Simulation
from bench.placed_workload import GB, demand, sites, traced, week
from bench.placement import CHOOSERS, FOREBAY, LEAST, NEAREST, RANDOM, simulate
from forebay.runs.world import Weights

WEEK = week(7, jobs=250, days=0.15)


@pytest.mark.parametrize("name", CHOOSERS)
def test_every_job_is_done_once_after_it_was_asked_for(name: str) -> None:
    """That a run has its data and its compute when it starts is checked at every start, by the simulation itself."""
    simulation = Simulation(WEEK, CHOOSERS[name], seed=7, weights=Weights())
    result = simulation.run()
    assert sorted(outcome.job.run_id for outcome in result.outcomes) == [job.run_id for job in WEEK.jobs]
    assert all(outcome.start_s >= 0 for outcome in result.outcomes)
    for outcome in result.outcomes:
        assert outcome.done_s == pytest.approx(outcome.start_s + outcome.job.run_s)
        allowed = WEEK.residency.get(outcome.job.wanted.dataset)
        assert allowed is None or outcome.site in allowed
    for place in simulation.places.values():
        assert place.used_bytes == sum(held.size_bytes for held in place.held.values())
        assert place.used_bytes + place.reserved_bytes <= (place.facts.volume_bytes or 0)
        assert not place.leases
        assert not place.line


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = (simulate(WEEK, FOREBAY, 7) for _ in range(2))
    assert replace(first, program_s=0.0) == replace(second, program_s=0.0)


def test_fewer_bytes_and_less_waiting_than_by_load_alone() -> None:
    found = {name: simulate(WEEK, name, 7) for name in (FOREBAY, LEAST, RANDOM)}
    for other in (LEAST, RANDOM):
        assert found[FOREBAY].moved_bytes < found[other].moved_bytes
        assert found[FOREBAY].wait_s < found[other].wait_s


def test_with_full_volumes_runs_wait_for_room_and_end() -> None:
    """So little room that hardly two versions fit, and the grace of what just came in the way."""
    small = tuple(replace(site, volume_bytes=1500 * GB) for site in WEEK.sites)
    result = Simulation(replace(WEEK, sites=small), CHOOSERS[LEAST], seed=7, weights=Weights()).run()
    assert len(result.outcomes) == len(WEEK.jobs)
    assert result.evictions > 0


def test_a_trace_is_read(tmp_path: Path) -> None:
    lines = [
        ("job0", 1, 1, 500 * GB, 0, 10, "first"),
        ("job1", 2, 1, 20 * GB, 0, 0, "second"),
        ("job2", 9, 7, 1, 0, 0, "first"),
    ]
    path = tmp_path / "trace.tsv"
    path.write_text("".join("\t".join(str(field) for field in line) + "\t\t\n" for line in lines))
    workload = traced(path, seed=1)
    assert [job.at for job in workload.jobs] == [1.0, 2.0, 9.0]
    assert [job.resources.gpus for job in workload.jobs] == [4, 1, 1]
    assert [job.wanted.size_bytes for job in workload.jobs] == [5 * GB, GB // 5, 5 * GB]
    assert workload.jobs[0].run_s == pytest.approx(30 + 5 * GB / 80e6, rel=0.01)
    result = Simulation(workload, CHOOSERS[NEAREST], seed=1, weights=Weights()).run()
    assert result.moved_bytes == 5 * GB + GB // 5


def test_the_demand_is_below_what_the_sites_have() -> None:
    assert 0.3 < demand(week(1).jobs, sites()) < 0.8
