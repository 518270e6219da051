"""How time and memory grow with workers and days: prepare and train on 1, 2, 4 workers x 1, 2, 4 train days.

A worker has one thread; with more workers than cores they share them, and time can't fall any further. Each measurement
is a process of its own; the last day of each, on top of the train days, is for evaluation. A worker may hold no more
for four days than for one, in preparation and in training.
Run: python -m bench.scale [--rounds N] [--scale SHARE]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from bench.machine import machine_facts, start_options
from bench.process import measure
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate
from forebay.ctr.workload import generate

WORKERS = DAYS = (1, 2, 4)
ROWS_PER_DAY = 1_000_000
FLAT = 1.25

Key = tuple[int, int]
"""Workers and train days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds and bytes of one process; `cpu_s` of all its processes, start and end of the cluster included."""

    rows: int
    prepare_s: float
    train_s: float
    prepare_peak_bytes: int
    train_peak_bytes: int
    cpu_s: float


def main() -> None:
    options = start_options("bench.scale", __doc__, rounds=5)
    rows = max(2_000, int(ROWS_PER_DAY * options.scale))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-scale-") as scratch:
        folder = Path(scratch)
        facts = machine_facts(folder)
        logs = _logs(folder, rows)
        keys = {_name(key): key for key in ((workers, days) for workers in WORKERS for days in DAYS)}
        entrants = {name: partial(_measure, key, logs[key[1]], folder) for name, key in keys.items()}
        # Compiled kernels are on disk from now on, for all of them.
        _measure((1, 1), logs[1], folder)
        named = alternate(entrants, options.rounds)
    results = {keys[name]: found for name, found in named.items()}
    print(_table(results, rows))
    facts |= {"rounds": options.rounds, "rows_per_day": rows}
    facts["medians"] = {_name(key): _medians(found) for key, found in results.items()}
    conclude("scale", _cases(results), facts)


def _logs(folder: Path, rows: int) -> dict[int, Path]:
    """A folder of click logs for each number of train days; files that they share are there once."""
    whole = folder / "clicks"
    generate(whole, days=max(DAYS) + 1, rows_per_day=rows)
    logs = {}
    for days in DAYS:
        logs[days] = folder / f"clicks-{days}"
        logs[days].mkdir()
        for day in range(days + 1):
            os.link(whole / f"day_{day}", logs[days] / f"day_{day}")
    return logs


def _measure(key: Key, clicks: Path, folder: Path) -> Measured:
    with tempfile.TemporaryDirectory(dir=folder) as work:
        result = Path(work) / "result.json"
        command = [sys.executable, "-m", "bench.scaled", str(key[0]), str(clicks), work, str(result)]
        usage = measure(command, folder=Path(__file__).parents[1])
        return Measured(**json.loads(result.read_text()), cpu_s=usage.cpu_s)


def _name(key: Key) -> str:
    return f"{key[0]} x {key[1]}"


def _medians(found: Sequence[Measured]) -> dict[str, float]:
    names = ("prepare_s", "train_s", "cpu_s", "prepare_peak_bytes", "train_peak_bytes")
    return {name: round(median(getattr(one, name) for one in found), 3) for name in names}


def _table(results: Mapping[Key, Sequence[Measured]], rows: int) -> str:
    lines = []
    for key, found in results.items():
        medians = _medians(found)
        rate = found[0].rows / medians["prepare_s"]
        seconds = [f"{medians[name]:.1f}" for name in ("prepare_s", "train_s", "cpu_s")]
        peaks = [f"{medians[name] / 1e6:.0f}" for name in ("prepare_peak_bytes", "train_peak_bytes")]
        lines.append([_name(key), *seconds, f"{rate:,.0f}", *peaks])
    head = ["workers x train days", "prepare s", "train s", "CPU s", "rows/s", "prepare MB/worker", "train MB/worker"]
    return table(f"{rows:,} rows a day and one day more for evaluation, medians of {_rounds(results)}", head, lines)


def _rounds(results: Mapping[Key, Sequence[Measured]]) -> int:
    return len(next(iter(results.values())))


def _cases(results: Mapping[Key, Sequence[Measured]]) -> list[Case]:
    medians = {key: _medians(found) for key, found in results.items()}
    most = max(DAYS)

    def ratio(case: str, name: str, over: Key, under: Key, unit: float, *, is_flat: bool = False) -> Case:
        above, below = medians[over][name], medians[under][name]
        return Case(
            case=case,
            measured=f"{above / unit:,.1f} / {below / unit:,.1f}",
            ratio=above / below,
            side=Side.AT_MOST if is_flat else None,
            bound=FLAT if is_flat else 1.0,
        )

    memory = [
        ratio(
            f"memory of each of {workers} in {stage}, {most} days / 1 (MB)",
            f"{stage}_peak_bytes",
            (workers, most),
            (workers, 1),
            1e6,
            is_flat=True,
        )
        for stage in ("prepare", "train")
        for workers in WORKERS
    ]
    by_days = [
        ratio(f"time of {name[:-2]} on 1 worker, {most} days / 1 (s)", name, (1, most), (1, 1), 1.0)
        for name in ("prepare_s", "train_s")
    ]
    by_workers = [
        ratio(f"time of {name[:-2]} for {most} days, {workers} workers / 1 (s)", name, (workers, most), (1, most), 1.0)
        for workers in WORKERS[1:]
        for name in ("prepare_s", "train_s")
    ]
    return [*memory, *by_days, *by_workers]


if __name__ == "__main__":
    main()
