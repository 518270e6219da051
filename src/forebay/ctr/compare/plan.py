"""What to try, on how many rows. Pure.

All contenders are tried on every size with their usual effort; then each on growing parts of it with growing effort,
until the reference's AUC is reached: that time is measured then, never read off a line between two others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from forebay.ctr.compare.trial import Contender, Done, Outcome, Reason, Trial
from forebay.errors import InputError

LARGEST_DEFAULT: Final = 10_000_000
_DEFAULT_STEP: Final = 4
_DEFAULT_SIZES: Final = 3
_PARTS: Final = (64, 16, 4)
_FEWEST_ROWS: Final = 1_000
_FEWEST_VALIDATION_ROWS: Final = 1_000


def default_sizes(train_rows: int) -> tuple[int, ...]:
    """Three sizes, each four times the one before; the largest has all train rows, or ten million."""
    largest = min(train_rows, LARGEST_DEFAULT)
    sizes = {largest // _DEFAULT_STEP**power for power in range(_DEFAULT_SIZES)}
    return tuple(sorted(size for size in sizes if size >= 1))


def check_sizes(sizes: Sequence[int], train_rows: int) -> tuple[int, ...]:
    """The sizes, ascending and once each; InputError `bad-size` where one is not between 1 and all train rows."""
    for size in sizes:
        if not 1 <= size <= train_rows:
            raise InputError(
                "bad-size",
                f"{size:,} rows cannot be had: the train days hold {train_rows:,}",
                todo="nothing is extrapolated: ask for sizes that are there, or bring more days",
            )
    return tuple(sorted(set(sizes)))


def share_rows(rows: int, by_day: Mapping[int, int]) -> dict[int, int]:
    """How many rows of each day make up `rows`: in proportion, whole rows, `rows` in sum, never more than a day has."""
    total = sum(by_day.values())
    if not 0 <= rows <= total:
        raise ValueError(f"{rows} of {total} rows")
    shares = {day: rows * has // total for day, has in by_day.items()} if total else dict(by_day)
    left = rows - sum(shares.values())
    for day in sorted(by_day, key=lambda day: (-(rows * by_day[day] % total) if total else 0, day))[:left]:
        shares[day] += 1
    return shares


def validation_rows(rows: int, train_rows: int, day_rows: int, most: int) -> int:
    """How many rows of the validation day go with `rows` of all `train_rows`: the same share of it, a thousand at the
    least, for fewer show nothing, and `most` at most; never more than the day has."""
    share = day_rows * rows // train_rows
    return min(day_rows, most, max(share, _FEWEST_VALIDATION_ROWS))


def full_trials(contenders: Sequence[Contender], sizes: Sequence[int]) -> tuple[Trial, ...]:
    """Every contender on every size with its usual effort, the small sizes first."""
    return tuple(full_trial(contender, size) for size in sizes for contender in contenders)


def full_trial(contender: Contender, rows: int) -> Trial:
    """With the contender's usual effort."""
    return Trial(contender=contender.name, rows=rows, rounds=contender.usual_rounds)


def rungs(contender: Contender, rows: int) -> tuple[Trial, ...]:
    """Growing rows with the least effort, then all rows with growing effort."""
    fewest = contender.rounds[0] if contender.rounds else None
    parts = sorted({rows // part for part in _PARTS if rows // part >= _FEWEST_ROWS})
    climbed = [Trial(contender=contender.name, rows=part, rounds=fewest) for part in parts]
    efforts = contender.rounds or (None,)
    return (*climbed, *(Trial(contender=contender.name, rows=rows, rounds=effort) for effort in efforts))


def next_rung(contender: Contender, rows: int, target_auc: float, outcomes: Mapping[Trial, Outcome]) -> Trial | None:
    """The next trial on the way to `target_auc`; None once a rung reached it, or no higher one can be borne."""
    for rung in rungs(contender, rows):
        outcome = outcomes.get(rung)
        if outcome is None:
            return rung
        if isinstance(outcome, Done):
            if outcome.quality.auc >= target_auc:
                return None
        elif outcome.reason is not Reason.FAILED:
            return None
    return None
