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

After that the same with the jobs, datasets and sizes of a SWIM trace with input paths (one day, 25,428 jobs, a real
cluster), where its file is there: bytes scaled to these links; what a trace does not tell is assigned in
bench.placed_workload, from one seed.

Not simulated: failures, sites that go down, versions that share contents, runs that read several versions.
Run: python -m bench.placement [--rounds N] [--scale S] [--trace FILE]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

import forebay
from bench.machine import machine_facts, options_parser
from bench.peers import ROOT
from bench.placed_simulation import Chooser, Result, Simulation
from bench.placed_workload import Job, Workload, demand, traced, week
from bench.report import Case, Side, conclude, table
from forebay.runs.eligible import Need, refusals
from forebay.runs.world import Request, Weights, World

FOREBAY, RANDOM, LEAST, NEAREST = "forebay", "random", "least loaded", "nearest lake"
JOBS = 10_000
TIME_AIM, BYTES_AIM = 2.0, 5.0
TB = 10**12
TRACE = ROOT.parent / "shared" / "data" / "fb2010_24h_jobs_with_input_paths.tsv"
"""Beside the checkout, where somebody has put it."""

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
    there = TRACE if TRACE.is_file() else None
    parser.add_argument(
        "--trace", type=Path, default=there, help="a SWIM trace with input paths (default: %(default)s)"
    )
    options = parser.parse_args()
    facts = machine_facts(Path(tempfile.gettempdir()))
    sources = {"week": [Source(scale=options.scale, seed=seed) for seed in range(1, options.rounds + 1)]}
    if options.trace is not None:
        sources["trace"] = [Source(scale=options.scale, seed=1, trace=options.trace)]
    found = _simulated([source for seeds in sources.values() for source in seeds])
    cases, medians = [], {}
    for what, seeds in sources.items():
        results = {name: [found[source, name] for source in seeds] for name in CHOOSERS}
        print(table(_title(what, seeds), _HEAD, [_shown(name, summaries) for name, summaries in results.items()]))
        cases += _cases(what, results)
        medians[what] = {name: _medians(summaries) for name, summaries in results.items()}
    facts |= {"rounds": options.rounds, "scale": options.scale, "trace": options.trace is not None}
    conclude("placement", cases, facts | {"medians": medians, "versions": {"forebay": forebay.__version__}})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where jobs come from: a week from a seed, or a trace."""

    scale: float
    seed: int
    trace: Path | None = None

    def workload(self) -> Workload:
        if self.trace is not None:
            return traced(self.trace, self.seed, share=self.scale)
        return week(self.seed, jobs=int(JOBS * self.scale), days=7 * self.scale)

    def __str__(self) -> str:
        return f"seed {self.seed}" if self.trace is None else "trace"


def _simulated(sources: Sequence[Source]) -> Mapping[tuple[Source, str], Summary]:
    """Every way over every workload, as many at once as there are cores."""
    found: dict[tuple[Source, str], Summary] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        asked = {pool.submit(_simulate, source, name): (source, name) for source in sources for name in CHOOSERS}
        for future in as_completed(asked):
            source, name = asked[future]
            found[source, name] = one = future.result()
            told = f"{one.mean_s:,.0f} s to done, {one.moved_bytes / TB:.2f} TB moved ({one.program_s:.0f} s)"
            print(f"{len(found)} of {len(asked)}: {source}, {name}: {told}", file=sys.stderr, flush=True)
    return found


def _simulate(source: Source, name: str) -> Summary:
    return simulate(source.workload(), name, source.seed)


def _title(what: str, seeds: Sequence[Source]) -> str:
    loads = [source.workload() for source in seeds]
    asked = ", ".join(f"{demand(load.jobs, load.sites):.2f}" for load in loads)
    return f"{what}: {len(loads[0].jobs):,} jobs asking for {asked} of all compute, medians of {len(seeds)} seeds"


def simulate(workload: Workload, name: str, seed: int, weights: Weights = _WEIGHTS) -> Summary:
    """One way of choosing over one workload."""
    began = time.process_time()
    result = Simulation(workload, CHOOSERS[name], seed=seed, weights=weights).run()
    return _summary(result, time.process_time() - began)


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


def _cases(what: str, results: Mapping[str, Sequence[Summary]]) -> list[Case]:
    """The claims, each named after what it was simulated over."""
    cases = [
        _case(results, LEAST, "mean_s", "mean completion", TIME_AIM),
        _case(results, LEAST, "moved_bytes", "bytes moved", BYTES_AIM),
        _case(results, LEAST, "wait_s", "mean wait", None),
        _case(results, LEAST, "egress_money", "egress", None),
    ]
    for other in (RANDOM, NEAREST):
        cases += [_case(results, other, "mean_s", "mean completion", None)]
        cases += [_case(results, other, "moved_bytes", "bytes moved", None)]
    return [replace(case, case=f"{what}: {case.case}") for case in cases]


def _case(results: Mapping[str, Sequence[Summary]], other: str, key: str, what: str, bound: float | None) -> Case:
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
