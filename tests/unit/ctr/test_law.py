"""The law of the click logs: reproducible, of the asked strength, skewed, drifting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forebay.ctr.law import DrawnRows, LawOptions, build_law, draw
from forebay.errors import InputError

FIELDS = ("label", "integers", "integers_valid", "categories", "categories_valid", "probability")


def logit(rows: DrawnRows) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.log(rows.probability / (1.0 - rows.probability))


def test_a_row_depends_on_options_day_and_number_only() -> None:
    law = build_law(LawOptions(seed=5))
    whole = draw(law, day=2, first_row=0, rows=1_000)
    parts = [draw(build_law(LawOptions(seed=5)), day=2, first_row=first, rows=250) for first in (0, 250, 500, 750)]
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(whole, field), np.concatenate([getattr(part, field) for part in parts]))


@pytest.mark.parametrize("other", [LawOptions(seed=6), LawOptions(seed=5, cardinality_scale=0.1)])
def test_other_options_give_other_rows(other: LawOptions) -> None:
    first, second = (draw(build_law(options), 0, 0, 500) for options in (LawOptions(seed=5), other))
    assert not np.array_equal(first.categories, second.categories)


@pytest.mark.parametrize("ctr", [0.03, 0.2])
def test_ctr_and_signal_are_what_was_asked_for(ctr: float) -> None:
    rows = draw(build_law(LawOptions(ctr=ctr, signal=1.3)), 0, 0, 100_000)
    assert rows.probability.mean() == pytest.approx(ctr, rel=0.04)
    assert rows.label.mean() == pytest.approx(rows.probability.mean(), rel=0.06)
    assert logit(rows).std() == pytest.approx(1.3, rel=0.03)


def test_without_signal_every_row_has_the_same_probability() -> None:
    rows = draw(build_law(LawOptions(ctr=0.1, signal=0.0)), 0, 0, 1_000)
    np.testing.assert_allclose(rows.probability, 0.1)


def test_categories_are_skewed_and_cardinalities_differ() -> None:
    rows = draw(build_law(LawOptions()), 0, 0, 50_000)
    seen = [np.unique(rows.categories[rows.categories_valid[:, field], field]).size for field in range(26)]
    assert min(seen) == 3
    assert max(seen) > 5_000
    top = np.sort(np.unique(rows.categories[:, 1], return_counts=True)[1])[::-1]
    assert top[0] > 50 * top[len(top) // 2]


def test_cardinality_scale_shrinks_the_large_fields() -> None:
    rows = draw(build_law(LawOptions(cardinality_scale=1e-5)), 0, 0, 20_000)
    assert max(np.unique(rows.categories[:, field]).size for field in range(26)) <= 401


def test_blanks_and_negatives_occur() -> None:
    rows = draw(build_law(LawOptions()), 0, 0, 10_000)
    assert 0.7 < 1.0 - rows.integers_valid[:, 11].mean() < 0.8
    assert 0.4 < 1.0 - rows.categories_valid[:, 18].mean() < 0.5
    assert rows.integers.min() == -3


def test_drift_changes_effects_a_little_each_day_and_renews_categories() -> None:
    law, still = build_law(LawOptions(drift=0.03)), build_law(LawOptions(drift=0.0))
    first, second = (draw(law, day, 0, 30_000) for day in (0, 1))
    assert first.probability.mean() != second.probability.mean()
    assert second.probability.mean() == pytest.approx(first.probability.mean(), rel=0.3)
    new, old = (
        np.isin(second.categories[:, 9], first.categories[:, 9]),
        np.isin(draw(still, 1, 0, 30_000).categories[:, 9], draw(still, 0, 0, 30_000).categories[:, 9]),
    )
    assert new.mean() < old.mean()


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"ctr": float("nan")}, {"ctr": 0.5}, {"signal": -1.0}, {"drift": 2.0}, {"cardinality_scale": 0.0}],
)
def test_options_outside_the_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        LawOptions(**wrong)
