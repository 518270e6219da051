"""What a table of outcomes says. Pure; the order of the outcomes does not matter, and nothing is interpolated.

Three questions, each against one reference: what the same algorithm costs elsewhere, when its AUC is reached, and what
its CPU-seconds could have bought. Where an answer needs a figure that is not there, it says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forebay.ctr.compare.trial import Contender, Done, Outcome, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class SameAlgorithm:
    """The reference's cost divided by the contender's, same rows and hyper-parameters: 2 is half of the time.

    `why`: what is missing for the ratios, which are None then.
    """

    rows: int
    contender: str
    wall_ratio: float | None = None
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    fit_ratio: float | None = None
    """of the seconds of fitting alone, without reading and features"""
    auc_difference: float | None = None
    """the contender's AUC less the reference's"""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToAuc:
    """The quickest trial, on at most `rows` train rows, whose AUC is at least the reference's on `rows`."""

    rows: int
    contender: str
    target_auc: float | None = None
    reached: Trial | None = None
    wall_s: float | None = None
    times_sooner: float | None = None
    """the reference's wall seconds on `rows` divided by these"""
    tries_wall_s: float | None = None
    """of all trials on at most `rows`, for who does not know beforehand which will do"""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualCpu:
    """The best AUC that was measured within the CPU-seconds which the reference took on `rows`."""

    rows: int
    contender: str
    budget_cpu_s: float | None = None
    trial: Trial | None = None
    auc: float | None = None
    cpu_s: float | None = None
    why: str = ""


def same_algorithm(
    outcomes: Iterable[Outcome], contenders: Sequence[Contender], *, rows: int, reference: Contender
) -> tuple[SameAlgorithm, ...]:
    """One verdict for each other contender of the reference's family; none where there is no other."""
    table = {outcome.trial: outcome for outcome in outcomes}
    others = [each for each in contenders if each.family is reference.family and each.name != reference.name]
    base = table.get(_usual(reference, rows))
    return tuple(_same(base, table.get(_usual(other, rows)), rows, reference, other) for other in others)


def time_to_auc(
    outcomes: Iterable[Outcome], contenders: Sequence[Contender], *, rows: int, reference: Contender
) -> tuple[TimeToAuc, ...]:
    """One verdict a contender, the reference's own among them: fewer rows may do for it, too."""
    known = tuple(outcomes)
    base = _find(known, _usual(reference, rows))
    return tuple(_sooner(known, base, rows, reference, contender) for contender in contenders)


def equal_cpu(
    outcomes: Iterable[Outcome], contenders: Sequence[Contender], *, rows: int, reference: Contender
) -> tuple[EqualCpu, ...]:
    """One verdict a contender; trials of any number of rows count, for who is frugal can read more of them."""
    known = tuple(outcomes)
    base = _find(known, _usual(reference, rows))
    return tuple(_within(known, base, rows, reference, contender) for contender in contenders)


def _usual(contender: Contender, rows: int) -> Trial:
    return Trial(contender=contender.name, rows=rows, rounds=contender.usual_rounds)


def _find(outcomes: Iterable[Outcome], trial: Trial) -> Outcome | None:
    return next((outcome for outcome in outcomes if outcome.trial == trial), None)


def _missing(name: str, outcome: Outcome | None) -> str:
    return f"{name} was not tried" if outcome is None else f"{name}: {_reason(outcome)}"


def _reason(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Done) else outcome.reason.value


def _same(
    base: Outcome | None, other: Outcome | None, rows: int, reference: Contender, contender: Contender
) -> SameAlgorithm:
    if not isinstance(base, Done):
        return SameAlgorithm(rows=rows, contender=contender.name, why=_missing(reference.name, base))
    if not isinstance(other, Done):
        return SameAlgorithm(rows=rows, contender=contender.name, why=_missing(contender.name, other))
    return SameAlgorithm(
        rows=rows,
        contender=contender.name,
        wall_ratio=_ratio(base.cost.wall_s, other.cost.wall_s),
        cpu_ratio=_ratio(base.cost.cpu_s, other.cost.cpu_s),
        memory_ratio=_ratio(base.cost.peak_bytes, other.cost.peak_bytes),
        fit_ratio=_ratio(base.seconds.fit, other.seconds.fit),
        auc_difference=other.quality.auc - base.quality.auc,
    )


def _ratio(base: float, other: float) -> float | None:
    return base / other if other > 0 else None


def _sooner(
    outcomes: Sequence[Outcome], base: Outcome | None, rows: int, reference: Contender, contender: Contender
) -> TimeToAuc:
    if not isinstance(base, Done):
        return TimeToAuc(rows=rows, contender=contender.name, why=f"no target: {_missing(reference.name, base)}")
    target = base.quality.auc
    tries = [each for each in outcomes if each.trial.contender == contender.name and each.trial.rows <= rows]
    reached = [each for each in tries if isinstance(each, Done) and each.quality.auc >= target]
    tries_wall_s = sum(each.cost.wall_s for each in sorted(tries, key=lambda each: each.cost.wall_s))
    if not reached:
        why = _why_not_reached(tries, contender)
        return TimeToAuc(rows=rows, contender=contender.name, target_auc=target, tries_wall_s=tries_wall_s, why=why)
    best = min(reached, key=_quickest)
    return TimeToAuc(
        rows=rows,
        contender=contender.name,
        target_auc=target,
        reached=best.trial,
        wall_s=best.cost.wall_s,
        times_sooner=_ratio(base.cost.wall_s, best.cost.wall_s),
        tries_wall_s=tries_wall_s,
    )


def _why_not_reached(tries: Sequence[Outcome], contender: Contender) -> str:
    done = [each.quality.auc for each in tries if isinstance(each, Done)]
    if done:
        return f"not reached: {max(done):.4f} at best"
    return f"{contender.name}: {', '.join(sorted({_reason(each) for each in tries}))}" if tries else "not tried"


def _within(
    outcomes: Sequence[Outcome], base: Outcome | None, rows: int, reference: Contender, contender: Contender
) -> EqualCpu:
    if not isinstance(base, Done):
        return EqualCpu(rows=rows, contender=contender.name, why=f"no budget: {_missing(reference.name, base)}")
    budget = base.cost.cpu_s
    own = [each for each in outcomes if isinstance(each, Done) and each.trial.contender == contender.name]
    affordable = [each for each in own if each.cost.cpu_s <= budget]
    if not affordable:
        least = f"the least was {min(each.cost.cpu_s for each in own):.1f} CPU-s" if own else "nothing was measured"
        return EqualCpu(rows=rows, contender=contender.name, budget_cpu_s=budget, why=f"none within: {least}")
    best = min(affordable, key=lambda each: (-each.quality.auc, each.cost.cpu_s, _order(each.trial)))
    return EqualCpu(
        rows=rows,
        contender=contender.name,
        budget_cpu_s=budget,
        trial=best.trial,
        auc=best.quality.auc,
        cpu_s=best.cost.cpu_s,
    )


def _quickest(done: Done) -> tuple[float, float, tuple[int, int]]:
    """Of two that took the same time the one with fewer CPU-seconds, then with fewer rows and rounds."""
    return done.cost.wall_s, done.cost.cpu_s, _order(done.trial)


def _order(trial: Trial) -> tuple[int, int]:
    return trial.rows, trial.rounds or 0
