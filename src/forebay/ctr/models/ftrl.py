"""Logistic regression by FTRL-Proximal with a learning rate per coordinate, and averaging over workers.

McMahan et al., "Ad Click Prediction: a View from the Trenches", KDD 2013, algorithm 1. Pure: rows are (n, fields)
slots in the order they are learnt; every value of a row is 1. The same rows in the same order give the same state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled

State = NDArray[np.float32]
"""(slots, 2): the paper's z, and its n: the sum of squared gradients, so the evidence on a slot."""
Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """alpha: step; beta: how soon steps shrink; l1, l2: regularisation. In the paper's words."""

    alpha: float
    beta: float
    l1: float
    l2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ftrl:
    """This way to learn: implements `logistic.Method`."""

    rates: Rates

    def new(self, bits: int) -> State:
        return new_state(bits)

    def learn(self, state: State, slots: NDArray[np.uint32], label: NDArray[np.uint8]) -> None:
        learn(state, slots, label, self.rates)

    def weights(self, state: State) -> Weights:
        return weights_of(state, self.rates)

    def mixed(self, start: State, states: Sequence[State]) -> State:
        return mixed(start, states, self.rates)


def new_state(bits: int) -> State:
    """Nothing learnt yet."""
    return np.zeros((1 << bits, 2), np.float32)


def learn(state: State, slots: NDArray[np.uint32], label: NDArray[np.uint8], rates: Rates) -> None:
    """One pass over the rows, in place."""
    _learn(state, slots, label, rates.alpha, rates.beta, rates.l1, rates.l2)


def weights_of(state: State, rates: Rates) -> Weights:
    """(slots,) weights."""
    out = np.empty(state.shape[0], np.float32)
    _weights(state, rates.alpha, rates.beta, rates.l1, rates.l2, out)
    return out


def mixed(start: State, states: Sequence[State], rates: Rates) -> State:
    """What workers learnt, each from `start` and rows of its own, as one state.

    A slot's weight is the mean of the workers' weights, each counted by the evidence that it added: by its rows, where
    all workers met the slot alike; and a value that one worker alone has met is not diluted. The evidence adds up.
    """
    added = [(state[:, 1] - start[:, 1]).astype(np.float64) for state in states]
    total = np.sum(added, axis=0)
    met = total > 0.0
    weight = weights_of(start, rates).astype(np.float64)
    learnt = np.sum([weights_of(state, rates) * each for state, each in zip(states, added, strict=True)], axis=0)
    weight[met] = learnt[met] / total[met]
    n = start[:, 1] + total
    z = np.where(met, -(weight * _firmness(n, rates) + np.sign(weight) * rates.l1), start[:, 0])
    return np.stack([z, n], axis=1).astype(np.float32)


def _firmness(n: NDArray[np.float64], rates: Rates) -> NDArray[np.float64]:
    firmness: NDArray[np.float64] = (rates.beta + np.sqrt(n)) / rates.alpha + rates.l2
    return firmness


def logits(weights: Weights, slots: NDArray[np.uint32]) -> NDArray[np.float64]:
    """(n,) log-odds of a click."""
    out = np.empty(slots.shape[0], np.float64)
    _logits(weights, slots, out)
    return out


@compiled
def _weight(z: float, n: float, alpha: float, beta: float, l1: float, l2: float) -> float:
    if abs(z) <= l1:
        return 0.0
    return -(z - math.copysign(l1, z)) / ((beta + math.sqrt(n)) / alpha + l2)


@compiled
def _weights(zn: Array, alpha: float, beta: float, l1: float, l2: float, out: Array) -> None:
    for slot in range(out.size):
        out[slot] = _weight(zn[slot, 0], zn[slot, 1], alpha, beta, l1, l2)


@compiled
def _learn(zn: Array, slots: Array, label: Array, alpha: float, beta: float, l1: float, l2: float) -> None:
    weight = np.empty(slots.shape[1], np.float64)
    for row in range(slots.shape[0]):
        logit = 0.0
        for place in range(slots.shape[1]):
            weight[place] = _weight(zn[slots[row, place], 0], zn[slots[row, place], 1], alpha, beta, l1, l2)
            logit += weight[place]
        gradient = 1.0 / (1.0 + math.exp(-max(min(logit, 35.0), -35.0))) - label[row]
        for place in range(slots.shape[1]):
            slot = slots[row, place]
            n = np.float64(zn[slot, 1])
            grown = n + gradient * gradient
            zn[slot, 0] += gradient - (math.sqrt(grown) - math.sqrt(n)) / alpha * weight[place]
            zn[slot, 1] = grown


@compiled
def _logits(weights: Array, slots: Array, out: Array) -> None:
    for row in range(slots.shape[0]):
        logit = 0.0
        for place in range(slots.shape[1]):
            logit += weights[slots[row, place]]
        out[row] = logit
