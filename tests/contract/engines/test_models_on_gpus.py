"""Workers with GPUs parse to the same features and train every model as well as CPUs. Needs a GPU and RAPIDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import Device, EngineSpec, Local
from forebay.ctr.feature_set import read_feature_set
from forebay.ctr.law import LawOptions
from forebay.ctr.scan_on_gpu import scan_on_gpu
from forebay.ctr.workload import evaluate, generate, prepare, train
from tests.integration.ctr.models import BELIEVING, MODELS

pytestmark = pytest.mark.gpu
EVERY_MODEL = MODELS | BELIEVING
ROWS = 12_000


@pytest.fixture(scope="module")
def gpus() -> Iterator[Cluster]:
    with open_cluster(EngineSpec(place=Local(), device=Device.CUDA)) as opened:
        yield opened


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days: two to train on, one to validate on, one to measure on."""
    folder = tmp_path_factory.mktemp("models")
    generate(folder / "c", days=4, rows_per_day=ROWS, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f")
    return folder / "f"


def test_gpus_parse_and_the_features_are_the_same(features: Path, gpus: Cluster, tmp_path: Path) -> None:
    clicks = features.parent / "c"
    parsed = gpus.executor.submit(scan_on_gpu, np.fromfile(clicks / "day_0", np.uint8)).result()
    assert parsed is not None
    assert parsed.label.size == ROWS
    there = prepare(clicks, tmp_path / "f", executor=gpus.executor, on_gpu=True).features
    assert there.digest == read_feature_set(features).digest


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_every_model_is_trained_on_gpus(name: str, features: Path, gpus: Cluster, tmp_path: Path) -> None:
    options, least = EVERY_MODEL[name]
    report = train(features, tmp_path / "m", options=options, cluster=gpus)
    assert report.description.device == "cuda"
    assert evaluate(features, report.model).metrics.auc > least
