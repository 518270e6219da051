"""Seconds from raw click logs until the test AUC of the report's baseline is reached, on two cores.

The baseline is TR-4904's: pandas, sklearn's random forest on the 13 integers, 10 trees of depth 10, one core; its AUC
on the whole test day is the target. Forebay goes once over the newest train day, row by row, looks at some rows of the
validation day after 1, 2, 4, ... ranges, and at the whole test day once those promise the target: it reads as many rows
as that takes, which are printed, and all of its looking is in its time. Each training is a Python of its own: start and
imports count. Beside them the same forest tuned (Arrow's reader, float32, all cores), and once, for its AUC, the
report's forest on the very rows that forebay read. Run: python -m bench.time_to_auc [--rounds N] [--scale X]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import forebay
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.ctr.compare.contenders import PANDAS_FOREST, TUNED_FOREST
from forebay.ctr.compare.cut import copy_rows
from forebay.ctr.compare.measured import Limits, measure
from forebay.ctr.compare.trial import Contender, Cost
from forebay.ctr.generate import generate
from forebay.ctr.source import find_days
from forebay.ctr.split import Split, default_split

DAYS, ROWS_PER_DAY, CORES = 10, 1_000_000, 2
AIM = 50.0
DIRECT = "forebay-direct"
_LIMITS = Limits(memory_bytes=1 << 40, time_s=7200.0)
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One training, from its start to its end."""

    cost: Cost
    auc: float
    train_rows: int
    looks: int = 1


def main() -> None:
    options = start_options("bench.time_to_auc", __doc__, rounds=5)
    # The same two for everybody, whatever the machine has: children inherit them.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    facts = machine_facts(Path(tempfile.gettempdir()))
    rows_per_day = int(ROWS_PER_DAY * options.scale)
    with tempfile.TemporaryDirectory(prefix="forebay-bench-auc-") as scratch:
        logs, split = Path(scratch) / "logs", default_split(range(DAYS))
        generate(logs, days=DAYS, rows_per_day=rows_per_day)
        first = _forest(PANDAS_FOREST, logs)
        print(f"{PANDAS_FOREST.name}: AUC {first.auc:.4f} is to be reached", file=sys.stderr, flush=True)
        compiling = _direct(logs, first.auc)  # the first run of all compiles, and the compiled kernels stay on disk
        entrants: Mapping[str, Callable[[], Result]] = {
            PANDAS_FOREST.name: partial(_forest, PANDAS_FOREST, logs),
            TUNED_FOREST.name: partial(_forest, TUNED_FOREST, logs),
            DIRECT: partial(_direct, logs, first.auc),
        }
        results = alternate(entrants, options.rounds, on_done=_say)
        prefix = _forest(PANDAS_FOREST, _prefix(logs, split, results[DIRECT][0].train_rows, Path(scratch) / "prefix"))
    if min(result.auc for result in results[DIRECT]) < first.auc:
        raise RuntimeError(f"forebay did not reach AUC {first.auc:.4f} with all rows of the train days")
    print(_table(results, prefix))
    facts |= {"rounds": options.rounds, "scale": options.scale, "version": forebay.__version__, "cores_used": CORES}
    facts |= {"train_rows": len(split.train) * rows_per_day, "test_rows": rows_per_day, "target_auc": first.auc}
    facts |= {"rows_read": results[DIRECT][0].train_rows, "auc": {name: each[0].auc for name, each in results.items()}}
    facts |= {"forest_on_rows_read": {"auc": prefix.auc, "wall_s": prefix.cost.wall_s}}
    facts |= {"first_run_of_all_wall_s": compiling.cost.wall_s}
    conclude("time_to_auc", _cases(results), facts)


def _prefix(logs: Path, split: Split, rows: int, folder: Path) -> Path:
    """The rows that forebay read: the first ones of the newest train day (of the days before, where it read on), and
    the days that no forest learns from."""
    folder.mkdir()
    days, left = {day.number: day for day in find_days(logs)}, rows
    for day in reversed(split.train):
        target = folder / f"day_{day}"
        copy_rows(days[day], target, left)
        left -= sum(1 for _ in target.open("rb"))
        if not left:
            break
    for day in split.days[len(split.train) :]:
        (folder / f"day_{day}").hardlink_to(logs / f"day_{day}")
    return folder


def _forest(contender: Contender, folder: Path) -> Result:
    program = [sys.executable, "-P", "-m", "forebay.ctr.compare.contender", contender.name, str(folder)]
    cost, answer = _measured(lambda target: [*program, str(target), "-", str(_SEED)])
    return Result(cost=cost, auc=answer["quality"]["auc"], train_rows=answer["train_rows"])


def _direct(folder: Path, target_auc: float) -> Result:
    program = [sys.executable, "-P", str(Path(__file__).with_name("direct_until.py")), str(folder), repr(target_auc)]
    cost, answer = _measured(lambda target: [*program, str(target)])
    return Result(cost=cost, auc=answer["auc"], train_rows=answer["train_rows"], looks=answer["looks"])


def _measured(command: Callable[[Path], list[str]]) -> tuple[Cost, Mapping[str, Any]]:
    found = measure(command, limits=_LIMITS)
    if found.answer is None or "error" in found.answer:
        raise RuntimeError(f"a training failed: {found.answer or found.errors}")
    return found.cost, found.answer


def _say(name: str, result: Result) -> None:
    told = f"{name}: {result.cost.wall_s:.2f} s, AUC {result.auc:.4f} with {result.train_rows:,} rows"
    print(told, file=sys.stderr, flush=True)


def _table(results: Mapping[str, Sequence[Result]], prefix: Result) -> str:
    shown = {**results, f"{PANDAS_FOREST.name}, rows of {DIRECT}": [prefix]}
    rows = [
        [
            name,
            f"{each[0].train_rows:,}",
            f"{each[0].auc:.4f}",
            f"{_wall_s(each):.2f}",
            f"{min(result.cost.wall_s for result in each):.2f}",
            f"{max(result.cost.wall_s for result in each):.2f}",
            f"{_cpu_s(each):.2f}",
            f"{median_of(each, lambda result: result.cost.peak_bytes) / 1e6:.0f}",
            str(each[0].looks),
        ]
        for name, each in shown.items()
    ]
    head = ["training", "train rows", "test AUC", "median s", "min s", "max s", "CPU s", "peak MB", "looks"]
    return table("from raw click logs to a measured model", head, rows)


def _cases(results: Mapping[str, Sequence[Result]]) -> list[Case]:
    direct = results[DIRECT]
    cases = []
    for name, side in ((PANDAS_FOREST.name, Side.AT_LEAST), (TUNED_FOREST.name, None)):
        for kind, value in (("wall", _wall_s), ("CPU", _cpu_s)):
            theirs, ours = value(results[name]), value(direct)
            cases.append(
                Case(
                    case=f"{name} / {DIRECT}, {kind}",
                    measured=f"{theirs:.2f} s / {ours:.2f} s",
                    ratio=theirs / ours,
                    side=side if kind == "wall" else None,
                    bound=AIM if side is not None and kind == "wall" else 1.0,
                )
            )
    return cases


def _wall_s(results: Sequence[Result]) -> float:
    return median_of(results, lambda result: result.cost.wall_s)


def _cpu_s(results: Sequence[Result]) -> float:
    return median_of(results, lambda result: result.cost.cpu_s)


if __name__ == "__main__":
    main()
