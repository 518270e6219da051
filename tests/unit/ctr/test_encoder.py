"""The encoder: out-of-fold rates, unseen values, blanks, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.encoder import FEATURES, Encoder, EncoderOptions, encode_integers, load_encoder, save_encoder
from forebay.ctr.schema import CATEGORIES
from forebay.ctr.tables import count_categories, keep_frequent
from forebay.errors import DamagedError, InputError, NotFoundError

OPTIONS = EncoderOptions(folds=3, min_rows=2, smoothing_rows=10.0)
CATEGORY = np.array([5, 5, 5, 5, 9, 9, 3, 0, 0], np.uint32)
VALID = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0], np.bool_)
LABEL = np.array([1, 0, 1, 0, 0, 1, 1, 0, 1], np.uint8)
FOLD = np.array([0, 0, 1, 2, 1, 1, 0, 2, 0], np.uint8)


def fitted(label: np.ndarray[Any, np.dtype[np.uint8]] = LABEL) -> Encoder:
    table = keep_frequent(count_categories(CATEGORY, VALID, label, FOLD, 3), OPTIONS.min_rows)
    return Encoder(options=OPTIONS, train_rows=9, train_clicks=5, tables=dict.fromkeys(CATEGORIES, table))


def test_a_train_row_is_encoded_from_the_other_folds() -> None:
    rate, share = fitted().encode_field("C1", CATEGORY, VALID, FOLD)
    prior = 10.0 * 5 / 9
    assert rate[0] == pytest.approx((1 + prior) / (2 + 10))  # folds 1 and 2 hold 5 with labels 1 and 0
    assert rate[2] == pytest.approx((1 + prior) / (3 + 10))
    assert rate[4] == pytest.approx(5 / 9)  # all rows of 9 are in this fold: nothing is known
    assert rate[6] == pytest.approx(5 / 9)  # 3 is rare
    assert rate[7] == pytest.approx((1 + prior) / (1 + 10))  # the other blank clicked
    assert share.tolist() == pytest.approx([4 / 9] * 4 + [2 / 9] * 2 + [0.0] + [2 / 9] * 2)


def test_other_rows_are_encoded_from_all_train_rows() -> None:
    seen = np.array([5, 9, 3, 4_000_000_000, 0, 0], np.uint32)
    valid = np.array([1, 1, 1, 1, 1, 0], np.bool_)
    rate, share = fitted().encode_field("C1", seen, valid, None)
    prior = 10.0 * 5 / 9
    expected = [(2 + prior) / 14, (1 + prior) / 12, 5 / 9, 5 / 9, 5 / 9, (1 + prior) / 12]
    assert rate.tolist() == pytest.approx(expected)
    assert share.tolist() == pytest.approx([4 / 9, 2 / 9, 0.0, 0.0, 0.0, 2 / 9])


@given(st.lists(st.integers(0, 1), min_size=9, max_size=9), st.integers(0, 2))
def test_labels_of_a_fold_do_not_reach_its_own_rates(labels: list[int], fold: int) -> None:
    changed = np.where(fold == FOLD, np.array(labels, np.uint8), LABEL)
    before, after = (fitted(label).encode_field("C1", CATEGORY, VALID, FOLD)[0] for label in (LABEL, changed))
    np.testing.assert_array_equal(before[fold == FOLD], after[fold == FOLD])


def test_blank_integers_are_nan_and_zero_is_zero() -> None:
    encoded = encode_integers(np.array([0, 0, -3], np.int32), np.array([True, False, True]))
    np.testing.assert_array_equal(encoded, np.array([0.0, np.nan, -3.0], np.float32))


def test_a_saved_encoder_encodes_the_same(tmp_path: Path) -> None:
    save_encoder(fitted(), tmp_path)
    loaded = load_encoder(tmp_path)
    assert loaded.options == OPTIONS
    for fold in (FOLD, None):
        for before, after in zip(
            fitted().encode_field("C26", CATEGORY, VALID, fold),
            loaded.encode_field("C26", CATEGORY, VALID, fold),
            strict=True,
        ):
            np.testing.assert_array_equal(before, after)


def test_a_table_without_any_category_encodes_all_as_unseen(tmp_path: Path) -> None:
    none = np.empty(0, np.uint32)
    table = count_categories(none, none.astype(np.bool_), none.astype(np.uint8), none.astype(np.uint8), 3)
    encoder = Encoder(options=OPTIONS, train_rows=4, train_clicks=1, tables=dict.fromkeys(CATEGORIES, table))
    save_encoder(encoder, tmp_path)
    rate, share = load_encoder(tmp_path).encode_field("C1", CATEGORY, VALID, None)
    assert rate.tolist() == [0.25] * 9
    assert share.tolist() == [0.0] * 9


def test_an_absent_or_damaged_encoder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_encoder(tmp_path)
    save_encoder(fitted(), tmp_path)
    (tmp_path / "tables.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError):
        load_encoder(tmp_path)
    (tmp_path / "encoder.json").write_text('{"format": 99, "features": []}')
    with pytest.raises(DamagedError, match="another version"):
        load_encoder(tmp_path)


def test_features_have_distinct_names() -> None:
    assert len(set(FEATURES)) == 13 + 2 * 26


@pytest.mark.parametrize(
    "wrong", [{"folds": 1}, {"folds": 256}, {"min_rows": 0}, {"smoothing_rows": 0.0}, {"seed": -1}]
)
def test_options_outside_the_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        EncoderOptions(**wrong)
