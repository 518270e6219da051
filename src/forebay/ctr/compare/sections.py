"""A comparison in words and tables, for any face: terminal, Markdown, HTML. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from forebay.ctr.compare.trial import Done, Failed, Outcome, Trial
from forebay.ctr.compare.verdicts import EqualCpu, SameAlgorithm, TimeToAuc

if TYPE_CHECKING:
    from forebay.ctr.compare.comparison import ComparisonReport

GIB: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A title, what its numbers mean, and a table; the first `words` columns are text, the others numbers."""

    title: str
    told: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


def sections(report: ComparisonReport) -> tuple[Section, ...]:
    """What was compared, every trial, then the three verdicts."""
    return (_data(report), _contenders(report), _outcomes(report), _same(report), _sooner(report), _equal(report))


def _data(report: ComparisonReport) -> Section:
    split, rows = report.split, report.rows_by_day
    days = [(f"day {day}", "train", f"{rows[day]:,}") for day in split.train]
    if split.validate is not None:
        days.append((f"day {split.validate}", "validate", f"{rows[split.validate]:,}"))
    days.append((f"day {split.test}", f"test, on its first {report.test_rows:,} rows", f"{rows[split.test]:,}"))
    machine = report.machine
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    told = (
        f"Counted in {report.source}, line by line. A size takes the first rows of the train days, each day in"
        " proportion, and the same share of the validation day. Measured on"
        f" {machine.cores} cores, {machine.memory_bytes / GIB:.1f} GiB of memory, {machine.system};"
        f" limits of a contender: {report.memory_limit_bytes / GIB:.2f} GiB, {report.time_limit_s:.0f} s;"
        f" seed {report.seed}. {versions}."
    )
    return Section(title="Data", told=told, head=("day", "role", "rows"), rows=tuple(days), words=2)


def _contenders(report: ComparisonReport) -> Section:
    told = f"Each in a Python of its own, one after the other. {report.reference} is the reference of the verdicts."
    rows = tuple((each.name, each.what) for each in report.contenders)
    return Section(title="Contenders", told=told, head=("contender", "how"), rows=rows, words=2)


def _outcomes(report: ComparisonReport) -> Section:
    told = (
        "Wall and CPU seconds and peak memory of the whole process tree, from outside, start and imports included; read"
        " to predict by the contender's own watch, other: the rest. A trial that failed says why, and has no figures."
    )
    stages = ("read", "features", "fit", "predict", "other")
    head = ("contender", "rows", "rounds", "wall s", "CPU s", "peak GiB", *(f"{stage} s" for stage in stages))
    head += ("AUC", "log loss", "NE", "calib. error", "")
    rows = tuple(_outcome(outcome) for outcome in sorted(report.outcomes, key=_place(report)))
    return Section(title="Trials", told=told, head=head, rows=rows)


def _place(report: ComparisonReport) -> _Place:
    return _Place(names=tuple(each.name for each in report.contenders))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The order of the trials' table: by rows, then as the contenders are listed, then by rounds."""

    names: tuple[str, ...]

    def __call__(self, outcome: Outcome) -> tuple[int, int, int]:
        trial = outcome.trial
        return trial.rows, self.names.index(trial.contender), trial.rounds or 0


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    trial, cost = outcome.trial, outcome.cost
    spent = (f"{cost.wall_s:.1f}", f"{cost.cpu_s:.1f}", f"{cost.peak_bytes / GIB:.2f}")
    start = (trial.contender, *_with(trial), *spent)
    if isinstance(outcome, Failed):
        return (*start, *("" for _ in range(9)), f"{outcome.reason.value}: {outcome.error}")
    assert isinstance(outcome, Done)
    seconds, quality = outcome.seconds, outcome.quality
    laps = (seconds.read, seconds.features, seconds.fit, seconds.predict, seconds.other)
    figures = (quality.auc, quality.log_loss, quality.normalised_entropy)
    return (
        *start,
        *(f"{lap:.1f}" for lap in laps),
        *(f"{figure:.4f}" for figure in figures),
        f"{quality.calibration_error:.5f}",
        "",
    )


def _same(report: ComparisonReport) -> Section:
    told = (
        f"(a) The same algorithm and hyper-parameters on the same rows. {report.reference} divided by the contender: 2"
        " means half of it; fit: the wall seconds of fitting alone. The AUC tells whether it is as good."
    )
    head = ("contender", "rows", "wall", "fit", "CPU", "memory", "AUC difference", "")
    return Section(title="Same algorithm", told=told, head=head, rows=tuple(map(_same_row, report.same_algorithm)))


def _same_row(verdict: SameAlgorithm) -> tuple[str, ...]:
    ratios = (verdict.wall_ratio, verdict.fit_ratio, verdict.cpu_ratio, verdict.memory_ratio)
    difference = "" if verdict.auc_difference is None else f"{verdict.auc_difference:+.4f}"
    return (verdict.contender, f"{verdict.rows:,}", *map(_times, ratios), difference, verdict.why)


def _sooner(report: ComparisonReport) -> Section:
    told = (
        f"(b) Seconds until the AUC of {report.reference} on so many rows is reached, with at most as many: the"
        f" quickest trial that was measured, against the wall seconds of {report.reference} on all of them. Tries: all"
        " trials of the contender together, for who does not know beforehand what is enough."
    )
    head = ("contender", "rows", "AUC to reach", "with rows", "rounds", "wall s", "times sooner", "tries s", "")
    return Section(title="Time to the same AUC", told=told, head=head, rows=tuple(map(_sooner_row, report.time_to_auc)))


def _sooner_row(verdict: TimeToAuc) -> tuple[str, ...]:
    target = "" if verdict.target_auc is None else f"{verdict.target_auc:.4f}"
    end = (_seconds(verdict.wall_s), _times(verdict.times_sooner), _seconds(verdict.tries_wall_s), verdict.why)
    return (verdict.contender, f"{verdict.rows:,}", target, *_with(verdict.reached), *end)


def _equal(report: ComparisonReport) -> Section:
    told = (
        f"(c) The best AUC that was measured within the CPU-seconds which {report.reference} takes on so many rows,"
        " whatever the rows and rounds it is reached with."
    )
    head = ("contender", "rows", "CPU-s to spend", "with rows", "rounds", "CPU s", "AUC", "")
    return Section(title="At equal CPU-seconds", told=told, head=head, rows=tuple(map(_equal_row, report.equal_cpu)))


def _equal_row(verdict: EqualCpu) -> tuple[str, ...]:
    auc = "" if verdict.auc is None else f"{verdict.auc:.4f}"
    end = (_seconds(verdict.cpu_s), auc, verdict.why)
    return (verdict.contender, f"{verdict.rows:,}", _seconds(verdict.budget_cpu_s), *_with(verdict.trial), *end)


def _with(trial: Trial | None) -> tuple[str, str]:
    if trial is None:
        return ("", "")
    return (f"{trial.rows:,}", "" if trial.rounds is None else f"{trial.rounds}")


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"
