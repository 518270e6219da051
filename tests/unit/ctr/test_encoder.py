"""The encoder: past rates, out-of-fold rates of the first day, unseen values, blanks, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.ctr.encoder import (
    FEATURES,
    Encoder,
    EncoderOptions,
    encode_integers,
    fold_table_path,
    load_encoder,
    save_encoder,
    table_path,
)
from forebay.ctr.schema import CATEGORIES
from forebay.ctr.table_files import write_table
from forebay.ctr.tables import count_keys, frequent, keys_of, with_fold
from forebay.errors import DamagedError, InputError, NotFoundError

OPTIONS = EncoderOptions(folds=3, min_rows=2, smoothing_rows=10.0)
CATEGORY = np.array([5, 5, 5, 5, 9, 9, 3, 0, 0], np.uint32)
VALID = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0], np.bool_)
LABEL = np.array([1, 0, 1, 0, 0, 1, 1, 0, 1], np.uint8)
FOLD = np.array([0, 0, 1, 2, 1, 1, 0, 2, 0], np.uint8)


def fitted(folder: Path, label: np.ndarray[Any, np.dtype[np.uint8]] = LABEL) -> Encoder:
    (folder / "folds").mkdir(parents=True, exist_ok=True)
    keys = keys_of(CATEGORY, VALID)
    by_fold = count_keys(with_fold(keys, FOLD), label)
    for field in CATEGORIES:
        kept = frequent([count_keys(keys, label)], OPTIONS.min_rows)
        write_table(table_path(folder, field), kept, searched=True)
    write_table(fold_table_path(folder / "folds", "C1"), [by_fold], searched=True)
    return save_encoder(folder, options=OPTIONS, days=(0,), rows=9, clicks=5)


def test_a_row_of_the_first_day_is_encoded_from_the_other_folds(tmp_path: Path) -> None:
    rate, share = fitted(tmp_path).encode_field_out_of_fold("C1", CATEGORY, VALID, FOLD, tmp_path / "folds")
    prior = 10.0 * 5 / 9
    assert rate[0] == pytest.approx((1 + prior) / (2 + 10))  # folds 1 and 2 hold 5 with labels 1 and 0
    assert rate[2] == pytest.approx((1 + prior) / (3 + 10))
    assert rate[4] == pytest.approx(5 / 9)  # all rows of 9 are in this fold: nothing is known
    assert rate[6] == pytest.approx(5 / 9)  # 3 is rare
    assert rate[7] == pytest.approx((1 + prior) / (1 + 10))  # the other blank clicked
    assert share.tolist() == pytest.approx([4 / 9] * 4 + [2 / 9] * 2 + [0.0] + [2 / 9] * 2)


def test_rows_of_later_days_are_encoded_from_all_rows(tmp_path: Path) -> None:
    seen = np.array([5, 9, 3, 4_000_000_000, 0, 0], np.uint32)
    valid = np.array([1, 1, 1, 1, 1, 0], np.bool_)
    rate, share = fitted(tmp_path).encode_field("C1", seen, valid)
    prior = 10.0 * 5 / 9
    expected = [(2 + prior) / 14, (1 + prior) / 12, 5 / 9, 5 / 9, 5 / 9, (1 + prior) / 12]
    assert rate.tolist() == pytest.approx(expected)
    assert share.tolist() == pytest.approx([4 / 9, 2 / 9, 0.0, 0.0, 0.0, 2 / 9])


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 1), min_size=9, max_size=9), st.integers(0, 2))
def test_labels_of_a_fold_do_not_reach_its_own_rates(tmp_path: Path, labels: list[int], fold: int) -> None:
    changed = np.where(fold == FOLD, np.array(labels, np.uint8), LABEL)
    before, after = (
        fitted(tmp_path / name, label).encode_field_out_of_fold("C1", CATEGORY, VALID, FOLD, tmp_path / name / "folds")
        for name, label in (("before", LABEL), ("after", changed))
    )
    np.testing.assert_array_equal(before[0][fold == FOLD], after[0][fold == FOLD])


def test_blank_integers_are_nan_and_zero_is_zero() -> None:
    encoded = encode_integers(np.array([0, 0, -3], np.int32), np.array([True, False, True]))
    np.testing.assert_array_equal(encoded, np.array([0.0, np.nan, -3.0], np.float32))


def test_a_saved_encoder_is_read_back_and_encodes_the_same(tmp_path: Path) -> None:
    saved = fitted(tmp_path)
    assert load_encoder(tmp_path) == saved
    np.testing.assert_array_equal(
        saved.encode_field("C26", CATEGORY, VALID), load_encoder(tmp_path).encode_field("C26", CATEGORY, VALID)
    )


def test_a_table_without_any_category_encodes_all_as_unseen(tmp_path: Path) -> None:
    write_table(table_path(tmp_path, "C1"), [], searched=True)
    encoder = save_encoder(tmp_path, options=OPTIONS, days=(0,), rows=4, clicks=1)
    rate, share = encoder.encode_field("C1", CATEGORY, VALID)
    assert rate.tolist() == [0.25] * 9
    assert share.tolist() == [0.0] * 9


def test_an_absent_or_damaged_encoder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        load_encoder(tmp_path)
    encoder = fitted(tmp_path)
    (tmp_path / "C3.arrow").write_bytes(b"ARROW1")
    with pytest.raises(DamagedError, match=r"C3\.arrow"):
        encoder.encode_field("C3", CATEGORY, VALID)
    (tmp_path / "C3.arrow").unlink()
    with pytest.raises(DamagedError, match=r"C3\.arrow"):
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
