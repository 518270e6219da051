"""A report that somebody wants: where it goes, what only they know of it, and how it is made of an evaluation."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from forebay.ctr.feature_set import FeatureDay, FeatureSet
from forebay.ctr.metrics import Metrics
from forebay.ctr.report.build import ScoredDay, build_report, stage_times
from forebay.ctr.report.files import write_report
from forebay.ctr.report.training_report import DayRole, Provenance, StageTime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOrder:
    """`report.html` and `report.json` in `folder`."""

    folder: Path
    made_at: float
    """Unix seconds"""
    features: str = ""
    """how people know the features: `criteo-features@v3`; empty: by their folder's name"""
    command: str = ""
    code: str = ""
    """`git:<commit>`"""
    earlier: Sequence[StageTime] = ()
    """stages before the evaluation: of training"""
    dask_report: str = ""
    """the name of a file in `folder`, which the report links"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What a report says of the model itself."""

    kind: str
    train_days: Sequence[int]
    train_rows: int
    importance: Mapping[str, float]
    """feature to gain; empty for a model that has none"""
    options: Mapping[str, object]
    """those whose names end in `seed` are the seeds"""
    versions: Mapping[str, str]


def make_report(
    order: ReportOrder,
    features: FeatureSet,
    model: TrainedModel,
    *,
    metrics: Metrics,
    days: Sequence[ScoredDay],
    seconds: Mapping[str, float],
) -> Path:
    """Write what was ordered of an evaluation, and give the page's path.

    `days`: the test day, which `metrics` are of, and others; those with no click, or nothing else, are left out.
    `seconds`: wall seconds by stage, `predict` of all days and `measure` of the test day among them.
    """
    told = [each for each in days if 0 < each.scores.clicks < each.scores.rows]
    rows = {"predict": sum(each.scores.rows for each in days), "measure": metrics.rows}
    report = build_report(
        model=model.kind,
        metrics=metrics,
        days=told,
        importance=model.importance,
        stages=[*order.earlier, *stage_times(seconds, rows)],
        provenance=_provenance(order, features, model),
    )
    return write_report(order.folder, report)


def other_days(features: FeatureSet, train_days: Sequence[int]) -> Iterator[tuple[DayRole, FeatureDay]]:
    """Every prepared day that the model was not trained on, but the test day."""
    test = features.evaluation_day.day
    for each in features.days:
        if each.day not in train_days and each.day != test:
            yield (DayRole.VALIDATE if each.day < test else DayRole.LATER), each


def _provenance(order: ReportOrder, features: FeatureSet, model: TrainedModel) -> Provenance:
    seeds = {name: value for name, value in model.options.items() if name.endswith("seed") and isinstance(value, int)}
    return Provenance(
        forebay=version("forebay"),
        code=order.code,
        command=order.command,
        made_at=order.made_at,
        features=order.features or features.directory.name,
        features_digest=features.digest,
        parents=features.parents,
        train_days=tuple(model.train_days),
        train_rows=model.train_rows,
        seeds=seeds,
        options={name: str(value) for name, value in model.options.items() if name not in seeds},
        versions={"python": platform.python_version(), **model.versions},
        dask_report=order.dask_report,
    )
