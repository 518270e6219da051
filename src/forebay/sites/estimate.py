"""What is known of one positive number that is measured now and then (a bandwidth, a latency): pure.

Logarithms are averaged, so that ten times faster and ten times slower weigh the same and no estimate is ever zero or
negative. The prior counts like a measurement that never fades: what nobody measures any more goes back to it. The mean
always lies between the prior and the measurements.

The mean and its variance are those of a normal prior with normal noise (conjugate update, e.g. Gelman et al., Bayesian
Data Analysis, 2.5), with weights that decay by exp(-age / time constant).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MOST_WEIGHT = 20.0
"""So many full measurements are remembered at most: a busy link's change is half believed after 14 new ones."""

NOISE = 0.25
"""The spread of single measurements (standard deviation of the logarithm) until they have told their own."""

_NOISE_WEIGHT = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is believed with no measurement: `value`, and `spread`, the standard deviation of its logarithm."""

    value: float
    spread: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Sums over measurements, each times its weight, faded until `at` (Unix seconds).

    `log_sum` and `square_sum` are of ln(measured / prior value).
    """

    prior: Prior
    time_constant_s: float
    weight: float = 0.0
    log_sum: float = 0.0
    square_sum: float = 0.0
    at: float = 0.0

    def measured(self, value: float, *, weight: float, at: float) -> Estimate:
        """With one more measurement; one that is not positive tells nothing.

        One that comes late counts as its age says. One from more than a time constant ago means that the clock was
        set back: what is known keeps its strength, and time goes on from there.
        """
        if not (value > 0 and weight > 0 and math.isfinite(value)):
            return self
        late_s = self.at - at
        if 0 < late_s <= self.time_constant_s:
            weight *= math.exp(-late_s / self.time_constant_s)
            at = self.at
        known = self.faded(at)
        log = math.log(value / self.prior.value)
        known = replace(
            known,
            weight=known.weight + weight,
            log_sum=known.log_sum + weight * log,
            square_sum=known.square_sum + weight * log * log,
        )
        return known._times(min(1.0, MOST_WEIGHT / known.weight))

    def faded(self, now: float) -> Estimate:
        """As it is at a later moment; an earlier one changes nothing but the date."""
        return replace(self._times(self._left(now)), at=now)

    def with_prior(self, prior: Prior) -> Estimate:
        """The same measurements beside another belief."""
        if prior == self.prior:
            return self
        shift = math.log(self.prior.value / prior.value)
        return replace(
            self,
            prior=prior,
            log_sum=self.log_sum + shift * self.weight,
            square_sum=self.square_sum + 2 * shift * self.log_sum + shift * shift * self.weight,
        )

    def joined(self, others: Iterable[Estimate], now: float) -> Estimate:
        """As if all had been measured by one: with what others of the same prior know, faded until `now`."""
        sums = [0.0, 0.0, 0.0]
        for each in (self, *others):
            left = each._left(now)
            sums[0] += each.weight * left
            sums[1] += each.log_sum * left
            sums[2] += each.square_sum * left
        return self.added_up(sums, now)

    def added_up(self, sums: Sequence[float], now: float) -> Estimate:
        """The same prior with what many measured: sums of `weight`, `log_sum` and `square_sum`, all faded until `now`.

        More than can be remembered counts less.
        """
        weight, log_sum, square_sum = sums
        counts = MOST_WEIGHT / weight if weight > MOST_WEIGHT else 1.0
        return Estimate(
            prior=self.prior,
            time_constant_s=self.time_constant_s,
            weight=weight * counts,
            log_sum=log_sum * counts,
            square_sum=square_sum * counts,
            at=now,
        )

    def value(self, now: float, *, sigmas: float = 0.0) -> float:
        """The expected value, `sigmas` standard deviations of the next measurement above it."""
        mean, spread = self._mean_and_spread(self._left(now))
        return self.prior.value * math.exp(mean + sigmas * spread)

    def spread(self, now: float) -> float:
        """The standard deviation of the logarithm of the next measurement."""
        return self._mean_and_spread(self._left(now))[1]

    def _left(self, now: float) -> float:
        """The share of the measurements' weight that is left."""
        return math.exp(-max(0.0, now - self.at) / self.time_constant_s)

    def _mean_and_spread(self, left: float) -> tuple[float, float]:
        noise = self._noise_variance(left)
        precision = 1 / self.prior.spread**2 + left * self.weight / noise
        return left * self.log_sum / noise / precision, math.sqrt(1 / precision + noise)

    def _noise_variance(self, left: float) -> float:
        """That of the measurements around their own mean, as far as they are many."""
        if left * self.weight <= 0:
            return NOISE**2
        around = max(0.0, self.square_sum - self.log_sum**2 / self.weight)
        return (_NOISE_WEIGHT * NOISE**2 + left * around) / (_NOISE_WEIGHT + left * self.weight)

    def _times(self, factor: float) -> Estimate:
        return replace(
            self,
            weight=self.weight * factor,
            log_sum=self.log_sum * factor,
            square_sum=self.square_sum * factor,
        )


def told(value: float, spread: float, *, time_constant_s: float) -> Estimate:
    """What somebody else made of their measurements: a value, and the spread of the next one around it."""
    known = math.sqrt(max(spread**2 - NOISE**2, 1e-6))
    return Estimate(prior=Prior(value=value, spread=known), time_constant_s=time_constant_s)
