"""Features: nothing of a day's future leaks, bad rows are refused or counted, and a killed preparation goes on."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client

from forebay.ctr.baseline import baseline
from forebay.ctr.encoder import FEATURES, encode_rows, load_encoder
from forebay.ctr.engines.local import local_client
from forebay.ctr.feature_set import FeatureDay, FeatureSet, read_categories, read_part
from forebay.ctr.law import LawOptions
from forebay.ctr.parse import BadRows
from forebay.ctr.prepare import NamedBadRow
from forebay.ctr.scan import ScannedRows, scan
from forebay.ctr.split import Split
from forebay.ctr.work import work_folder, work_folder_of
from forebay.ctr.workload import generate, prepare
from forebay.errors import ConflictError, DamagedError, InputError, NotFoundError
from tests.integration.ctr import killed_prepare

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


def with_labels_flipped(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    flipped = [b"1" if line.startswith(b"0") else b"0" for line in lines]
    path.write_bytes(b"".join(label + line[1:] for label, line in zip(flipped, lines, strict=True)))


def scanned(path: Path) -> ScannedRows:
    rows = scan(np.fromfile(path, np.uint8), skip_bad_rows=False)
    assert isinstance(rows, ScannedRows)
    return rows


def test_layout_and_counts(clicks: Path, features: FeatureSet) -> None:
    assert features.split == Split(train=(0,), validate=1, test=2)
    assert [day.day for day in features.train_days] == [0]
    assert features.validation_day == features.days[1]
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


def test_raw_categories_are_in_the_parts(clicks: Path, features: FeatureSet) -> None:
    rows = scanned(clicks / "day_1")
    read = [read_categories(features.directory / part.path) for part in features.days[1].parts]
    np.testing.assert_array_equal(np.concatenate([each[0] for each in read], axis=1), rows.categories)
    np.testing.assert_array_equal(np.concatenate([each[1] for each in read], axis=1), rows.categories_valid)


def test_the_saved_encoder_alone_gives_the_test_days_features(clicks: Path, features: FeatureSet) -> None:
    encoder, rows = load_encoder(features.directory / "encoder"), scanned(clicks / "day_2")
    assert (encoder.days, encoder.rows) == ((0, 1), 2 * ROWS)
    matrix = encode_rows(encoder, rows.integers, rows.integers_valid, rows.categories, rows.categories_valid)
    assert matrix.tobytes() == feature_bytes(features, (features.evaluation_day,))


def test_labels_of_the_evaluation_day_change_no_feature(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    with_labels_flipped(copied(clicks, tmp_path / "c") / "day_2")
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert changed.evaluation_day.clicks == ROWS - features.evaluation_day.clicks
    assert feature_bytes(changed, changed.days) == feature_bytes(features, features.days)


def test_rows_of_the_evaluation_day_change_nothing_else(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    day = copied(clicks, tmp_path / "c") / "day_2"
    lines = day.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    day.write_bytes(b"".join(lines[:1_000]))
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert changed.days[:2] == features.days[:2]  # names every part by digest
    for path in (features.directory / "encoder").iterdir():
        assert (changed.directory / "encoder" / path.name).read_bytes() == path.read_bytes()


def test_labels_of_a_later_day_reach_the_days_after_it_alone(
    clicks: Path, features: FeatureSet, tmp_path: Path
) -> None:
    with_labels_flipped(copied(clicks, tmp_path / "c") / "day_1")
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert feature_bytes(changed, changed.days[:2]) == feature_bytes(features, features.days[:2])
    assert feature_bytes(changed, changed.days[2:]) != feature_bytes(features, features.days[2:])


def test_a_label_of_the_first_day_changes_features_of_other_folds_only(
    clicks: Path, features: FeatureSet, tmp_path: Path
) -> None:
    day = copied(clicks, tmp_path / "c") / "day_0"
    text = day.read_bytes()
    day.write_bytes((b"1" if text.startswith(b"0") else b"0") + text[1:])
    changed = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    before, after = (feature_bytes(each, each.days[:1]) for each in (features, changed))
    row = 4 * len(FEATURES)
    assert before != after
    # The prior is the CTR of all the day's rows: the only number through which a label reaches its own features.
    own = [np.frombuffer(each[:row], np.float32) for each in (before, after)]
    np.testing.assert_allclose(own[0], own[1], atol=1.0 / ROWS, equal_nan=True)


def test_compressed_days_give_the_same_features(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    day = copied(clicks, tmp_path / "c") / "day_1"
    day.with_suffix(".gz").write_bytes(gzip.compress(day.read_bytes(), 1))
    day.unlink()
    found = prepare(tmp_path / "c", tmp_path / "f", range_bytes=200_000).features
    assert feature_bytes(found, found.days) == feature_bytes(features, features.days)
    assert len(found.days[1].parts) > 1
    packed = tmp_path / "c" / "day_1.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(DamagedError, match=r"day_1\.gz"):
        prepare(tmp_path / "c", tmp_path / "g", range_bytes=200_000)


def test_kaggles_file_is_seven_days_with_the_lines_of_the_whole_file(clicks: Path, tmp_path: Path) -> None:
    source, lines = tmp_path / "c", (clicks / "day_0").read_bytes().splitlines(keepends=True)
    source.mkdir()
    lines[2_500] = b"no click log\n"
    (source / "train.txt").write_bytes(b"".join(lines))
    (source / "test.txt").write_bytes(b"".join(line[2:] for line in lines))
    report = prepare(source, tmp_path / "f", on_bad_rows="skip")
    assert report.features.split == Split(train=(0, 1, 2, 3, 4), validate=5, test=6)
    assert report.rows == ROWS - 1
    assert report.first_bad_rows == (NamedBadRow(file="train.txt", line=2_501, told="1 columns instead of 40"),)
    assert report.source_bytes == (source / "train.txt").stat().st_size
    lines[2_500] = lines[2_499]
    (source / "train.txt").write_bytes(b"".join(lines))
    assert baseline(source).day == 6


class Twice(Executor):
    """Runs every task, and then once more, as an executor may that has lost sight of a worker."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        first = task(*args, **kwargs)
        future.set_result(task(*args, **kwargs))
        assert future.result() == first
        return future


def test_tasks_that_run_twice_give_the_same_bytes(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    found = prepare(clicks, tmp_path / "f", range_bytes=200_000, executor=Twice()).features
    assert found.digest == features.digest


def test_a_dask_cluster_is_an_executor_too_and_may_lose_a_worker(
    clicks: Path, features: FeatureSet, tmp_path: Path
) -> None:
    killed: list[int] = []
    with local_client(workers=2, threads_per_worker=1) as client:
        assert isinstance(client, Client)
        pids = list(client.run(os.getpid).values())

        def kill_one(stage: str, done: int, total: int) -> None:
            if stage == "count" and not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        executor = client.get_executor()  # type: ignore[no-untyped-call]
        report = prepare(clicks, tmp_path / "f", range_bytes=200_000, executor=executor, progress=kill_one)
    assert killed
    assert report.features.digest == features.digest


@pytest.mark.parametrize("stage", ["parse", "count", "encode"])
def test_a_killed_preparation_goes_on_where_it_ended(
    clicks: Path, features: FeatureSet, tmp_path: Path, stage: str
) -> None:
    kill_at(stage, clicks, tmp_path / "f")
    for folder in (path for path in work_folder_of(tmp_path / "f").glob("*/day_*") if path.is_dir()):
        (folder / ".forebay-1-0-part-00000.parquet").touch()  # what a writer leaves that is killed just then
    left = files_of(work_folder_of(tmp_path / "f"))
    assert not (tmp_path / "f").exists()
    taken_up: dict[str, int] = {}

    def look(stage: str, done: int, total: int) -> None:
        if stage == "encode" and not taken_up:
            taken_up.update(files_of(work_folder_of(tmp_path / "f")))

    found = prepare(clicks, tmp_path / "f", range_bytes=200_000, progress=look).features
    assert found.digest == features.digest
    assert sorted(all_below(found.directory)) == sorted(all_below(features.directory))
    made = {name: number for name, number in left.items() if name.endswith((".parquet", ".arrow"))}
    # Counts by fold come before their sum, in one task: killed between the two, it is done again.
    made = {name: number for name, number in made.items() if name.replace("-folds.arrow", ".arrow") in left}
    assert made
    assert {name: taken_up[name] for name in made} == made
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_killed_preparation_of_other_logs_is_not_taken_up(clicks: Path, features: FeatureSet, tmp_path: Path) -> None:
    source = copied(clicks, tmp_path / "c")
    (source / "day_1").write_bytes((clicks / "day_0").read_bytes())
    kill_at("encode", source, tmp_path / "f")
    (source / "day_1").write_bytes((clicks / "day_1").read_bytes())
    assert prepare(source, tmp_path / "f", range_bytes=200_000).features.digest == features.digest


def kill_at(stage: str, source: Path, out: Path) -> None:
    command = [sys.executable, killed_prepare.__file__, str(source), str(out), stage]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def all_below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


def files_of(folder: Path) -> dict[str, int]:
    """Finished files by name, each with its inode: what is written anew has another one."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.stat().st_ino for path in paths}


def test_two_preparations_of_one_outcome_do_not_meet(clicks: Path, tmp_path: Path) -> None:
    with work_folder(tmp_path / "f", {}):
        with pytest.raises(ConflictError) as caught:
            prepare(clicks, tmp_path / "f")
        assert caught.value.kind == "already-preparing"


def test_progress_and_stages(clicks: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    report = prepare(clicks, tmp_path / "f", progress=lambda *step: steps.append(step))
    size = sum(path.stat().st_size for path in clicks.glob("day_*"))
    assert [step for step in steps if step[1] == step[2]] == [
        ("parse", 3 * ROWS, 3 * ROWS),
        ("count", 2 * ROWS, 2 * ROWS),
        ("add up", 2 * ROWS, 2 * ROWS),
        ("encode", 3 * ROWS, 3 * ROWS),
    ]
    assert list(report.seconds) == ["parse", "count", "add up", "encode"]
    assert (report.rows, report.train_rows, report.validation_rows, report.evaluation_rows) == (3 * ROWS, *[ROWS] * 3)
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
    assert [(bad.file, bad.line) for bad in report.first_bad_rows] == [
        (name, line) for name in ("day_0", "day_2") for line in (ROWS + 1, ROWS + 2)
    ]
    assert report.first_bad_rows[1].told == "column 1 (label) is neither 0 nor 1: 'x'"
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


def test_days_after_the_test_day_are_encoded_as_it_is_and_change_nothing(clicks: Path, tmp_path: Path) -> None:
    features = prepare(clicks, tmp_path / "f", test_day=1).features
    assert features.split == Split(train=(0,), validate=None, test=1)
    assert [day.day for day in features.days] == [0, 1, 2]
    rows = scanned(clicks / "day_2")
    encoder = load_encoder(features.directory / "encoder")
    assert encoder.days == (0,)
    expected = encode_rows(encoder, rows.integers, rows.integers_valid, rows.categories, rows.categories_valid)
    assert feature_bytes(features, features.days[2:]) == expected.tobytes()
    fewer = copied(clicks, tmp_path / "c")
    (fewer / "day_2").unlink()
    alone = prepare(fewer, tmp_path / "g").features
    assert feature_bytes(alone, alone.days) == feature_bytes(features, features.days[:2])
