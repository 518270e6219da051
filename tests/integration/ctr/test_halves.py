"""The hybrid's first day: no label of a half reaches the log-odds of that half, by weights, priors or crosses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.feature_set import read_feature_set
from forebay.ctr.law import LawOptions
from forebay.ctr.models.checkpoints import InMemory
from forebay.ctr.models.hybrid import logit_column, taught_by_halves
from forebay.ctr.models.logistic import counted
from forebay.ctr.models.options import LogisticOptions
from forebay.ctr.models.protocol import FitJob
from forebay.ctr.stages import Stages
from forebay.ctr.workload import generate, prepare
from tests.integration.ctr.models import GAUSSIAN, LOGISTIC


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with open_cluster(EngineSpec(place=Local(), workers=1, threads_per_worker=2)) as opened:
        yield opened


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first day of several parts, some of an odd number of rows."""
    folder = tmp_path_factory.mktemp("halves")
    generate(folder / "c", days=2, rows_per_day=6_001, options=LawOptions(ctr=0.2, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f", range_bytes=500_000)
    return folder / "f"


def with_flipped_labels(features: Path, out: Path, half: int) -> Path:
    """The same features, where each part's rows of this parity have the other label."""
    copy = shutil.copytree(features, out)
    for path in (copy / "day_0").iterdir():
        table = pq.read_table(path)
        label = table["label"].to_numpy().copy()
        label[half::2] ^= 1
        pq.write_table(table.set_column(table.column_names.index("label"), "label", pa.array(label, pa.uint8())), path)
    return copy


def logits_of_first_day(features: Path, cluster: Cluster, options: LogisticOptions) -> list[NDArray[np.float32]]:
    """Of each part."""
    job = FitJob(features=read_feature_set(features), cluster=cluster, stages=Stages(), checkpoints=InMemory())
    first = job.features.train_days[0]
    models = taught_by_halves(job, options, first, counted(job, 2 * first.rows))
    return [logit_column(path, *models)[:, 0] for path in job.paths(first)]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("options", [LOGISTIC, GAUSSIAN], ids=["ftrl", "gaussian"])
def test_a_half_never_reaches_its_own_log_odds(
    half: int, options: LogisticOptions, features: Path, cluster: Cluster, tmp_path: Path
) -> None:
    before = logits_of_first_day(features, cluster, options)
    after = logits_of_first_day(with_flipped_labels(features, tmp_path / "f", half), cluster, options)
    assert len(before) > 1
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new[half::2], old[half::2])
        assert np.abs(new[1 - half :: 2] - old[1 - half :: 2]).max() > 0.1
