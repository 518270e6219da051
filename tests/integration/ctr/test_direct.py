"""From click logs to a model in one pass: the rows it read, how good it is, and when it stops."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import pytest

from forebay.ctr.direct import DIRECT_OPTIONS, direct
from forebay.ctr.generate import generate
from forebay.ctr.law import LawOptions
from forebay.ctr.split import Split
from forebay.ctr.truth import read_truth
from forebay.errors import InputError

ROWS = 20_000


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clicks")
    generate(out, days=4, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    return out


def test_one_pass_learns_from_the_train_days_alone(clicks: Path) -> None:
    report = direct(clicks)
    best = read_truth(clicks).days[3].best_auc
    assert best is not None
    assert report.split == Split(train=(0, 1), validate=2, test=3)
    assert (report.train_rows, report.metrics.rows, report.looks) == (2 * ROWS, ROWS, 1)
    assert best - 0.1 < report.metrics.auc < best
    assert set(report.seconds) == {"fit", "predict", "measure"}
    again = direct(clicks)
    assert again.metrics == report.metrics


def test_it_stops_when_the_auc_is_reached(clicks: Path) -> None:
    whole = direct(clicks)
    early = direct(clicks, until_auc=0.6)
    assert 0.6 <= early.metrics.auc <= whole.metrics.auc + 0.02
    assert early.train_rows < whole.train_rows
    assert early.looks >= 1


def test_what_cannot_be_reached_ends_with_all_rows(clicks: Path) -> None:
    report = direct(clicks, until_auc=0.99)
    assert report.train_rows == 2 * ROWS
    assert report.metrics.auc < 0.99
    assert report.looks == 1


def test_packed_days_teach_the_same(clicks: Path, tmp_path: Path) -> None:
    for day in range(4):
        (tmp_path / f"day_{day}.gz").write_bytes(gzip.compress((clicks / f"day_{day}").read_bytes(), 1))
    plain, packed = direct(clicks), direct(tmp_path)
    assert packed.train_rows == plain.train_rows
    assert packed.metrics.rows == plain.metrics.rows
    assert packed.metrics.auc == pytest.approx(plain.metrics.auc, abs=1e-6)
    (tmp_path / "day_1.gz").write_bytes(gzip.compress((clicks / "day_1").read_bytes()[:50_000] + b"x\n", 1))
    with pytest.raises(InputError, match=r"day_1.gz, line \d+") as caught:
        direct(tmp_path)
    assert caught.value.kind == "bad-row"


def test_crosses_are_learnt_where_they_are_asked_for(clicks: Path) -> None:
    plain = direct(clicks)
    crossed = direct(clicks, options=dataclasses.replace(DIRECT_OPTIONS, cross_at_most=256))
    assert crossed.train_rows == plain.train_rows
    assert crossed.metrics.auc != plain.metrics.auc
    assert crossed.metrics.auc > 0.6


def test_kaggles_file_is_cut_by_bytes(clicks: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes((clicks / "day_0").read_bytes())
    report = direct(tmp_path)
    assert report.split == Split(train=(0, 1, 2, 3, 4), validate=5, test=6)
    assert report.train_rows + report.metrics.rows < ROWS


def test_a_bad_row_is_named(clicks: Path, tmp_path: Path) -> None:
    for day in (0, 1):
        (tmp_path / f"day_{day}").write_bytes((clicks / f"day_{day}").read_bytes()[:50_000] + b"x\n")
    with pytest.raises(InputError, match=r"day_0, line \d+") as caught:
        direct(tmp_path)
    assert caught.value.kind == "bad-row"


def test_without_a_day_to_validate_on_it_cannot_know_when_to_stop(clicks: Path, tmp_path: Path) -> None:
    for day in (0, 1):
        (tmp_path / f"day_{day}").symlink_to(clicks / f"day_{day}")
    with pytest.raises(InputError) as caught:
        direct(tmp_path, until_auc=0.6)
    assert caught.value.kind == "no-validation"
