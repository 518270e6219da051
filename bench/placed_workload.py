"""What bench.placement simulates: sites, lakes, links, versions and jobs, from a seed or from a trace. Values only.

Sources are named where the numbers are; bench.placement tells what they leave out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.runs.world import Wanted
from forebay.sites.labels import Expression, parse_expression
from forebay.sites.site import Resources, Site

WEEK_S = 7 * 86400.0
GB = 10**9
_MOST_SLOTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A link as it really is; placement learns of its bandwidth only by fills."""

    bandwidth_bytes_s: float
    latency_s: float
    price_byte: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that is asked for at `at`, takes `run_s` once started, and is thought to take `estimate_s`."""

    run_id: str
    at: float
    wanted: Wanted
    resources: Resources
    run_s: float
    estimate_s: float
    where: Expression = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`ways` by (source, target); `residency` as placement has it."""

    sites: tuple[Site, ...]
    ways: dict[tuple[str, str], Way]
    jobs: tuple[Job, ...]
    residency: dict[str, frozenset[str]]


# Name: cloud, region, GPUs, their type, TB of cache volume, price of a GPU hour (of the order of public lists).
_SITES = {
    "basement": ("own", "eu", 16, "a100", 4, 0.9),
    "lab": ("own", "us", 8, "v100", 2, 0.6),
    "aws-us": ("aws", "us", 64, "a100", 6, 3.7),
    "aws-eu": ("aws", "eu", 32, "a100", 4, 3.9),
    "azure-us": ("azure", "us", 64, "a100", 6, 3.6),
    "azure-eu": ("azure", "eu", 32, "v100", 4, 2.9),
    "gcp-us": ("gcp", "us", 48, "v100", 4, 2.6),
    "gcp-asia": ("gcp", "asia", 24, "a100", 4, 3.9),
}
_LAKES = {"lake-aws": ("aws", "us"), "lake-azure": ("azure", "eu"), "lake-own": ("own", "eu")}
_LAKE_SHARES = (0.5, 0.3, 0.2)


def sites(*, capacity: float = 1.0) -> tuple[Site, ...]:
    """The eight; `capacity` scales their compute, their GPUs becoming slots; every job of a trace fits everywhere."""
    return tuple(
        Site(
            name=name,
            capacity=Resources(gpus=max(_MOST_SLOTS, round(gpus * capacity))),
            labels={"cloud": cloud, "region": region, "gpu": str(gpus), "gpu-type": kind},
            volume_bytes=tb * 1000 * GB,
            gpu_hour_price=price,
        )
        for name, (cloud, region, gpus, kind, tb, price) in _SITES.items()
    )


def ways() -> dict[tuple[str, str], Way]:
    """From every lake and every site to every site."""
    places = {name: (cloud, region) for name, (cloud, region, *_) in _SITES.items()}
    return {
        (source, target): _way(origin, places[target])
        for source, origin in {**_LAKES, **places}.items()
        for target in places
        if source != target
    }


def _way(source: tuple[str, str], target: tuple[str, str]) -> Way:
    """The three links of the issue's topology: same place, same cloud or region, neither. Egress as clouds list it."""
    same_cloud, same_region = source[0] == target[0], source[1] == target[1]
    price_gb = 0.0 if source[0] == "own" or (same_cloud and same_region) else 0.02 if same_cloud else 0.09
    bits_s, latency_s = (10e9, 0.001) if same_cloud and same_region else (1e9, 0.03) if same_region else (2e8, 0.08)
    if same_cloud and not same_region:
        bits_s, latency_s = 1e9, 0.08
    return Way(bandwidth_bytes_s=bits_s / 8, latency_s=latency_s, price_byte=price_gb / GB)


_DATASETS = 200
_SIZE_MEDIAN_BYTES, _SIZE_SPREAD = 30 * GB, 1.5
_MOST_BYTES = 1500 * GB
# Half of all runs are short and the mean is that of the few long ones: a lognormal with both figures, cut at a day.
_RUN_MEDIAN_S, _RUN_MEAN_S, _RUN_MOST_S = 206.0, 6652.0, 86400.0
_GPUS, _GPU_SHARES = (1, 2, 4, 8, 16), (0.60, 0.10, 0.12, 0.15, 0.03)
_ESTIMATE_SPREAD = 0.7
_WHERE = ("", "", "", "", "gpu-type=a100", "cloud!=gcp")


def week(seed: int, *, jobs: int = 10_000, days: float = 7.0) -> Workload:
    """Jobs that come by day more than by night, on datasets of Zipf popularity (exponent 1)."""
    chance = random.Random(seed)
    wanted = [_wanted(chance, number) for number in range(_DATASETS)]
    chance.shuffle(wanted)
    popularity = [1 / (rank + 1) for rank in range(_DATASETS)]
    here = sites()
    in_eu = frozenset(site.name for site in here if site.labels["region"] == "eu")
    residency = {item.dataset: in_eu for item in wanted if chance.random() < 0.1}
    times = sorted(_submitted(chance, days) for _ in range(jobs))
    spread = math.sqrt(2 * math.log(_RUN_MEAN_S / _RUN_MEDIAN_S))
    found = []
    for number, at in enumerate(times):
        item = chance.choices(wanted, popularity)[0]
        run_s = min(_RUN_MOST_S, _RUN_MEDIAN_S * math.exp(chance.gauss(0, spread)))
        gpus = chance.choices(_GPUS, _GPU_SHARES)[0]
        found.append(
            Job(
                run_id=f"run-{number:05d}",
                at=at,
                wanted=item,
                resources=Resources(gpus=gpus),
                run_s=run_s,
                estimate_s=run_s * math.exp(chance.gauss(0, _ESTIMATE_SPREAD)),
                where=parse_expression(chance.choice(_WHERE)),
            )
        )
    return Workload(sites=here, ways=ways(), jobs=tuple(found), residency=residency)


def _wanted(chance: random.Random, number: int) -> Wanted:
    size_bytes = min(_MOST_BYTES, int(_SIZE_MEDIAN_BYTES * math.exp(chance.gauss(0, _SIZE_SPREAD))))
    lake = chance.choices(list(_LAKES), _LAKE_SHARES)[0]
    return Wanted(ref=f"data-{number}@v1", dataset=f"data-{number}", size_bytes=size_bytes, lake=lake)


def _submitted(chance: random.Random, days: float) -> float:
    """By rejection: the rate swings by 60 % around its mean within a day."""
    while True:
        at = chance.uniform(0, days * 86400)
        if chance.random() * 1.6 < 1 - 0.6 * math.cos(2 * math.pi * at / 86400):
            return at


# The trace has no sites, durations or compute. Its 1.2 PB in a day came from a cluster of thousands of disks; the bytes
# are scaled down to these links, as SWIM does for a smaller cluster. Jobs then take a slot for every GB they read, at
# most 4, and work through input, shuffle and output at 20 MB/s a slot, with half a minute to start. The sites' compute
# is scaled so that the jobs ask for half of it.
TRACE_SCALE = 1 / 100
TRACE_DEMAND = 0.5
_SLOT_BYTES, _SLOT_BYTES_S, _STARTING_S = 1 * GB, 20e6, 30.0


def traced(path: Path, seed: int, *, share: float = 1.0) -> Workload:
    """A SWIM trace with input paths, or its beginning: job, submit second, gap, input, shuffle, output bytes, path."""
    chance = random.Random(seed)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines = lines[: max(1, int(share * len(lines)))]
    sizes: dict[str, int] = {}
    for line in lines:
        sizes[line[6]] = max(sizes.get(line[6], 1), _scaled(line[3]))
    wanted = {
        name: Wanted(
            ref=f"{name}@v1", dataset=name, size_bytes=size, lake=chance.choices(list(_LAKES), _LAKE_SHARES)[0]
        )
        for name, size in sizes.items()
    }
    jobs = tuple(sorted((_traced_job(chance, line, wanted[line[6]]) for line in lines), key=lambda job: job.at))
    scaled = sites(capacity=demand(jobs, sites()) / TRACE_DEMAND)
    return Workload(sites=scaled, ways=ways(), jobs=jobs, residency={})


def _traced_job(chance: random.Random, line: Sequence[str], wanted: Wanted) -> Job:
    slots = max(1, min(_MOST_SLOTS, math.ceil(_scaled(line[3]) / _SLOT_BYTES)))
    run_s = _STARTING_S + sum(_scaled(field) for field in line[3:6]) / (_SLOT_BYTES_S * slots)
    return Job(
        run_id=line[0],
        at=float(line[1]),
        wanted=wanted,
        resources=Resources(gpus=slots),
        run_s=run_s,
        estimate_s=run_s * math.exp(chance.gauss(0, _ESTIMATE_SPREAD)),
    )


def _scaled(field: str) -> int:
    return max(1, int(int(field) * TRACE_SCALE))


def demand(jobs: Sequence[Job], here: Iterable[Site]) -> float:
    """The share of all compute, over the time in which jobs come, that they ask for."""
    capacity = sum(site.capacity.gpus for site in here)
    return sum(job.resources.gpus * job.run_s for job in jobs) / capacity / max(job.at for job in jobs)
