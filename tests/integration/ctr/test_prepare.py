"""Features: no row of the evaluation day leaks, bad rows are refused or counted, the outcome is whole or absent."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from distributed import Client

from forebay.ctr.cluster import local_client
from forebay.ctr.encoder import FEATURES
from forebay.ctr.feature_set import FeatureDay, FeatureSet, read_part
from forebay.ctr.law import LawOptions
from forebay.ctr.parse import BadRows
from forebay.ctr.workload import generate, prepare
from forebay.errors import InputError, NotFoundError

ROWS = 3_000


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("clicks")
    generate(out, days=3, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    return out


@pytest.fixture(scope="module")
def features(clicks: Path) -> FeatureSet:
    return prepare(clicks, clicks.with_name(f"{clicks.name}-features"), range_bytes=200_000).features


def copied(clicks: Path, directory: Path) -> Path:
    directory.mkdir()
    for path in clicks.glob("day_*"):
        (directory / path.name).write_bytes(path.read_bytes())
    return directory


def feature_bytes(features: FeatureSet, days: tuple[FeatureDay, ...]) -> bytes:
    """Every feature of every row of these days, labels left out."""
    parts = [read_part(features.directory / part.path, features.features) for day in days for part in day.parts]
    return np.concatenate([matrix for matrix, _ in parts]).tobytes()


def test_layout_and_counts(clicks: Path, features: FeatureSet) -> None:
    assert [day.day for day in features.train_days] == [0, 1]
    assert features.evaluation_day.day == 2
    assert [day.rows for day in features.days] == [ROWS] * 3
    assert features.features == FEATURES
    assert all(len(day.parts) > 1 for day in features.days)
    found = {path.name for path in features.directory.iterdir()}
    assert found == {"day_0", "day_1", "day_2", "encoder", "features.json"}
    labels = [line[:1] for line in (clicks / "day_2").read_bytes().splitlines()]
    assert features.evaluation_day.clicks == labels.count(b"1")


def test_the_same_input_gives_the_same_bytes(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    assert prepare(clicks, tmp_path / "f", range_bytes=200_000).features.digest == features.digest


def test_how_files_are_cut_changes_no_feature(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    whole = prepare(clicks, tmp_path / "f").features
    assert feature_bytes(whole, whole.days) == feature_bytes(features, features.days)


def test_labels_of_the_evaluation_day_change_no_feature(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    day = copied(clicks, tmp_path / "c") / "day_2"
    lines = day.read_bytes().splitlines(keepends=True)
    flipped = [b"1" if line.startswith(b"0") else b"0" for line in lines]
    day.write_bytes(b"".join(label + line[1:] for label, line in zip(flipped, lines, strict=True)))
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert changed.evaluation_day.clicks == ROWS - features.evaluation_day.clicks
    assert feature_bytes(changed, changed.days) == feature_bytes(features, features.days)


def test_rows_of_the_evaluation_day_change_no_train_feature(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    day = copied(clicks, tmp_path / "c") / "day_2"
    lines = day.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    day.write_bytes(b"".join(lines[:1_000]))
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert changed.train_days == features.train_days  # names every part by digest
    tables = "encoder/tables.parquet"
    assert pq.read_table(changed.directory / tables).equals(pq.read_table(features.directory / tables))


def test_a_train_label_changes_features_of_other_folds_only(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    day = copied(clicks, tmp_path / "c") / "day_0"
    text = day.read_bytes()
    day.write_bytes((b"1" if text.startswith(b"0") else b"0") + text[1:])
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    before, after = (feature_bytes(each, each.days[:1]) for each in (features, changed))
    row = 4 * len(FEATURES)
    assert before != after
    # The prior is the CTR of all train rows: the only number through which a row's label reaches its own features.
    own = [np.frombuffer(each[:row], np.float32) for each in (before, after)]
    np.testing.assert_allclose(own[0], own[1], atol=1.0 / (2 * ROWS), equal_nan=True)


def test_a_dask_cluster_is_an_executor_too(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    with local_client(workers=1, threads_per_worker=2) as client:
        assert isinstance(client, Client)
        executor = client.get_executor()  # type: ignore[no-untyped-call]
        report = prepare(clicks, tmp_path / "f", range_bytes=200_000, executor=executor)
    assert report.features.digest == features.digest


def test_progress_and_stages(clicks: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    report = prepare(clicks, tmp_path / "f", progress=lambda *step: steps.append(step))
    size = sum(path.stat().st_size for path in clicks.glob("day_*"))
    assert [step for step in steps if step[1] == step[2]] == [
        ("parse", size, size), ("count", 26, 26), ("encode", 3 * ROWS, 3 * ROWS)
    ]  # fmt: skip
    assert list(report.seconds) == ["parse", "count", "encode"]
    assert (report.rows, report.train_rows, report.evaluation_rows) == (3 * ROWS, 2 * ROWS, ROWS)
    assert report.source_bytes == size


def test_a_bad_row_stops_and_leaves_nothing(clicks: Path, tmp_path: Path) -> None:
    with (copied(clicks, tmp_path / "c") / "day_1").open("ab") as day:
        day.write(b"0\t1\n")
    with pytest.raises(InputError, match=f"day_1, line {ROWS + 1}: 2 columns instead of 40") as caught:
        prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000)
    assert caught.value.kind == "bad-row"
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_bad_rows_are_skipped_and_counted(clicks: Path, tmp_path: Path) -> None:
    for name in ("day_0", "day_2"):
        with (copied(clicks, tmp_path / "c") if name == "day_0" else tmp_path / "c").joinpath(name).open("ab") as day:
            day.write(b"0\t1\n" + b"x" + b"\t" * 39 + b"\n")
    report = prepare(tmp_path / "c", tmp_path / "f", on_bad_rows="skip")
    assert report.bad_rows == BadRows(columns=2, label=2)
    assert [day.bad_rows.total for day in report.features.days] == [2, 0, 2]
    assert report.rows == 3 * ROWS


def test_sources_that_cannot_be_used_are_refused(clicks: Path, tmp_path: Path) -> None:
    def refused(source: Path) -> str:
        with pytest.raises(InputError) as caught:
            prepare(source, tmp_path / "f", on_bad_rows="skip")
        return caught.value.kind

    source = copied(clicks, tmp_path / "c")
    (source / "day_2").write_bytes(b"nonsense\n")
    assert refused(source) == "no-rows"
    (source / "day_2").write_bytes(b"")
    assert refused(source) == "no-rows"
    (source / "day_2").unlink()
    (source / "day_1").unlink()
    assert refused(source) == "too-few-days"
    (source / "day_1").write_bytes((source / "day_0").read_bytes())
    (source / "day_0").write_bytes(b"0" + b"\t" * 39)
    assert refused(source) == "one-class"
    with pytest.raises(NotFoundError):
        prepare(tmp_path / "absent", tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_features_are_never_replaced(clicks: Path, features: FeatureSet) -> None:
    with pytest.raises(InputError) as caught:
        prepare(clicks, features.directory)
    assert caught.value.kind == "target-not-empty"
