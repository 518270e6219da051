"""Where runs go: forebay's placement beside random, least-loaded and always-nearest-lake, in simulation.

10,000 jobs come within a week to 8 sites of 8 to 64 GPUs (288 in all; the jobs ask for some 55 % of them), by day
more than by night. Most ask for one GPU; run times are lognormal (median 206 s, mean 6,652 s, cut at a day): skewed
as in the published traces of GPU clusters, with figures of our own. Runs are thought to take what they take within a
factor of two (sigma of the logarithm 0.7). Each reads one of 200 datasets: Zipf popularity (exponent 1), lognormal
sizes (median 30 GB, sigma 1.5, at most 1.5 TB), in three lakes. Some ask for a type of GPU or not for a cloud; a
tenth of the datasets may only be in one region. Links are the three of the project's test topology (10 Gbit/s in the
same place, 1 Gbit/s 30 ms, 200 Mbit/s 80 ms); they drift by 30 % every six hours, and are shared evenly. Volumes hold
2 to 6 TB. Run times, sizes and Zipf are assumptions, not measurements; they were fixed before the first result was
seen.

Everybody has the same caches, the same eviction (cache.policy), the same sources (the nearest holder, lake or site),
the same queue with backfilling (runs.backlog), and fills before a run claims compute; only the site is chosen
otherwise. So the others get more from forebay here than they would have by themselves. A link's bandwidth is learned
from fills alone. Random takes a site as often as it is large; always-nearest-lake takes no note of queues.

The mean completion time contains the run itself, which no placement shortens: the table has the wait beside it.

With --trace FILE the jobs, datasets and sizes are those of a SWIM trace with input paths (one day, 25,428 jobs, a real
cluster), bytes scaled to these links; what a trace does not tell is assigned in bench.placed_workload.

Not simulated: failures, sites that go down, versions that share contents, runs that read several versions.
Run: python -m bench.placement [--rounds N] [--scale S] [--trace FILE]
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median

import forebay
from bench.machine import machine_facts, options_parser
from bench.placed_simulation import Chooser, Result, Simulation
from bench.placed_workload import Job, Workload, demand, traced, week
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate
from forebay.runs.eligible import Need, refusals
from forebay.runs.world import Request, Weights, World

FOREBAY, RANDOM, LEAST, NEAREST = "forebay", "random", "least loaded", "nearest lake"
JOBS = 10_000
TIME_AIM, BYTES_AIM = 2.0, 5.0
TB = 10**12
_WEIGHTS = Weights()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One way of choosing, one seed. Seconds are from submission; `moved_bytes` over all links."""

    mean_s: float
    p95_s: float
    wait_s: float
    moved_bytes: float
    lake_bytes: float
    egress_money: float
    compute_money: float
    program_s: float


def main() -> None:
    parser = options_parser("bench.placement", __doc__, rounds=5)
    parser.add_argument("--trace", type=Path, help="a SWIM trace with input paths, instead of the week from a seed")
    options = parser.parse_args()
    facts = machine_facts(Path(tempfile.gettempdir()))
    seeds = range(1, options.rounds + 1)
    workloads = {seed: _workload(options.trace, seed, options.scale) for seed in seeds}
    entrants = {name: partial(_rounds, name, iter(seeds), workloads) for name in (FOREBAY, RANDOM, LEAST, NEAREST)}
    results = alternate(entrants, options.rounds)
    for seed, workload in workloads.items():
        print(f"seed {seed}: {len(workload.jobs):,} jobs, {demand(workload.jobs, workload.sites):.2f} of all compute")
    print(table(f"medians of {options.rounds} seeds", _HEAD, [_shown(name, found) for name, found in results.items()]))
    facts |= {"rounds": options.rounds, "scale": options.scale, "trace": bool(options.trace)}
    facts |= {"versions": {"forebay": forebay.__version__}}
    facts["medians"] = {name: _medians(found) for name, found in results.items()}
    conclude("placement", _cases(results), facts)


def _workload(trace: Path | None, seed: int, scale: float) -> Workload:
    return traced(trace, seed) if trace else week(seed, jobs=int(JOBS * scale), days=7 * scale)


def _rounds(name: str, seeds: Iterator[int], workloads: dict[int, Workload]) -> Summary:
    seed = next(seeds)
    return simulate(workloads[seed], name, seed)


def simulate(workload: Workload, name: str, seed: int, weights: Weights = _WEIGHTS) -> Summary:
    """One way of choosing over one workload."""
    began = time.perf_counter()
    result = Simulation(workload, CHOOSERS[name], seed=seed, weights=weights).run()
    return _summary(result, time.perf_counter() - began)


def _summary(result: Result, program_s: float) -> Summary:
    done_s = sorted(outcome.done_s for outcome in result.outcomes)
    return Summary(
        mean_s=fmean(done_s),
        p95_s=done_s[int(0.95 * len(done_s))],
        wait_s=fmean(outcome.start_s for outcome in result.outcomes),
        moved_bytes=result.moved_bytes,
        lake_bytes=result.lake_bytes,
        egress_money=result.egress_money,
        compute_money=sum(outcome.compute_money for outcome in result.outcomes),
        program_s=program_s,
    )


def _allowed(simulation: Simulation, job: Job) -> list[str]:
    """Where the product's own filters would let it go."""
    workload = simulation.workload
    request = Request(
        run_id=job.run_id,
        team="team",
        submitted_at=job.at,
        resources=job.resources,
        estimate_s=job.estimate_s,
        data=(job.wanted,),
        where=job.where,
    )
    world = World(sites=workload.sites, residency=workload.residency)
    return [site.name for site in workload.sites if not refusals(request, site, world, Need())]


def _at_random(simulation: Simulation, job: Job) -> str:
    """As often as a site is large, or the small ones would be swamped."""
    allowed = _allowed(simulation, job)
    sizes = [simulation.places[name].facts.capacity.gpus for name in allowed]
    return simulation.chance.choices(allowed, sizes)[0]


def _least_loaded(simulation: Simulation, job: Job) -> str:
    """The smallest share of GPUs that running and waiting runs claim; one of them where several are alike."""
    allowed = _allowed(simulation, job)
    return min(allowed, key=lambda name: (simulation.committed(name), simulation.chance.random()))


def _nearest_lake(simulation: Simulation, job: Job) -> str:
    """The fastest link from the dataset's lake; among equals the larger site."""

    def nearness(name: str) -> tuple[float, int]:
        way = simulation.workload.ways[job.wanted.lake, name]
        return way.bandwidth_bytes_s, simulation.places[name].facts.capacity.gpus

    return max(_allowed(simulation, job), key=nearness)


CHOOSERS: dict[str, Chooser | None] = {
    FOREBAY: None,
    RANDOM: _at_random,
    LEAST: _least_loaded,
    NEAREST: _nearest_lake,
}

_HEAD = ["way", "mean done s", "p95 s", "mean wait s", "moved TB", "from lakes TB", "egress", "compute", "program s"]


def _medians(found: Sequence[Summary]) -> dict[str, float]:
    return {name: float(f"{median(getattr(summary, name) for summary in found):.6g}") for name in Summary.__slots__}


def _shown(name: str, found: Sequence[Summary]) -> list[str]:
    of = _medians(found)
    bytes_shown = [f"{of[key] / TB:.2f}" for key in ("moved_bytes", "lake_bytes")]
    numbers = [f"{of[key]:,.0f}" for key in ("mean_s", "p95_s", "wait_s")]
    money = [f"{of[key]:,.0f}" for key in ("egress_money", "compute_money")]
    return [name, *numbers, *bytes_shown, *money, f"{of['program_s']:.1f}"]


def _cases(results: dict[str, list[Summary]]) -> list[Case]:
    cases = [
        _case(results, LEAST, "mean_s", "mean completion", TIME_AIM),
        _case(results, LEAST, "moved_bytes", "bytes moved", BYTES_AIM),
        _case(results, LEAST, "wait_s", "mean wait", None),
        _case(results, LEAST, "egress_money", "egress", None),
    ]
    for other in (RANDOM, NEAREST):
        cases += [_case(results, other, "mean_s", "mean completion", None)]
        cases += [_case(results, other, "moved_bytes", "bytes moved", None)]
    return cases


def _case(results: dict[str, list[Summary]], other: str, key: str, what: str, bound: float | None) -> Case:
    """The median of the ratios within each seed."""
    pairs = list(zip(results[other], results[FOREBAY], strict=True))
    ratio = median(getattr(theirs, key) / max(getattr(ours, key), 1e-9) for theirs, ours in pairs)
    theirs, ours = (median(getattr(item, key) for item in results[name]) for name in (other, FOREBAY))
    return Case(
        case=f"{what}, {other} / {FOREBAY}",
        measured=f"{_in_units(key, theirs)} / {_in_units(key, ours)}",
        ratio=ratio,
        side=None if bound is None else Side.AT_LEAST,
        bound=bound or 1.0,
    )


def _in_units(key: str, value: float) -> str:
    if key.endswith("_bytes"):
        return f"{value / TB:.2f} TB"
    return f"{value:,.0f}" + (" s" if key.endswith("_s") else "")


if __name__ == "__main__":
    main()
