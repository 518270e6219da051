"""A cold fill beside the fastest copy tools: the same objects, the same server, the same disk, every byte durable.

forebay verifies (BLAKE3, etags) and ends with a version that is ready; the peers end with plain copies. Every tool's
time is that of its whole process and of `sync -f` after it. Run: python -m bench.fill [--rounds N] [--scale X]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from bench import fillers
from bench.machine import machine_facts, start_options
from bench.origin import Origin, Work
from bench.process import Usage
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of

WORKS = (
    Work(name="big objects", bucket="big", objects=4, object_bytes=512 << 20),
    Work(name="small files", bucket="small", objects=10_000, object_bytes=20_000),
)
PEAK_AIM_BYTES = 500_000_000
PEERS = ("s5cmd", "rclone")
FOREBAY = "forebay"
IN_PROCESS = "forebay in a running Python"
ENTRANTS: Mapping[str, fillers.Fill] = {
    FOREBAY: fillers.fill_forebay,
    "s5cmd": fillers.fill_s5cmd,
    "rclone": fillers.fill_rclone,
    IN_PROCESS: fillers.fill_in_process,
}

Results = Mapping[str, Sequence[Usage]]


def main() -> None:
    options = start_options("bench.fill", __doc__, rounds=5)
    works = [work.scaled(options.scale) for work in WORKS]
    facts = machine_facts(Path(tempfile.gettempdir()))
    results: dict[str, Results] = {}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-fill-") as scratch, Origin.start(works) as origin:
        for work in works:
            results[work.name] = _measure(work, origin, Path(scratch) / work.bucket, options)
    for work in works:
        print(_table(work, results[work.name]))
    facts |= {"rounds": options.rounds, "scale": options.scale, "versions": fillers.versions()}
    facts["medians"] = {work.name: _medians(results[work.name]) for work in works}
    conclude("fill", _cases(works, results), facts)


def _measure(work: Work, origin: Origin, folder: Path, options: argparse.Namespace) -> Results:
    place = fillers.make_place(work, origin, folder)
    # The server's files are in memory from now on, for whoever comes first.
    fillers.fill_s5cmd(place)
    entrants = {name: partial(fill, place) for name, fill in ENTRANTS.items()}

    def say(name: str, usage: Usage) -> None:
        text = f"{work.name}: {name} {usage.wall_s:.2f} s, others used {usage.others_cpu_s:.1f} CPU-s"
        print(text, file=sys.stderr, flush=True)

    results = alternate(entrants, options.rounds, on_done=say)
    place.clear()
    return results


def _table(work: Work, results: Results) -> str:
    head = [
        "tool",
        "wall s",
        "min-max",
        "MB/s",
        "files/s",
        "sync s",
        "CPU s",
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
                f"{median_of(usages, lambda usage: usage.peak_bytes) / 1e6:.0f}",
                f"{median_of(usages, lambda usage: usage.watched_cpu_s):.2f}",
                f"{median_of(usages, lambda usage: usage.others_cpu_s):.2f}",
            ]
        )
    rounds = len(next(iter(results.values())))
    return table(f"{work.name}: {work}, cold, from S3 (SeaweedFS), medians of {rounds}", head, rows)


def _medians(results: Results) -> dict[str, dict[str, float]]:
    names = [field.name for field in fields(Usage)]
    return {
        entrant: {name: round(median_of(usages, attrgetter(name)), 3) for name in names}
        for entrant, usages in results.items()
    }


def _cases(works: Sequence[Work], results: Mapping[str, Results]) -> list[Case]:
    cases = [_against_peers(work, results[work.name], FOREBAY, Side.AT_LEAST) for work in works]
    peak_bytes = max(usage.peak_bytes for work in works for usage in results[work.name][FOREBAY])
    cases.append(
        Case(
            case="forebay's peak memory / 500 MB",
            measured=f"{peak_bytes / 1e6:.0f} MB",
            ratio=peak_bytes / PEAK_AIM_BYTES,
            side=Side.AT_MOST,
        )
    )
    cases += [_against_peers(work, results[work.name], IN_PROCESS, None) for work in works]
    return cases


def _against_peers(work: Work, results: Results, entrant: str, side: Side | None) -> Case:
    walls_s: dict[str, Any] = {name: median_of(usages, lambda usage: usage.wall_s) for name, usages in results.items()}
    best = min(PEERS, key=walls_s.__getitem__)
    return Case(
        case=f"{work.name}: fastest peer / {entrant}",
        measured=f"{best} {walls_s[best]:.2f} s / {walls_s[entrant]:.2f} s",
        ratio=walls_s[best] / walls_s[entrant],
        side=side,
    )


if __name__ == "__main__":
    main()
