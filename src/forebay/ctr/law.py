"""The law of generated click logs: which values a row has, and its true click probability.

Pure: a row is a function of (options, day, row number), so any chunking and any order give the same rows. The
probability depends only on values that the row shows (a blank is a value too), so a perfect model could reach it.
No table is held per category: values and effects are hashes of (seed, field, rank), whatever the cardinality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.jit import Array, compiled
from forebay.ctr.schema import CATEGORY_COUNT, INTEGER_COUNT
from forebay.errors import InputError

LAW_VERSION: Final = 1

# One row a field: cardinality (of the order of the 1 TB set's), exponent of the power law, share of blanks, weight of
# its effect on the logit, share of its values replaced by new ones per day (times `drift`).
_CATEGORY_FIELDS: Final = np.array(
    [
        (40_000_000, 1.15, 0.03, 0.20, 1.0), (39_000, 1.10, 0.00, 0.35, 0.0), (17_000, 1.15, 0.00, 0.35, 0.0),
        (7_400, 1.15, 0.01, 0.35, 0.0), (20_000, 1.15, 0.02, 0.35, 0.0), (3, 0.80, 0.00, 0.60, 0.0),
        (7_100, 1.10, 0.00, 0.35, 0.0), (1_500, 1.10, 0.00, 0.45, 0.0), (63, 0.90, 0.00, 0.60, 0.0),
        (38_000_000, 1.20, 0.00, 0.25, 2.0), (2_900_000, 1.15, 0.00, 0.25, 1.0), (400_000, 1.15, 0.00, 0.25, 1.0),
        (10, 0.70, 0.00, 0.60, 0.0), (2_200, 1.10, 0.03, 0.45, 0.0), (12_000, 1.15, 0.00, 0.35, 0.0),
        (155, 0.95, 0.00, 0.60, 0.0), (4, 0.60, 0.00, 0.50, 0.0), (976, 1.05, 0.00, 0.50, 0.0),
        (14, 0.80, 0.44, 0.50, 0.0), (40_000_000, 1.20, 0.44, 0.20, 2.0), (25_000_000, 1.20, 0.02, 0.20, 1.0),
        (39_000_000, 1.15, 0.76, 0.15, 1.0), (585_000, 1.20, 0.00, 0.25, 0.0), (12_000, 1.15, 0.02, 0.35, 0.0),
        (108, 0.90, 0.44, 0.50, 0.0), (36, 0.80, 0.44, 0.50, 0.0),
    ]
)  # fmt: skip
# One row a field: lowest value, median above it, tail exponent, share of blanks, linear and quadratic effect.
_INTEGER_FIELDS: Final = np.array(
    [
        (0, 2, 0.9, 0.45, 0.90, -0.25), (-3, 20, 1.1, 0.00, -0.70, 0.15), (0, 8, 1.0, 0.21, 0.45, 0.00),
        (0, 5, 0.7, 0.21, 0.60, -0.15), (0, 3_000, 1.3, 0.03, -0.75, 0.20), (0, 40, 1.1, 0.22, -0.60, 0.00),
        (0, 4, 1.0, 0.04, 0.75, -0.15), (0, 8, 0.7, 0.00, 0.45, -0.20), (0, 40, 1.0, 0.04, 0.40, 0.15),
        (0, 1, 0.5, 0.45, 0.60, 0.00), (0, 3, 0.8, 0.04, 0.75, -0.20), (0, 1, 0.8, 0.76, 0.45, 0.00),
        (-1, 6, 0.9, 0.21, -0.50, 0.15),
    ]
)  # fmt: skip
_CATEGORY_PAIRS: Final = np.array([(8, 16), (12, 25), (5, 15), (18, 12)])  # each pair of values has its own effect
_SLOPE_PAIRS: Final = np.array([(1, 5), (6, 12)])  # the integer's slope depends on the category
_PAIR_WEIGHT: Final = 0.30
_INTEGER_MAX: Final = 5_000_000.0
_CALIBRATION_ROWS: Final = 1 << 15
_CALIBRATION_STREAM: Final = 1 << 40  # a day number that no file has

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_U1, _U4, _U11, _U16, _U27, _U30, _U31, _U32, _U48 = (np.uint64(n) for n in (1, 4, 11, 16, 27, 30, 31, 32, 48))
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW_16, _LOW_32 = np.uint64(0xFFFF), np.uint64(0xFFFFFFFF)
_ODD_1, _ODD_2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
_SHIFT_13 = np.uint64(13)


@dataclass(frozen=True, slots=True, kw_only=True)
class LawOptions:
    """What may be chosen about the law. The same options give the same rows.

    `ctr`: expected share of clicks on day 0, 0 < ctr < 0.5. `signal`: standard deviation of the true logit; 0 makes
    clicks independent of every field. `drift`: how fast effects, values and CTR move per day, in radians of rotation
    between two sets of effects; 0 is a stationary law. `cardinality_scale`: multiplies every cardinality.
    """

    seed: int = 1
    ctr: float = 0.03
    signal: float = 1.3
    drift: float = 0.03
    cardinality_scale: float = 1.0

    def __post_init__(self) -> None:
        wrong = {
            "seed": not 0 <= self.seed < 1 << 63,
            "ctr": not 0.0 < self.ctr < 0.5,
            "signal": not 0.0 <= self.signal <= 5.0,
            "drift": not 0.0 <= self.drift <= 1.0,
            "cardinality_scale": not 0.0 < self.cardinality_scale <= 10.0,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise InputError("bad-option", f"{name}={getattr(self, name)} is outside the law's range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A law ready to draw from: field parameters as arrays, and the logit's scale and intercept."""

    options: LawOptions
    category_fields: NDArray[np.float64]
    """(26, 6): cardinality, power-law span, power-law inverse exponent, blank share, weight, renewal per day."""
    scale: float
    intercept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRows:
    """n rows. A field whose `valid` is False is blank in the log; its value is then meaningless."""

    label: NDArray[np.uint8]
    """(n,)"""
    integers: NDArray[np.int32]
    """(n, 13)"""
    integers_valid: NDArray[np.bool_]
    categories: NDArray[np.uint32]
    """(n, 26)"""
    categories_valid: NDArray[np.bool_]
    probability: NDArray[np.float64]
    """(n,) the true probability of a click"""


def build_law(options: LawOptions) -> Law:
    """Scale the logit to `signal` and set the intercept for `ctr`, on a fixed sample of rows that no day contains."""
    raw = Law(options=options, category_fields=_category_fields(options), scale=1.0, intercept=0.0)
    sample = _draw_stream(raw, 0, _CALIBRATION_STREAM, 0, _CALIBRATION_ROWS, shift=0.0).probability
    logit = np.log(sample / (1.0 - sample))
    scale = options.signal / float(logit.std())
    intercept = _solve_intercept(scale * logit, options.ctr)
    return Law(options=options, category_fields=raw.category_fields, scale=scale, intercept=intercept)


def draw(law: Law, day: int, first_row: int, rows: int) -> DrawnRows:
    """Rows `first_row` .. `first_row + rows - 1` of `day` (0-based)."""
    return _draw_stream(law, day, day, first_row, rows, shift=_day_shift(law.options, day))


def _day_shift(options: LawOptions, day: int) -> float:
    """A weekly wave and a jolt per day, each of about 2 x drift, as a shift of the logit; day 0 has none."""
    if day == 0:
        return 0.0
    key = (options.seed * int(_GOLDEN) + day) % (1 << 64)
    jolt = float(_standard(np.uint64(_mix(np.uint64(key)))))
    return 2.0 * options.drift * (math.sin(2.0 * math.pi * day / 7.0) + jolt)


def _category_fields(options: LawOptions) -> NDArray[np.float64]:
    cardinality = np.maximum(3.0, np.rint(_CATEGORY_FIELDS[:, 0] * options.cardinality_scale))
    exponent = np.where(np.abs(_CATEGORY_FIELDS[:, 1] - 1.0) < 1e-6, 1.0 + 1e-6, _CATEGORY_FIELDS[:, 1])
    span = (cardinality + 1.0) ** (1.0 - exponent) - 1.0
    renewal = _CATEGORY_FIELDS[:, 4] * options.drift
    columns = (cardinality, span, 1.0 / (1.0 - exponent), _CATEGORY_FIELDS[:, 2], _CATEGORY_FIELDS[:, 3], renewal)
    return np.ascontiguousarray(np.stack(columns, axis=1))


def _solve_intercept(logit: NDArray[np.float64], ctr: float) -> float:
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if float(np.mean(1.0 / (1.0 + np.exp(-(logit + middle))))) < ctr:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _draw_stream(law: Law, day: int, stream: int, first_row: int, rows: int, *, shift: float) -> DrawnRows:
    drawn = DrawnRows(
        label=np.empty(rows, np.uint8),
        integers=np.empty((rows, INTEGER_COUNT), np.int32),
        integers_valid=np.empty((rows, INTEGER_COUNT), np.bool_),
        categories=np.empty((rows, CATEGORY_COUNT), np.uint32),
        categories_valid=np.empty((rows, CATEGORY_COUNT), np.bool_),
        probability=np.empty(rows, np.float64),
    )
    angle = law.options.drift * day
    _fill(
        np.uint64(law.options.seed), np.uint64(stream), np.uint64(first_row), float(day), math.cos(angle),
        math.sin(angle), law.scale, law.intercept + shift, law.category_fields, _INTEGER_FIELDS, drawn.label,
        drawn.integers, drawn.integers_valid, drawn.categories, drawn.categories_valid, drawn.probability,
    )  # fmt: skip
    return drawn


@compiled
def _mix(x: np.uint64) -> np.uint64:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    x = (x ^ (x >> _U30)) * _MIX_1
    x = (x ^ (x >> _U27)) * _MIX_2
    return x ^ (x >> _U31)


@compiled
def _mix_32(x: np.uint64) -> np.uint64:
    """The finaliser of murmur3: a bijection of 32 bits, so that ranks of one field never share a value."""
    x = ((x ^ (x >> _U16)) * _ODD_1) & _LOW_32
    x = ((x ^ (x >> _SHIFT_13)) * _ODD_2) & _LOW_32
    return x ^ (x >> _U16)


@compiled
def _uniform(bits: np.uint64) -> float:
    return (np.float64(bits >> _U11) + 0.5) * (1.0 / 9007199254740992.0)


@compiled
def _standard(bits: np.uint64) -> float:
    """About standard normal: the sum of four uniform 16-bit parts."""
    total = (bits & _LOW_16) + ((bits >> _U16) & _LOW_16) + ((bits >> _U32) & _LOW_16) + (bits >> _U48)
    return (np.float64(total) - 131070.0) / 37837.2


@compiled
def _drifting(key: np.uint64, cosine: float, sine: float) -> float:
    """The effect that `key` names, rotated between two independent sets: its variance never changes."""
    return cosine * _standard(_mix(key)) + sine * _standard(_mix(key ^ _GOLDEN))


@compiled
def _rank(uniform: float, cardinality: float, span: float, inverse: float) -> np.uint64:
    """Inverse distribution function of a power law on 1 .. cardinality."""
    return np.uint64(min((1.0 + uniform * span) ** inverse, cardinality))


@compiled
def _draw_integers(
    state: np.uint64, seed: np.uint64, fields: Array, values: Array, valid: Array, standardised: Array
) -> float:
    """Log-logistic counts; returns their part of the logit and leaves each field's standardised value."""
    logit = 0.0
    for f in range(fields.shape[0]):
        lowest, median, shape, blank, linear, quadratic = fields[f]
        uniform = _uniform(_mix(state + np.uint64(f + 1) * _GOLDEN))
        valid[f] = uniform >= blank
        standardised[f] = 0.0
        if not valid[f]:
            values[f] = 0
            logit += 0.5 * linear * _standard(_mix(seed + np.uint64(1000 + f)))
            continue
        uniform = (uniform - blank) / (1.0 - blank)
        above = math.floor(min(median * (uniform / (1.0 - uniform)) ** shape, _INTEGER_MAX))
        values[f] = np.int32(lowest + above)
        x = (math.log1p(above) - math.log1p(median)) / (1.8 * shape)
        x = min(max(x, -2.5), 2.5)
        standardised[f] = x
        logit += linear * x + quadratic * (x * x - 1.0)
    return logit


@compiled
def _draw_categories(
    state: np.uint64, seed: np.uint64, day: float, cosine: float, sine: float,
    fields: Array, values: Array, valid: Array, names: Array,
) -> float:  # fmt: skip
    """Power-law categories; returns their part of the logit and leaves in `names` what identifies each value."""
    logit = 0.0
    for f in range(fields.shape[0]):
        cardinality, span, inverse, blank, weight, renewal = fields[f]
        uniform = _uniform(_mix(state + np.uint64(f + 101) * _GOLDEN))
        salt = _mix(seed * _GOLDEN + np.uint64(f + 1))
        valid[f] = uniform >= blank
        name = np.uint64(0)
        if valid[f]:
            name = _rank((uniform - blank) / (1.0 - blank), cardinality, span, inverse)
            if renewal > 0.0:  # the rank's value is replaced by a new one every 1 / renewal days
                generation = np.uint64(day * renewal + _uniform(_mix(salt ^ name)))
                name += generation * np.uint64(cardinality)
            values[f] = np.uint32(_mix_32((name ^ salt) & _LOW_32))
        else:
            values[f] = np.uint32(0)
        names[f] = name ^ salt
        logit += weight * _drifting(names[f], cosine, sine)
    return logit


@compiled
def _interactions(names: Array, standardised: Array, cosine: float, sine: float) -> float:
    logit = 0.0
    for pair in range(_CATEGORY_PAIRS.shape[0]):
        key = _mix(names[_CATEGORY_PAIRS[pair, 0]]) + names[_CATEGORY_PAIRS[pair, 1]]
        logit += _PAIR_WEIGHT * _drifting(key, cosine, sine)
    for pair in range(_SLOPE_PAIRS.shape[0]):
        slope = _drifting(names[_SLOPE_PAIRS[pair, 1]] + _U1, cosine, sine)
        logit += _PAIR_WEIGHT * slope * standardised[_SLOPE_PAIRS[pair, 0]]
    return logit


@compiled
def _fill(
    seed: np.uint64, stream: np.uint64, first_row: np.uint64, day: float, cosine: float, sine: float, scale: float,
    intercept: float, category_fields: Array, integer_fields: Array, label: Array, integers: Array,
    integers_valid: Array, categories: Array, categories_valid: Array, probability: Array,
) -> None:  # fmt: skip
    key = _mix(seed * _GOLDEN + _mix(stream + _U4))
    names = np.empty(category_fields.shape[0], np.uint64)
    standardised = np.empty(integer_fields.shape[0], np.float64)
    for row in range(label.size):
        state = _mix(key + (first_row + np.uint64(row)) * _GOLDEN)
        logit = _draw_integers(state, seed, integer_fields, integers[row], integers_valid[row], standardised)
        logit += _draw_categories(
            state, seed, day, cosine, sine, category_fields, categories[row], categories_valid[row], names
        )
        logit += _interactions(names, standardised, cosine, sine)
        probability[row] = 1.0 / (1.0 + math.exp(-(intercept + scale * logit)))
        label[row] = _uniform(_mix(state + np.uint64(201) * _GOLDEN)) < probability[row]
