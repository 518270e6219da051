"""A cold fill beside the fastest copy tools: the same objects, the same server, the same disk, every byte durable.

forebay verifies (BLAKE3, etags) and ends with a version that is ready; the peers end with plain copies. Every tool's
time is that of its whole process and of `sync -f` after it. Three ways to the objects: an S3 server on loopback, the
same server behind a link of 1 Gbit/s and 30 ms, and a server that is never the limit.
Run: python -m bench.fill [--rounds N] [--scale X] [--works big small fast link-big link-small]
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench import fillers
from bench.machine import machine_facts, options_parser
from bench.origin import Origin, Work
from bench.process import Usage
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.testing.link import FAR, LinkMissingError

BIG = Work(name="big objects", bucket="big", objects=4, object_bytes=512 << 20)
SMALL = Work(name="small files", bucket="small", objects=10_000, object_bytes=20_000)
PEAK_AIM_BYTES = 500_000_000
LINK_AIM = 0.95
FOREBAY = "forebay"
IN_PROCESS = "forebay in a running Python"
PEERS: Mapping[str, fillers.Fill] = {
    "s5cmd": fillers.fill_s5cmd,
    "rclone": fillers.fill_rclone,
    "juicefs sync": fillers.fill_juicefs,
    "s3fs": fillers.fill_s3fs,
}
ENTRANTS: Mapping[str, fillers.Fill] = {FOREBAY: fillers.fill_forebay, **PEERS, IN_PROCESS: fillers.fill_in_process}

Results = Mapping[str, Sequence[Usage]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One work over one way; `aim` is how many times the fastest peer's speed forebay should have."""

    name: str
    work: Work
    way: str
    aim: float = 1.0


_WAYS = {
    "loopback": "from SeaweedFS on loopback",
    "fast": "from LocalBucket on loopback",
    "link": f"from SeaweedFS over {FAR.rate_bits_s / 1e9:g} Gbit/s and {FAR.round_trip_s * 1000:g} ms there and back",
}
TRIALS = (
    Trial(name="big", work=BIG, way="loopback"),
    Trial(name="small", work=SMALL, way="loopback"),
    Trial(name="fast", work=BIG, way="fast", aim=1.4),
    Trial(name="link-big", work=BIG, way="link"),
    Trial(name="link-small", work=SMALL, way="link"),
)


def main() -> None:
    parser = options_parser("bench.fill", __doc__, rounds=5)
    names = [trial.name for trial in TRIALS]
    parser.add_argument("--works", nargs="+", choices=names, default=names, metavar="WORK", help=", ".join(names))
    options = parser.parse_args()
    trials = [trial for trial in TRIALS if trial.name in options.works]
    facts = machine_facts(Path(tempfile.gettempdir()))
    results: dict[str, Results] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-fill-") as scratch:
        for way in dict.fromkeys(trial.way for trial in trials):
            group = [trial for trial in trials if trial.way == way]
            try:
                results |= _measure_way(way, group, Path(scratch), options)
            except LinkMissingError as error:
                left_out |= {trial.name: str(error) for trial in group}
    measured = [trial for trial in trials if trial.name in results]
    for trial in measured:
        print(_table(trial, options.scale, results[trial.name]))
    for name, why in left_out.items():
        print(f"\n{name}: NOT MEASURED: {why}")
    facts |= {"rounds": options.rounds, "scale": options.scale, "versions": fillers.versions(), "left_out": left_out}
    facts["medians"] = {name: _medians(found) for name, found in results.items()}
    conclude("fill", _cases(measured, options.scale, results), facts)


def _measure_way(way: str, trials: Sequence[Trial], folder: Path, options: argparse.Namespace) -> dict[str, Results]:
    works = [trial.work.scaled(options.scale) for trial in trials]
    start = Origin.localbucket if way == "fast" else Origin.seaweedfs
    results: dict[str, Results] = {}
    with start(works) as server:
        for trial, work in zip(trials, works, strict=True):
            # The server's files are in memory from now on, for whoever comes first.
            warming = fillers.make_place(work, server, folder / f"warming-{trial.name}")
            fillers.fill_s5cmd(warming)
            warming.clear()
        with _seen(way, server) as origin:
            for trial, work in zip(trials, works, strict=True):
                results[trial.name] = _measure(trial.name, work, origin, folder / trial.name, options.rounds)
    return results


def _seen(way: str, server: Origin) -> contextlib.AbstractContextManager[Origin]:
    return server.behind_link() if way == "link" else contextlib.nullcontext(server)


def _measure(name: str, work: Work, origin: Origin, folder: Path, rounds: int) -> Results:
    place = fillers.make_place(work, origin, folder)
    entrants = {entrant: partial(fill, place) for entrant, fill in ENTRANTS.items()}

    def say(entrant: str, usage: Usage) -> None:
        text = f"{name}: {entrant} {usage.wall_s:.2f} s, others used {usage.others_cpu_s:.1f} CPU-s"
        print(text, file=sys.stderr, flush=True)

    results = alternate(entrants, rounds, on_done=say)
    place.clear()
    return results


def _table(trial: Trial, scale: float, results: Results) -> str:
    work = trial.work.scaled(scale)
    head = [
        "tool",
        "wall s",
        "min-max",
        "MB/s",
        "files/s",
        "sync s",
        "CPU s",
        "CPU s/GB",
        "peak MB",
        "server CPU s",
        "others CPU s",
    ]
    rows = []
    for name, usages in results.items():
        wall_s = median_of(usages, lambda usage: usage.wall_s)
        walls = [usage.wall_s for usage in usages]
        rows.append(
            [
                name,
                f"{wall_s:.2f}",
                f"{min(walls):.2f}-{max(walls):.2f}",
                f"{work.size_bytes / 1e6 / wall_s:,.0f}",
                f"{work.objects / wall_s:,.0f}" if work.objects > 100 else "",
                f"{median_of(usages, lambda usage: usage.sync_s):.2f}",
                f"{median_of(usages, lambda usage: usage.cpu_s):.2f}",
                f"{median_of(usages, lambda usage: usage.cpu_s) / (work.size_bytes / 1e9):.2f}",
                f"{median_of(usages, lambda usage: usage.peak_bytes) / 1e6:.0f}",
                f"{median_of(usages, lambda usage: usage.watched_cpu_s):.2f}",
                f"{median_of(usages, lambda usage: usage.others_cpu_s):.2f}",
            ]
        )
    rounds = len(next(iter(results.values())))
    return table(f"{trial.name}: {work}, cold, {_WAYS[trial.way]}, medians of {rounds}", head, rows)


def _medians(results: Results) -> dict[str, dict[str, float]]:
    names = [field.name for field in fields(Usage)]
    return {
        entrant: {name: round(median_of(usages, attrgetter(name)), 3) for name in names}
        for entrant, usages in results.items()
    }


def _cases(trials: Sequence[Trial], scale: float, results: Mapping[str, Results]) -> list[Case]:
    cases = [_against_peers(trial, results[trial.name], FOREBAY, Side.AT_LEAST) for trial in trials]
    cases += [_of_link(trial, scale, results[trial.name]) for trial in trials if trial.way == "link"]
    peaks = [usage.peak_bytes for trial in trials for usage in results[trial.name][FOREBAY]]
    if peaks:
        told = f"{max(peaks) / 1e6:.0f} MB"
        cases.append(Case(case="peak / 500 MB", measured=told, ratio=max(peaks) / PEAK_AIM_BYTES, side=Side.AT_MOST))
    cases += [_against_peers(trial, results[trial.name], IN_PROCESS, None) for trial in trials]
    return cases


def _against_peers(trial: Trial, results: Results, entrant: str, side: Side | None) -> Case:
    walls_s: dict[str, Any] = {name: median_of(usages, attrgetter("wall_s")) for name, usages in results.items()}
    best = min(PEERS, key=walls_s.__getitem__)
    return Case(
        case=trial.name if entrant == FOREBAY else f"{trial.name}, {entrant}",
        measured=f"{best} {walls_s[best]:.2f} s / {walls_s[entrant]:.2f} s",
        ratio=walls_s[best] / walls_s[entrant],
        side=side,
        bound=trial.aim,
    )


def _of_link(trial: Trial, scale: float, results: Results) -> Case:
    """How full forebay keeps the link, from its process's start to the end of `sync -f`."""
    bits = trial.work.scaled(scale).size_bytes * 8
    rate = bits / median_of(results[FOREBAY], attrgetter("wall_s"))
    return Case(
        case=f"{trial.name}, share of the link",
        measured=f"{rate / 1e6:.0f} of {FAR.rate_bits_s / 1e6:.0f} Mbit/s",
        ratio=rate / FAR.rate_bits_s,
        side=Side.AT_LEAST,
        bound=LINK_AIM,
    )


if __name__ == "__main__":
    main()
