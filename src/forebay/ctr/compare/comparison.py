"""Runs the comparison: counts, cuts, tries, judges.

One contender at a time; one that fails is a row, and the rest goes on.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from forebay.ctr.compare.contenders import PANDAS_FOREST, chosen
from forebay.ctr.compare.cut import Cuts, count_days
from forebay.ctr.compare.measured import Limits, Measured, measure
from forebay.ctr.compare.plan import check_sizes, default_sizes, full_trial, full_trials, next_rung
from forebay.ctr.compare.room import free_memory_bytes
from forebay.ctr.compare.trial import (
    Contender,
    Done,
    Failed,
    Outcome,
    Quality,
    Reason,
    Trial,
    stage_seconds,
)
from forebay.ctr.compare.verdicts import (
    EqualCpu,
    SameAlgorithm,
    TimeToAuc,
    equal_cpu,
    same_algorithm,
    time_to_auc,
)
from forebay.ctr.split import Split
from forebay.ctr.stages import Progress, no_progress
from forebay.errors import InputError

TEST_ROWS: Final = 1_000_000
TIME_LIMIT_S: Final = 3600.0
_SHARE_OF_FREE_MEMORY: Final = 0.9
_SIGKILL: Final = -9


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was measured, and with what."""

    cores: int
    memory_bytes: int
    system: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """Everything that was counted, measured and judged. Failed trials are in `outcomes` with their reason."""

    source: str
    split: Split
    rows_by_day: Mapping[int, int]
    """counted, line by line"""
    test_rows: int
    sizes: tuple[int, ...]
    reference: str
    contenders: tuple[Contender, ...]
    memory_limit_bytes: int
    time_limit_s: float
    seed: int
    machine: Machine
    outcomes: tuple[Done | Failed, ...]
    same_algorithm: tuple[SameAlgorithm, ...]
    time_to_auc: tuple[TimeToAuc, ...]
    equal_cpu: tuple[EqualCpu, ...]

    @property
    def failures(self) -> int:
        return sum(isinstance(outcome, Failed) for outcome in self.outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """`sizes`: numbers of train rows; none: from the data. `contenders`: names; none: all that are installed.

    `test_rows`: at most so many of the test day. `memory_limit_bytes`: of a contender's process tree; None is nine
    tenths of what is free at the start.
    `climb`: also look for the least rows and rounds that reach the reference's AUC.
    """

    sizes: tuple[int, ...] = ()
    contenders: tuple[str, ...] = ()
    test_rows: int = TEST_ROWS
    memory_limit_bytes: int | None = None
    time_limit_s: float = TIME_LIMIT_S
    climb: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        wrong = {
            "test_rows": self.test_rows < 2,
            "memory_limit_bytes": self.memory_limit_bytes is not None and self.memory_limit_bytes < 1,
            "time_limit_s": not self.time_limit_s > 0.0,
            "seed": not 0 <= self.seed < 1 << 31,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise InputError("bad-option", f"{name}={getattr(self, name)} is outside the range of a comparison")


def compare(
    source: Path,
    *,
    options: CompareOptions | None = None,
    name: str = "",
    scratch: Path | None = None,
    progress: Progress = no_progress,
) -> ComparisonReport:
    """Compare all contenders on the files `day_N` in `source`, one after the other, each in a fresh Python.

    `name` is what the report calls the data; `scratch` a folder with room for copies of the rows (default: TMPDIR).
    InputError `bad-size`, `no-such-contender`, `missing-extra`, `too-few-days`.
    """
    options = options or CompareOptions()
    contenders = chosen(options.contenders, _is_installed)
    progress("counting rows", 0, 1)
    counted = count_days(source)
    sizes = check_sizes(options.sizes or default_sizes(counted.train_rows), counted.train_rows)
    limits = Limits(
        memory_bytes=options.memory_limit_bytes or int(free_memory_bytes() * _SHARE_OF_FREE_MEMORY),
        time_s=options.time_limit_s,
    )
    with tempfile.TemporaryDirectory(prefix="forebay-compare-", dir=scratch) as folder:
        cuts = Cuts(counted, Path(folder), test_rows=options.test_rows)
        run = _Run(cuts, Path(folder), contenders, limits, options.seed, progress)
        run.all_sizes(sizes)
        if options.climb:
            run.climb(sizes)
    outcomes = tuple(run.outcomes.values())
    shared: Any = {"contenders": contenders, "reference": PANDAS_FOREST}
    return ComparisonReport(
        source=name or str(source),
        split=counted.split,
        rows_by_day=counted.rows,
        test_rows=cuts.test_rows,
        sizes=sizes,
        reference=PANDAS_FOREST.name,
        contenders=contenders,
        memory_limit_bytes=limits.memory_bytes,
        time_limit_s=limits.time_s,
        seed=options.seed,
        machine=_machine(contenders),
        outcomes=outcomes,
        same_algorithm=tuple(each for rows in sizes for each in same_algorithm(outcomes, rows=rows, **shared)),
        time_to_auc=tuple(each for rows in sizes for each in time_to_auc(outcomes, rows=rows, **shared)),
        equal_cpu=tuple(each for rows in sizes for each in equal_cpu(outcomes, rows=rows, **shared)),
    )


@dataclass(slots=True)
class _Run:
    """The trials of one comparison."""

    cuts: Cuts
    scratch: Path
    contenders: Sequence[Contender]
    limits: Limits
    seed: int
    progress: Progress
    outcomes: dict[Trial, Outcome] = field(default_factory=dict)

    def all_sizes(self, sizes: Sequence[int]) -> None:
        trials = full_trials(self.contenders, sizes)
        for number, trial in enumerate(trials, start=1):
            self._try(trial, f"{number} of {len(trials)}")

    def climb(self, sizes: Sequence[int]) -> None:
        """The least that reaches the reference's AUC, for every contender, the reference among them."""
        for rows in sizes:
            reference = self.outcomes[full_trial(PANDAS_FOREST, rows)]
            if isinstance(reference, Done):
                for contender in self.contenders:
                    self._climb(contender, rows, reference.quality.auc)

    def _climb(self, contender: Contender, rows: int, target_auc: float) -> None:
        while (rung := next_rung(contender, rows, target_auc, self.outcomes)) is not None:
            self._try(rung, f"towards AUC {target_auc:.4f}")

    def _try(self, trial: Trial, place: str) -> None:
        effort = "" if trial.rounds is None else f", {trial.rounds} rounds"
        told = f"{trial.contender}, {trial.rows:,} rows{effort} ({place})"
        folder = self.cuts.folder(trial.rows)
        self.progress(told, 0, 0)
        measured = measure(
            lambda answer: [
                sys.executable,
                "-P",
                "-m",
                "forebay.ctr.compare.contender",
                trial.contender,
                str(folder),
                str(answer),
                "-" if trial.rounds is None else str(trial.rounds),
                str(self.seed),
            ],
            limits=self.limits,
            scratch=self.scratch,
            progress=lambda stage, done, total: self.progress(f"{told}: {stage}", done, total),
        )
        self.outcomes[trial] = outcome_of(trial, measured, self.limits)


def outcome_of(trial: Trial, measured: Measured, limits: Limits) -> Outcome:
    """What a measured process means: figures only where it ended well and learned from just the rows it was given."""

    def failed(reason: Reason, error: str) -> Failed:
        return Failed(trial=trial, cost=measured.cost, reason=reason, error=error)

    if measured.over == "memory":
        return failed(Reason.OUT_OF_MEMORY, f"passed the memory limit of {limits.memory_bytes / 2**30:.2f} GiB")
    if measured.over == "time":
        return failed(Reason.TOO_LONG, f"passed the time limit of {limits.time_s:.0f} s")
    if measured.exit_code == _SIGKILL:
        return failed(Reason.OUT_OF_MEMORY, "killed by the system, which does that when memory is short")
    if measured.exit_code != 0 or measured.answer is None:
        return failed(Reason.FAILED, _last_line(measured.errors) or f"ended with exit status {measured.exit_code}")
    answer = measured.answer
    if "error" in answer:
        return failed(Reason.OUT_OF_MEMORY if answer["out_of_memory"] else Reason.FAILED, answer["error"])
    if answer["train_rows"] != trial.rows:
        return failed(Reason.FAILED, f"learned from {answer['train_rows']:,} rows, not from the {trial.rows:,} given")
    return Done(
        trial=trial,
        cost=measured.cost,
        seconds=stage_seconds(answer["seconds"], measured.cost.wall_s),
        quality=Quality(**answer["quality"]),
    )


def _last_line(text: str) -> str:
    return text.splitlines()[-1] if text else ""


def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _machine(contenders: Sequence[Contender]) -> Machine:
    import xgboost  # its package has one name with CPUs and others with GPUs

    packages = ["forebay", "numpy", "pandas", "pyarrow", "scikit-learn", "dask", "numba"]
    packages += [package for each in contenders for package in each.needs]
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        system=f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        versions={name: version(name) for name in packages} | {"xgboost": str(xgboost.__version__)},
    )
