"""Every model is trained by workers with GPUs, and is as good as on CPUs. Needs an NVIDIA GPU and RAPIDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.ctr.engines.cluster import Cluster, open_cluster
from forebay.ctr.engines.spec import Device, EngineSpec, Local
from forebay.ctr.law import LawOptions
from forebay.ctr.workload import evaluate, generate, prepare, train
from tests.integration.ctr.models import BELIEVING, MODELS

pytestmark = pytest.mark.gpu
EVERY_MODEL = MODELS | BELIEVING


@pytest.fixture(scope="module")
def gpus() -> Iterator[Cluster]:
    with open_cluster(EngineSpec(place=Local(), device=Device.CUDA)) as opened:
        yield opened


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days: two to train on, one to validate on, one to measure on."""
    folder = tmp_path_factory.mktemp("models")
    generate(folder / "c", days=4, rows_per_day=12_000, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    prepare(folder / "c", folder / "f")
    return folder / "f"


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_every_model_is_trained_on_gpus(name: str, features: Path, gpus: Cluster, tmp_path: Path) -> None:
    options, least = EVERY_MODEL[name]
    report = train(features, tmp_path / "m", options=options, cluster=gpus)
    assert report.description.device == "cuda"
    assert evaluate(features, report.model).metrics.auc > least
