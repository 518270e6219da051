"""Logistic regression with a Gaussian for each weight: learnt row by row, each step as large as the weight is unsure.

An extended Kalman filter with a diagonal covariance (Singhal and Wu, NIPS 1988), in the setting of Graepel et al.,
"Web-Scale Bayesian Click-Through Rate Prediction", ICML 2010, with the logit instead of the probit. It is FTRL-Proximal
with 1 / precision as a coordinate's learning rate. How far the weights of a field are from 0 is learnt first, from the
field's own weights on some rows (empirical Bayes). Pure; every value of a row is 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled

Beliefs = NDArray[np.float64]
"""(slots, 3): -(mean x precision), precision (0: never met), and the precision before anything was seen of it."""
Priors = NDArray[np.float64]
"""(fields,) variances of the weights of a row's places, before anything is seen of them."""

_BIAS: Final = 10.0
_UNKNOWN: Final = 0.02
_LEAST, _MOST = 0.002, 0.15
TELLING: Final = 0.004
"""Weights that vary by less say nothing: their place is not worth the time of a row, nor the noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian:
    """This way to learn, with the variances of a row's places: implements `logistic.Method`."""

    priors: Priors

    def new(self, bits: int) -> Beliefs:
        return new_beliefs(bits)

    def learn(self, state: Beliefs, slots: NDArray[np.uint32], label: NDArray[np.uint8]) -> None:
        learn(state, slots, label, self.priors)

    def weights(self, state: Beliefs) -> NDArray[np.float32]:
        return means_of(state)

    def mixed(self, start: Beliefs, states: Sequence[Beliefs]) -> Beliefs:
        return mixed(start, states)


def new_beliefs(bits: int) -> Beliefs:
    """Nothing learnt yet."""
    return np.zeros((1 << bits, 3), np.float64)


def default_priors(fields: int) -> Priors:
    """Of `fields` places, the first of which is the bias."""
    return np.array([_BIAS] + [_UNKNOWN] * (fields - 1))


def learn(beliefs: Beliefs, slots: NDArray[np.uint32], label: NDArray[np.uint8], priors: Priors) -> None:
    """One pass over (n, fields) rows, in place."""
    _learn(beliefs, slots, label, 1.0 / priors)


def means_of(beliefs: Beliefs) -> NDArray[np.float32]:
    """(slots,) weights."""
    met = beliefs[:, 1] > 0.0
    means: NDArray[np.float64] = np.where(met, -beliefs[:, 0] / np.where(met, beliefs[:, 1], 1.0), 0.0)
    return means.astype(np.float32)


def mixed(start: Beliefs, learnt: Sequence[Beliefs]) -> Beliefs:
    """What workers learnt, each from `start` and rows of its own, as one: what each added to the belief adds up."""
    prior = np.max([start[:, 2], *(each[:, 2] for each in learnt)], axis=0)
    z, precision = start[:, 0].copy(), np.where(start[:, 1] > 0.0, start[:, 1], prior)
    before = precision.copy()
    for each in learnt:
        met = each[:, 1] > 0.0
        z += np.where(met, each[:, 0] - start[:, 0], 0.0)
        precision += np.where(met, each[:, 1] - before, 0.0)
    return np.stack([z, precision, prior], axis=1)


def learnt_priors(parts: Iterable[tuple[NDArray[np.uint32], NDArray[np.uint8]]], fields: int, bits: int) -> Priors:
    """The variances of each place's weights, as the (n, fields) slots and (n,) labels of these parts show them.

    A weight's estimate without its prior is off by 1 / evidence, so that much less is the square of the estimate in the
    mean; each is counted by how much the rows say of it. The bias is not learnt.
    """
    beliefs, priors, place = new_beliefs(bits), default_priors(fields), np.zeros(1 << bits, np.int64)
    for slots, label in parts:
        learn(beliefs, slots, label, priors)
        for number in range(fields):
            place[slots[:, number]] = number
    here = np.flatnonzero(beliefs[:, 1] > beliefs[:, 2])
    evidence = beliefs[here, 1] - beliefs[here, 2]
    estimate = -beliefs[here, 0] / evidence
    counted = (evidence / beliefs[here, 1]) ** 2
    total = np.bincount(place[here], counted, fields)
    square = np.bincount(place[here], counted * (estimate**2 - 1.0 / evidence), fields)
    found = np.where(total > 0.0, np.clip(square / np.where(total > 0.0, total, 1.0), _LEAST, _MOST), _UNKNOWN)
    return np.concatenate([[_BIAS], found[1:]])


@compiled
def _learn(beliefs: Array, slots: Array, label: Array, prior: Array) -> None:
    mean = np.empty(slots.shape[1], np.float64)
    for row in range(slots.shape[0]):
        logit, spread = 0.0, 0.0
        for place in range(slots.shape[1]):
            slot = slots[row, place]
            if beliefs[slot, 1] == 0.0:
                beliefs[slot, 1] = beliefs[slot, 2] = prior[place]
            mean[place] = -beliefs[slot, 0] / beliefs[slot, 1]
            logit += mean[place]
            spread += 1.0 / beliefs[slot, 1]
        chance = 1.0 / (1.0 + math.exp(-max(min(logit, 35.0), -35.0)))
        gradient, curvature = chance - label[row], chance * (1.0 - chance)
        for place in range(slots.shape[1]):
            slot = slots[row, place]
            others = 1.0 + curvature * max(spread - 1.0 / beliefs[slot, 1], 0.0)
            beliefs[slot, 0] += (gradient - curvature * mean[place]) / others
            beliefs[slot, 1] += curvature / others
