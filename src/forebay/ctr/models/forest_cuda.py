"""The forest on GPUs: cuML's RandomForestClassifier, a share of the trees on each worker from the worker's own rows.

Thin: CI has no GPU, docs/ctr.md says where it ran. cuML's own Dask forest changed its meaning in 26.10, where
all workers build the same forest; so each worker fits a forest of its own here, and the mean of all is asked. Forests
are kept in Treelite's format, so that they predict on any CPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.files import new_file
from forebay.ctr.gpu import required
from forebay.ctr.models.matrix import read_columns
from forebay.ctr.models.options import ForestOptions
from forebay.ctr.models.protocol import Categories, FitJob, Fitted
from forebay.ctr.models.tasks import gathered

FOREST_GLOB: Final = "forest-*.treelite"
_FOREST: Final = "a forest on GPUs"
_STREAMS: Final = 8  # as in the report
_BELOW_ALL: Final = -1e18
"""cuML takes no NaN. As in the forest on CPUs a blank is below all values, which are no less than an int32 is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaForestPredictor:
    """`forests`: Treelite's bytes, and how many trees are in each."""

    features: tuple[str, ...]
    blank: float | None
    forests: tuple[tuple[bytes, int], ...]

    @property
    def needs_categories(self) -> bool:
        return False

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        treelite, gtil = required("treelite", what=_FOREST), required("treelite.gtil", what=_FOREST)
        filled = np.nan_to_num(matrix, nan=_filling(self.blank))
        clicks = np.zeros(len(filled), np.float64)
        for data, trees in self.forests:
            said = gtil.predict(treelite.Model.deserialize_bytes(data), filled)
            clicks += trees * np.asarray(said, np.float64).reshape(len(filled), -1)[:, -1]
        return clicks / sum(trees for _, trees in self.forests)

    def importance(self) -> Mapping[str, float]:
        return {}

    def save(self, directory: Path) -> None:
        for number, (data, trees) in enumerate(self.forests):
            with new_file(directory / f"forest-{number:05}-{trees}.treelite") as file:
                file.write(data)


def load_cuda_forest(directory: Path, features: tuple[str, ...], options: ForestOptions) -> CudaForestPredictor:
    """What `save` wrote."""
    paths = sorted(directory.glob(FOREST_GLOB))
    forests = tuple((path.read_bytes(), int(path.stem.rpartition("-")[2])) for path in paths)
    return CudaForestPredictor(features=features, blank=options.blank, forests=forests)


def fit_cuda(job: FitJob, options: ForestOptions) -> Fitted:
    """InputError `missing-extra` where cuML is not there."""
    required("cuml", what=_FOREST)
    client, addresses = job.cluster.client, worker_addresses(job.cluster.client)
    paths = [path for day in job.features.train_days for path in job.paths(day)]
    names = options.features or job.features.features
    shares = shared(options.trees, len(addresses))
    with job.stages.stage("fit"):
        futures = [
            client.submit(
                fit_share,
                paths[number :: len(addresses)],
                names,
                options,
                trees,
                number,
                workers=[address],
                allow_other_workers=True,
                pure=False,
            )
            for number, (address, trees) in enumerate(zip(addresses, shares, strict=True))
            if trees and paths[number :: len(addresses)]
        ]
        forests = gathered(client, futures, limit_s=job.left_s)
    predictor = CudaForestPredictor(features=names, blank=options.blank, forests=tuple(forests))
    return Fitted(predictor=predictor, on_validation=predictor)


def fit_share(
    paths: Sequence[Path], names: tuple[str, ...], options: ForestOptions, trees: int, number: int
) -> tuple[bytes, int]:
    """Runs on a worker that has a GPU."""
    matrices, labels = zip(*(read_columns(names, _filling(options.blank), path) for path in paths), strict=True)
    forest: Any = required("cuml.ensemble", what=_FOREST).RandomForestClassifier(
        n_estimators=trees,
        max_depth=options.max_depth,
        n_bins=options.max_bin,
        n_streams=_STREAMS,
        max_samples=options.row_share,
        random_state=options.seed + number,
    )
    forest.fit(np.concatenate(matrices), np.concatenate(labels).astype(np.int32))
    return bytes(forest.as_treelite().serialize_bytes()), trees


def _filling(blank: float | None) -> float:
    """What stands for a blank."""
    return _BELOW_ALL if blank is None else blank


def shared(trees: int, workers: int) -> list[int]:
    """How many trees each worker grows: as equal as can be."""
    return [trees // workers + (number < trees % workers) for number in range(workers)]
