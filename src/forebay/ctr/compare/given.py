"""What a contender is given: the days of its folder, by the parts they play for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forebay.ctr.source import Day, find_days
from forebay.ctr.split import default_split


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """`validate` is None where two days are all."""

    train: tuple[Day, ...]
    validate: Day | None
    test: Day

    @property
    def later(self) -> tuple[Day, ...]:
        """Those whose labels no feature may know: validation, if there is such a day, and test, in this order."""
        return (self.test,) if self.validate is None else (self.validate, self.test)


def given(folder: Path) -> Given:
    """Split as `prepare` splits it."""
    days = {day.number: day for day in find_days(folder)}
    split = default_split(list(days))
    return Given(
        train=tuple(days[number] for number in split.train),
        validate=None if split.validate is None else days[split.validate],
        test=days[split.test],
    )
