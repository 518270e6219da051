"""Generated days: Criteo's format, reproducible bytes, an honest `truth.json`, nothing half-written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from forebay.ctr.generate import find_generated, generate
from forebay.ctr.law import LawOptions
from forebay.ctr.source import find_days
from forebay.ctr.truth import read_truth
from forebay.errors import DamagedError, InputError, NotFoundError

ROW = re.compile(rb"[01](\t(-?[0-9]+)?){13}(\t([0-9a-f]{8})?){26}\n")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_days_are_in_criteos_format(tmp_path: Path) -> None:
    report = generate(tmp_path, days=2, rows_per_day=1_000)
    assert [day.number for day in find_days(tmp_path)] == [0, 1]
    for day in ("day_0", "day_1"):
        lines = (tmp_path / day).read_bytes().splitlines(keepends=True)
        assert len(lines) == 1_000
        assert all(ROW.fullmatch(line) for line in lines)
    assert report.rows == 2_000
    assert report.size_bytes == sum((tmp_path / day).stat().st_size for day in ("day_0", "day_1"))


def test_bytes_do_not_depend_on_chunks(tmp_path: Path) -> None:
    generate(tmp_path / "a", rows_per_day=3_000, options=LawOptions(seed=9))
    generate(tmp_path / "b", rows_per_day=3_000, options=LawOptions(seed=9), chunk_rows=701)
    generate(tmp_path / "c", rows_per_day=3_000, options=LawOptions(seed=10))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["day_0"] != contents(tmp_path / "c")["day_0"]


def test_truth_is_the_score_of_the_kept_probabilities(tmp_path: Path) -> None:
    generate(tmp_path, days=1, rows_per_day=30_000, keep_probabilities=True)
    day = read_truth(tmp_path).day(0)
    assert day is not None
    probability = np.load(tmp_path / "truth" / "day_0.npy")
    label = np.array([int(line[:1]) for line in (tmp_path / "day_0").read_bytes().splitlines()])
    assert probability.dtype == np.float32
    assert (day.rows, day.clicks) == (30_000, int(label.sum()))
    assert day.ctr == label.mean()
    assert day.best_auc == pytest.approx(roc_auc_score(label, probability), abs=2e-5)
    assert day.best_log_loss == pytest.approx(log_loss(label, probability), abs=1e-6)
    assert day.expected_ctr == pytest.approx(probability.mean(), abs=1e-6)
    assert 0.0 < (day.best_normalised_entropy or 0.0) < 1.0


def test_truth_of_one_class_has_no_auc(tmp_path: Path) -> None:
    generate(tmp_path, days=1, rows_per_day=3, options=LawOptions(ctr=1e-6))
    day = read_truth(tmp_path).days[0]
    assert (day.clicks, day.best_auc, day.best_normalised_entropy) == (0, None, None)


def test_truth_is_read_back_as_written(tmp_path: Path) -> None:
    report = generate(tmp_path, days=2, rows_per_day=100, options=LawOptions(seed=4, signal=0.7))
    assert read_truth(tmp_path) == report.truth


def test_truth_that_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_truth(tmp_path)
    for text in ("{", "[]", json.dumps({"days": []})):
        (tmp_path / "truth.json").write_text(text)
        with pytest.raises(DamagedError):
            read_truth(tmp_path)


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "day_7").write_text("precious")
    with pytest.raises(InputError, match="day_7") as caught:
        generate(tmp_path, days=1, rows_per_day=10)
    assert caught.value.kind == "target-not-empty"
    assert contents(tmp_path) == {"day_7": b"precious"}


def test_overwriting_leaves_no_day_of_the_earlier_run(tmp_path: Path) -> None:
    generate(tmp_path, days=3, rows_per_day=10, keep_probabilities=True)
    generate(tmp_path, days=1, rows_per_day=10, overwrite=True)
    assert set(contents(tmp_path)) == {"day_0", "truth.json"}
    assert list((tmp_path / "truth").iterdir()) == []


def test_an_interrupted_day_is_not_there(tmp_path: Path) -> None:
    def interrupt(rows_done: int) -> None:
        if rows_done > 1_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, rows_per_day=1_000, chunk_rows=100, on_progress=interrupt)
    assert set(contents(tmp_path)) == {"day_0"}


def test_what_is_there_already_is_found_only_when_it_is_just_that(tmp_path: Path) -> None:
    def found(days: int = 2, rows_per_day: int = 50, seed: int = 3) -> bool:
        options = LawOptions(seed=seed)
        return find_generated(tmp_path, days=days, rows_per_day=rows_per_day, options=options) is not None

    assert not found()
    generate(tmp_path, days=2, rows_per_day=50, options=LawOptions(seed=3))
    assert found()
    assert not any([found(days=1), found(rows_per_day=51), found(seed=4)])
    (tmp_path / "day_1").write_bytes(b"")
    assert not found()


def test_progress_counts_the_rows_of_all_days(tmp_path: Path) -> None:
    seen: list[int] = []
    generate(tmp_path, days=2, rows_per_day=250, chunk_rows=100, on_progress=seen.append)
    assert seen == [100, 200, 250, 350, 450, 500]


@pytest.mark.parametrize("wrong", [{"days": 0}, {"rows_per_day": 0}, {"chunk_rows": 0}])
def test_sizes_below_one_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        generate(tmp_path, **wrong)  # type: ignore[arg-type]
