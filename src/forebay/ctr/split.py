"""Which day plays which part: train, validate (stopping and calibration), test. Pure.

Invariant: what a model learns from lies before what it is validated on, and that before what it is measured on, as in
deployment. No row of the test day, and none of a later day, reaches the features of any day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The roles of days, by number. `validate` is None where nothing is left for it."""

    train: tuple[int, ...]
    validate: int | None
    test: int

    def __post_init__(self) -> None:
        order = self.days
        if not self.train or list(order) != sorted(set(order)):
            told = f"train {list(self.train)}, validate {self.validate}, test {self.test}"
            raise InputError(
                "bad-split", f"days out of order: {told}", todo="train days come first, then validation, then the test"
            )

    @property
    def days(self) -> tuple[int, ...]:
        """All of them, ascending."""
        return (*self.train, *(() if self.validate is None else (self.validate,)), self.test)

    def past(self, day: int) -> tuple[int, ...]:
        """The days whose rows may reach the features of `day`: before it, and before the test day."""
        return tuple(each for each in self.days if each < min(day, self.test))


def default_split(days: Sequence[int], *, test: int | None = None) -> Split:
    """The last day tests, or the day `test`; the one before it validates where there are two; the others train.

    Days after the test day have no part: they show how a model ages. InputError `too-few-days`, `no-such-day`.
    """
    if test is not None and test not in days:
        raise InputError("no-such-day", f"there is no day {test} to test on; there are {sorted(days)}")
    ordered = sorted(day for day in days if test is None or day <= test)
    if len(ordered) < 2:
        raise InputError("too-few-days", "one day is too few: the last of at least two is for evaluation")
    if len(ordered) == 2:
        return Split(train=(ordered[0],), validate=None, test=ordered[1])
    return Split(train=tuple(ordered[:-2]), validate=ordered[-2], test=ordered[-1])
