"""What runs of the showcase left: a training report as `forebay ctr train` makes it, its metrics, a task stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.metrics import measure
from forebay.ctr.report.build import ScoredDay, build_report, stage_times
from forebay.ctr.report.page import render
from forebay.ctr.report.told import told_figures
from forebay.ctr.report.training_report import DayRole, Provenance, TrainingReport
from forebay.ctr.score_histogram import ScoreHistogram
from forebay.hub.local import LocalHub
from forebay.runs.figures import METRICS_JSON, Curve, Figures, write_figures
from forebay.runs.left import DASK_JSON, REPORT_HTML, TASK_STREAM_HTML
from forebay.wire.runs import Run

TASK_STREAM = b"""<!doctype html><meta charset="utf-8"><title>Dask performance report</title>
<style>body { font: 14px sans-serif; background: #fff; color: #222 } rect { fill: #0b6e75 }</style>
<h1>Task stream</h1><svg id="tasks" width="600" height="120"></svg>
<script>
const tasks = document.getElementById("tasks");
for (let number = 0; number < 60; number += 1) {
  const task = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  task.setAttribute("x", (number * 37) % 590);
  task.setAttribute("y", (number % 4) * 30);
  task.setAttribute("width", 8 + (number * 7) % 20);
  task.setAttribute("height", 26);
  tasks.append(task);
}
</script>
"""


def leave_report(hub: LocalHub, run: Run, *, noise: float, learning_rate: str) -> None:
    """The newest attempt of a run leaves the report on a model; `noise` in logit is how far its predictions are off."""
    attempt = hub.runs.get(run.run_id).attempts[-1]
    report = training_report(noise, learning_rate)
    files = {
        REPORT_HTML: render(report).encode(),
        METRICS_JSON: write_figures(told_figures(report)),
        TASK_STREAM_HTML: TASK_STREAM,
    }
    for name, data in files.items():
        hub.runs.keep(run.run_id, attempt.number, attempt.token, name, data)


def leave_metrics(hub: LocalHub, run: Run, curves: Mapping[str, Sequence[float]]) -> None:
    """The newest attempt leaves values by epoch, and where its Dask cluster can be watched."""
    attempt = hub.runs.get(run.run_id).attempts[-1]
    figures = Figures(
        metrics={name: values[-1] for name, values in curves.items()},
        stages={"load": 12.1, "epochs": 33.4},
        curves=tuple(
            Curve(
                name=name.capitalize(), x="Epoch", y=name.capitalize(), points=tuple(enumerate(map(float, values), 1))
            )
            for name, values in curves.items()
        ),
    )
    files = {METRICS_JSON: write_figures(figures), DASK_JSON: b'{"dashboard": "http://127.0.0.1:8787/status"}'}
    for name, data in files.items():
        hub.runs.keep(run.run_id, attempt.number, attempt.token, name, data)


def training_report(noise: float, learning_rate: str, rows: int = 8_000) -> TrainingReport:
    """Of a validation day, a test day and two later ones, drawn with known probabilities."""
    labels, predictions = _scored(rows, 5, noise)
    days = [
        ScoredDay(
            day=day,
            role=DayRole.VALIDATE if day == 4 else DayRole.TEST if day == 5 else DayRole.LATER,
            scores=ScoreHistogram.of(*_scored(rows, day, noise + 0.1 * max(0, day - 5))),
        )
        for day in range(4, 8)
    ]
    return build_report(
        model="boosting",
        metrics=measure(labels, predictions),
        days=days,
        importance={f"C{number}_rate": 900.0 / number**1.3 for number in range(1, 20)},
        stages=stage_times(
            {"cluster": 1.9, "load": 3.2, "fit": 41.7, "predict": 1.3, "measure": 0.5},
            {"load": 4 * rows, "fit": 4 * rows, "predict": rows},
        ),
        provenance=Provenance(
            forebay="0.1.0",
            code="git:2f1d6c0b8f6e4b7a9c1d2e3f4a5b6c7d8e9f0a1b",
            command=f"forebay ctr train criteo-features@v2 --out ./model --learning-rate {learning_rate}",
            made_at=1_790_000_000.0,
            features="criteo-features@v2",
            features_digest="9f2c" * 16,
            parents=("criteo@v7",),
            train_days=(0, 1, 2, 3),
            train_rows=4 * rows,
            seeds={"seed": 1},
            options={"rounds": "200", "max_depth": "4", "learning_rate": learning_rate},
            versions={"python": "3.12.1", "xgboost": "3.2.0", "dask": "2026.7.1"},
        ),
    )


def _scored(rows: int, seed: int, noise: float) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    logit = random.normal(-4.0, 1.3, rows)
    clicked = random.random(rows) < 1 / (1 + np.exp(-logit))
    return clicked.astype(np.uint8), 1 / (1 + np.exp(-logit - random.normal(0.0, noise, rows)))
