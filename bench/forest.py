"""The forest of NetApp's report TR-4904 by forebay's way beside scikit-learn's: the same rows, trees, depth and bins.

Both get the 13 integers of generated click logs in memory, blanks as 0, and all cores. Forebay cuts them into 16 bins
within its time. scikit-learn knows no bins: it gets the values cut beforehand into 16 quantiles, outside its time, and
splits them exactly. Only the fit is timed; the AUC is of another day. Run: python -m bench.forest [--rounds N]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Threads that wait sleep: spinning ones would take from whoever runs beside.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import sklearn
import xgboost
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.ctr.law import LawOptions, build_law, draw
from forebay.ctr.metrics import auc
from forebay.ctr.models.forest import grown
from forebay.ctr.models.options import TR4904
from forebay.ctr.models.trees.rows import Part, Shard
from forebay.ctr.schema import INTEGERS

ROWS = 1_000_000
WALL_AIM = 4.0
AUC_TOLERANCE = 0.005
PARTS = 8
FOREBAY, SKLEARN = "forebay", "scikit-learn, values binned before"

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fit, and how well it predicts the other day."""

    wall_s: float
    cpu_s: float
    auc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """(n, 13) rows and (n,) labels."""

    train: Matrix
    label: NDArray[np.uint8]
    test: Matrix
    test_label: NDArray[np.uint8]

    def binned(self) -> Data:
        """Each column as the number of its quantile among `max_bin`, cut where the train rows say."""
        places = np.arange(1, TR4904.max_bin) / TR4904.max_bin
        cuts = [np.unique(np.quantile(column, places)) for column in self.train.T]
        train, test = (
            np.column_stack([np.searchsorted(cut, each, side="right") for cut, each in zip(cuts, rows.T, strict=True)])
            for rows in (self.train, self.test)
        )
        return Data(
            train=train.astype(np.float32),
            label=self.label,
            test=test.astype(np.float32),
            test_label=self.test_label,
        )


def main() -> None:
    options = start_options("bench.forest", __doc__, rounds=5)
    data = generated(int(ROWS * options.scale))
    binned = data.binned()
    fit_forebay(data)  # compiles
    entrants: dict[str, Callable[[], Fit]] = {
        FOREBAY: lambda: timed(data, fit_forebay, lambda forest, rows: forest.inplace_predict(rows)),
        SKLEARN: lambda: timed(binned, fit_sklearn, lambda forest, rows: forest.predict_proba(rows)[:, 1]),
    }
    results = alternate(entrants, options.rounds)
    rows = [
        [name, f"{wall(fits):.2f}", f"{median_of(fits, lambda fit: fit.cpu_s):.2f}", f"{area(fits):.4f}"]
        for name, fits in results.items()
    ]
    print(table(f"{len(data.label):,} rows, medians of {options.rounds}", ["fit", "wall s", "CPU s", "AUC"], rows))
    facts = machine_facts(Path(tempfile.gettempdir()))
    facts |= {"rounds": options.rounds, "rows": len(data.label)}
    facts["versions"] = {"xgboost": xgboost.__version__, "scikit-learn": sklearn.__version__}
    conclude("forest", cases(results[FOREBAY], results[SKLEARN]), facts)


def generated(rows: int) -> Data:
    law = build_law(LawOptions())
    days = [draw(law, day, 0, size) for day, size in ((0, rows), (1, max(rows // 4, 10_000)))]
    train, test = (np.where(day.integers_valid, day.integers, 0).astype(np.float32) for day in days)
    return Data(train=train, label=days[0].label, test=test, test_label=days[1].label)


def fit_forebay(data: Data) -> xgboost.Booster:
    cut = zip(np.array_split(data.train, PARTS), np.array_split(data.label, PARTS), strict=True)
    parts = [Part(number=number, matrix=matrix, label=label) for number, (matrix, label) in enumerate(cut)]
    shard = Shard(parts, threads=len(os.sched_getaffinity(0)))
    return grown(lambda method, *given: [getattr(shard, method)(*given)], TR4904, INTEGERS, len(data.label))


def fit_sklearn(data: Data) -> Any:
    forest = RandomForestClassifier(
        n_estimators=TR4904.trees, max_depth=TR4904.max_depth, n_jobs=-1, random_state=TR4904.seed
    )
    return forest.fit(data.train, data.label)


def timed(data: Data, fit: Callable[[Data], Any], predict: Callable[[Any, Matrix], NDArray[np.float64]]) -> Fit:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    forest = fit(data)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Fit(wall_s=wall_s, cpu_s=cpu_s, auc=auc(data.test_label, predict(forest, data.test)))


def wall(fits: Sequence[Fit]) -> float:
    return median_of(fits, lambda fit: fit.wall_s)


def area(fits: Sequence[Fit]) -> float:
    return median_of(fits, lambda fit: fit.auc)


def cases(ours: Sequence[Fit], theirs: Sequence[Fit]) -> list[Case]:
    cpu_s = [median_of(fits, lambda fit: fit.cpu_s) for fits in (ours, theirs)]
    return [
        Case(
            case="scikit-learn's wall seconds / forebay's",
            measured=f"{wall(theirs):.2f} / {wall(ours):.2f} s",
            ratio=wall(theirs) / wall(ours),
            side=Side.AT_LEAST,
            bound=WALL_AIM,
        ),
        Case(
            case="scikit-learn's CPU seconds / forebay's",
            measured=f"{cpu_s[1]:.2f} / {cpu_s[0]:.2f} s",
            ratio=cpu_s[1] / cpu_s[0],
        ),
        Case(
            case="scikit-learn's AUC - forebay's",
            measured=f"{area(theirs):.4f} - {area(ours):.4f}",
            ratio=area(theirs) - area(ours),
            side=Side.AT_MOST,
            bound=AUC_TOLERANCE,
        ),
    ]


if __name__ == "__main__":
    main()
