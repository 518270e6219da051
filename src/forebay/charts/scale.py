"""From values to places on an axis, and which values are worth a tick."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Tell = Callable[[float], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a chart. `low < high`; where `log`, both are above 0."""

    name: str
    low: float
    high: float
    ticks: tuple[float, ...]
    tell: Tell
    """a tick's value as text"""
    log: bool = False

    def share(self, value: float) -> float:
        """How far along the axis a value lies: 0 at `low`, 1 at `high`; what lies beyond is at the end."""
        if self.log:
            value, low, high = (math.log(max(each, self.low)) for each in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def at(self, share: float) -> float:
        """The value that lies so far along the axis."""
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share


def plain(value: float) -> str:
    """`0`, `0.25`, `3`: at most three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if value else "0"


def percent(value: float) -> str:
    """`0 %`, `2.5 %`, `40 %` of a share: two digits that say something, more of large ones."""
    if not value:
        return "0\N{NO-BREAK SPACE}%"
    digits = max(0, 1 - math.floor(math.log10(abs(value) * 100) + 1e-9))
    told = f"{value * 100:.{digits}f}"
    return f"{told.rstrip('0').rstrip('.') if '.' in told else told}\N{NO-BREAK SPACE}%"


def percents(value: float, digits: int) -> str:
    """A share with so many decimals of its per cent, as columns need it."""
    return f"{value * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def whole(name: str, *, tell: Tell = plain) -> Axis:
    """A share, from 0 to 1."""
    return Axis(name=name, low=0.0, high=1.0, ticks=(0.0, 0.2, 0.4, 0.6, 0.8, 1.0), tell=tell)


def up_from_zero(name: str, values: Sequence[float], *, tell: Tell = plain, most: int = 5) -> Axis:
    """From 0 to the first round value that no value passes."""
    largest = max(values, default=1.0) or 1.0
    step = round_step(largest, most)
    high = step * math.ceil(largest / step - 1e-9)
    return Axis(name=name, low=0.0, high=high, ticks=_every(0.0, high, step), tell=tell)


def around(name: str, values: Sequence[float], *, tell: Tell = plain, most: int = 4) -> Axis:
    """From a round value below all to one above all, not of need with 0."""
    low, high = min(values), max(values)
    step = round_step((high - low) or abs(high) / 10 or 1.0, most)
    start, end = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    end = end if end > start else start + step
    return Axis(name=name, low=start, high=end, ticks=_every(start, end, step), tell=tell)


def doubling(name: str, values: Sequence[float], *, tell: Tell = plain) -> Axis:
    """Logarithmic, with ticks at 1, 2 and 5 times powers of ten, or at powers of ten where those are many."""
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    fine = [sign * 10.0**power for power in range(first, last + 1) for sign in (1, 2, 5)]
    start = max(each for each in fine if each <= low * (1 + 1e-9))
    end = min(each for each in fine if each >= max(high, start * 2) * (1 - 1e-9))
    inside = [each for each in fine if start * (1 - 1e-9) <= each <= end * (1 + 1e-9)]
    tens = [each for each in inside if math.isclose(math.log10(each), round(math.log10(each)), abs_tol=1e-9)]
    ticks = inside if len(inside) < 7 else tens[:: math.ceil(len(tens) / 6)]
    return Axis(name=name, low=start, high=end, ticks=tuple(ticks), tell=tell, log=True)


def round_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that makes at most `most` steps of `span`."""
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(sign * power for sign in (1, 2, 2.5, 5, 10) if sign * power >= rough * (1 - 1e-9))


def _every(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(low + step * number for number in range(round((high - low) / step) + 1))
