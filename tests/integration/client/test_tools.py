"""Tools as their users call them: on `forebay://` with a version that nobody has filled yet, and on the plain path."""

from __future__ import annotations

import importlib.metadata
import io
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
from distributed import Client

import forebay
from forebay.client.filesystem import ForebayFileSystem
from forebay.ctr.engines.local import local_client
from tests.integration.cache.stage import Stage

DAYS = [pd.DataFrame({"click": range(50), "day": day}) for day in range(4)]
ALL = pd.concat(DAYS)


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


@pytest.fixture
def clicks(counted: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Four days as Parquet and as CSV; the settings are in the environment, as a user's are."""
    files = {f"days/day_{day}.parquet": parquet(frame) for day, frame in enumerate(DAYS)}
    files |= {f"text/day_{day}.csv": csv(frame) for day, frame in enumerate(DAYS)}
    counted.add("clicks", files)
    monkeypatch.chdir(counted.root)
    (counted.root / "forebay.toml").write_text(_toml(counted.settings))
    monkeypatch.setenv("HOME", str(counted.root))
    ForebayFileSystem.clear_instance_cache()
    yield counted
    for made in list(ForebayFileSystem._cache.values()):
        made.close()
    ForebayFileSystem.clear_instance_cache()
    assert counted.origin is not None
    gets = [seen.path for seen in counted.origin.seen(method="GET") if "day_" in seen.path]
    assert len(gets) == len(set(gets)), "ONE-FILL"


def _toml(settings: dict[str, Any]) -> str:
    plain = [f"{name} = {value!r}" for name, value in settings.items() if name != "profiles"]
    keys = [f"{name} = {value!r}" for name, value in settings["profiles"]["origin"].items()]
    return "\n".join([*plain, "[profiles.origin]", *keys])


def test_fsspec_knows_the_scheme_from_the_installed_package() -> None:
    (found,) = [item for item in importlib.metadata.entry_points(group="fsspec.specs") if item.name == "forebay"]
    assert found.load() is fsspec.get_filesystem_class("forebay") is ForebayFileSystem


def test_pandas(clicks: Stage) -> None:
    assert pd.read_parquet("forebay://clicks@v1/days/day_2.parquet").equals(DAYS[2])
    assert pd.read_parquet("forebay://clicks@v1/days/day_2.parquet", columns=["day"]).equals(DAYS[2][["day"]])
    assert len(pd.read_parquet("forebay://clicks@v1/days")) == len(ALL)
    assert pd.read_csv("forebay://clicks/text/day_3.csv").equals(DAYS[3])
    given = pd.read_csv("forebay://clicks/text/day_1.csv", storage_options=clicks.settings)
    assert given.equals(DAYS[1])


def test_pyarrow(clicks: Stage) -> None:
    filesystem, path = pyarrow.fs.FileSystem.from_uri("fsspec+forebay://clicks@v1/days")
    assert path == "clicks@v1/days"
    assert filesystem.get_file_info(f"{path}/day_0.parquet").size == len(parquet(DAYS[0]))
    assert pq.read_table("fsspec+forebay://clicks@v1/days/day_0.parquet").num_rows == 50
    assert ds.dataset("fsspec+forebay://clicks@v1/days").to_table(filter=ds.field("day") == 2).num_rows == 50
    assert pq.read_table("clicks@v1/days", filesystem=fsspec.filesystem("forebay")).num_rows == len(ALL)
    with pytest.raises(pa.ArrowInvalid, match="Unrecognized filesystem"):
        pq.read_table("forebay://clicks@v1/days/day_0.parquet")


@pytest.fixture
def path(clicks: Stage) -> Iterator[Path]:
    """The folder of the version's Parquet files, one folder above them."""
    with forebay.open("clicks@v1", include="days") as here:
        yield here.path


def test_the_plain_path_in_pandas_and_pyarrow(path: Path) -> None:
    assert len(pd.read_parquet(path)) == len(ALL)
    assert pq.read_table(path).num_rows == len(ALL)
    assert ds.dataset(path).count_rows() == len(ALL)
    assert sorted(found.name for found in path.rglob("*.parquet")) == [f"day_{day}.parquet" for day in range(4)]


def test_the_plain_path_in_dask(path: Path) -> None:
    for given in (path, str(path), f"{path}/**/*.parquet", f"{path}/days", f"{path}/days/*.parquet"):
        assert len(dd.read_parquet(given)) == len(ALL), given


def test_the_plain_path_in_polars(path: Path) -> None:
    polars = import_module("polars")
    for given in (path / "**/*.parquet", path / "days/*.parquet", path / "days"):
        assert polars.scan_parquet(given).collect().height == len(ALL), given
    with pytest.raises(polars.exceptions.InvalidOperationError, match="different file extensions"):
        polars.scan_parquet(path).collect()


def test_the_plain_path_in_duckdb(path: Path) -> None:
    duckdb = import_module("duckdb")
    for given in (f"{path}/**/*.parquet", f"{path}/days/*.parquet"):
        assert duckdb.sql(f"SELECT count(*) FROM '{given}'").fetchall() == [(len(ALL),)], given


@pytest.fixture
def cluster(clicks: Stage) -> Iterator[Client]:
    """Two worker processes that are started in the stage's folder, whose settings they find there."""
    with local_client(workers=2, threads_per_worker=2) as client:
        yield client


def test_dask_on_worker_processes(clicks: Stage, cluster: Client) -> None:
    frames = {
        "parquet": dd.read_parquet("forebay://clicks@v1/days/*.parquet"),
        "parquet folder": dd.read_parquet("forebay://clicks@v1/days"),
        "csv": dd.read_csv("forebay://clicks/text/day_*.csv"),
        "csv in blocks": dd.read_csv("forebay://clicks@v1/text/*.csv", blocksize=100),
        "options": dd.read_csv("forebay://clicks@v1/text/*.csv", storage_options=clicks.settings),
    }
    for name, frame in frames.items():
        found = frame.compute().sort_values(["day", "click"], ignore_index=True)
        assert found.equals(ALL.reset_index(drop=True)), name
    readers = {lease.holder.pid for lease in clicks.session().hub.leases.live(clicks.session().cache.volume_id)}
    workers = set(cluster.run(os.getpid).values())
    assert readers & workers, "workers lease what they read"
    cluster.run(_close_all)


def _close_all() -> None:
    """Runs on a worker: the stage goes before the cluster does."""
    for made in list(ForebayFileSystem._cache.values()):
        made.close()
