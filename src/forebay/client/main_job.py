"""The main job, from an empty folder to a result a person can read: what `forebay quickstart` runs.

Every stage looks first whether an earlier run has done it: nothing is made twice, and what was reused says so. Its
results are kept beside it, under a key of all that they depend on.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanize import naturalsize

from forebay.client.commit import commit
from forebay.client.opened import open_version
from forebay.client.register import register
from forebay.client.session import Session
from forebay.errors import NotFoundError
from forebay.wire.cache import Progress, Savings
from forebay.wire.catalog import MadeBy, Version

if TYPE_CHECKING:
    from forebay.ctr.train import TrainReport
    from forebay.ctr.truth import Truth

LOGS = "clicks"
FEATURES = "clicks-features"
DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """One stage: wall seconds of this run, or of the earlier run whose result was `reused`."""

    stage: str
    seconds: float
    reused: bool
    told: str
    rows: int = 0
    moved_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well one way predicts the held-out day; None where a figure is not defined for it."""

    name: str
    train_rows: int
    auc: float
    log_loss: float
    normalised_entropy: float
    calibration_error: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MainJob:
    """The whole result. `savings` is what the cache saved since its beginning, against a download for each use."""

    rows: int
    stages: tuple[StageReport, ...]
    quality: tuple[Quality, ...]
    savings: tuple[Savings, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who looks on: `began(stage)`, `progressed(done, total, unit)` and `ended(report)` are called in turn."""

    began: Callable[[str], object]
    progressed: Callable[[int, int, str], object]
    ended: Callable[[StageReport], object]


def run_main_job(session: Session, folder: Path, *, rows: int, watch: Watch) -> MainJob:
    """Run every stage below `folder` (made when absent) with about `rows` rows in all; raises ForebayErrors."""
    return _MainJob(session, folder, rows, watch).run()


class _MainJob:
    def __init__(self, session: Session, folder: Path, rows: int, watch: Watch) -> None:
        self._session = session
        self._folder = folder
        self._rows_per_day = max(1, rows // DAYS)
        self._watch = watch
        self._stages: list[StageReport] = []

    def run(self) -> MainJob:
        truth = self._generate()
        logs = self._register()
        self._fill(logs)
        self._open_again(logs)
        features = self._prepare(logs)
        model = self._train(features)
        quality = (self._optimum(truth), self._evaluate(features, model), self._baseline(logs))
        savings = self._session.hub.volumes.savings(self._session.cache.volume_id)
        return MainJob(
            rows=DAYS * self._rows_per_day,
            stages=tuple(self._stages),
            quality=quality,
            savings=tuple(savings),
        )

    @property
    def _raw(self) -> Path:
        return self._folder / "lake" / LOGS

    def _generate(self) -> Truth:
        from forebay.ctr.generate import find_generated, generate
        from forebay.ctr.law import LawOptions

        self._watch.began("generate")
        options = LawOptions()
        truth = find_generated(self._raw, days=DAYS, rows_per_day=self._rows_per_day, options=options)
        if truth is not None:
            self._end("generate", 0.0, f"{DAYS} days are in the lake already", rows=self._all_rows, reused=True)
            return truth
        report = generate(
            self._raw,
            days=DAYS,
            rows_per_day=self._rows_per_day,
            options=options,
            overwrite=True,
            on_progress=self._show_rows,
        )
        told = f"{DAYS} days of click logs, {_size(report.size_bytes)}, into the lake"
        self._end("generate", report.seconds, told, rows=report.rows)
        return report.truth

    def _register(self) -> Version:
        began = self._began("register")
        registered = register(self._session, LOGS, [f"{self._raw.absolute().as_uri()}/day_*"])
        version = registered.version
        told = f"{version.ref}: {version.files} objects, {_size(version.size_bytes)}, none of them read"
        if not registered.created:
            told = f"{version.ref} is registered already"
        self._end("register", self._since(began), told, reused=not registered.created)
        return version

    def _fill(self, logs: Version) -> None:
        self._watch.began("fill")
        warmed = self._session.warm(logs, "quickstart", self._show_fill)
        told = f"{_size(warmed.moved_bytes)} moved once, to the cache volume"
        if not warmed.moved_bytes:
            told = f"{logs.ref} is on the cache volume already"
        self._end("fill", warmed.seconds, told, reused=not warmed.moved_bytes, moved_bytes=warmed.moved_bytes)

    def _open_again(self, logs: Version) -> None:
        self._watch.began("open again")
        with open_version(self._session, logs.ref, self._show_fill) as opened:
            told = f"from cache in {opened.seconds * 1000:.1f} ms, {opened.moved_bytes} bytes from the lake"
            self._end("open again", opened.seconds, told, moved_bytes=opened.moved_bytes)

    def _prepare(self, logs: Version) -> Version:
        from forebay.ctr.feature_set import FEATURES_FORMAT
        from forebay.ctr.prepare import prepare

        began = self._began("prepare")
        parameters = f"format {FEATURES_FORMAT} of {logs.manifest_digest}"
        known = self._features_with(parameters)
        if known is not None:
            self._end("prepare", 0.0, f"{known.ref} is made from {logs.ref} already", rows=self._all_rows, reused=True)
            return known
        out = self._folder / "work" / FEATURES
        shutil.rmtree(out, ignore_errors=True)
        with open_version(self._session, logs.ref, self._show_fill) as opened:
            report = prepare(opened.path, out, parents=[logs.ref], progress=self._show_stage)
        made_by = MadeBy(command="forebay ctr prepare", parameters=parameters)
        version = commit(self._session, FEATURES, out, parents=[logs.ref], made_by=made_by).version
        shutil.rmtree(out, ignore_errors=True)
        told = f"{version.ref}, made from {logs.ref}: {_size(version.size_bytes)} of features"
        self._end("prepare", self._since(began), told, rows=report.rows)
        return version

    def _features_with(self, parameters: str) -> Version | None:
        """The features that an earlier run made from this very content, in this very format."""
        try:
            versions = self._session.hub.catalog.versions(FEATURES)
        except NotFoundError:
            return None
        return next((item for item in versions if item.made_by.parameters == parameters), None)

    def _train(self, features: Version) -> Path:
        self._watch.began("train")
        from forebay.ctr.train import train

        out = self._folder / "models" / features.manifest_digest[:16]
        with open_version(self._session, features.ref, self._show_fill) as opened:
            report, reused = self._remembered(
                "train",
                features.manifest_digest,
                lambda: _seconds_and_rows(train(opened.path, _emptied(out), progress=self._show_stage)),
                still_good=lambda: out.is_dir(),
            )
            told = f"XGBoost on a Dask cluster, {report['rows']:,} rows, from {features.ref}"
            moved = opened.moved_bytes
        self._end("train", report["seconds"], told, rows=report["rows"], reused=reused, moved_bytes=moved)
        return out

    def _evaluate(self, features: Version, model: Path) -> Quality:
        self._watch.began("evaluate")
        from forebay.ctr.evaluate import evaluate

        with open_version(self._session, features.ref, self._show_fill) as opened:
            report = evaluate(opened.path, model, progress=self._show_stage)
        seconds = sum(report.seconds.values())
        told = f"held-out day {report.day}, {report.metrics.rows:,} rows"
        self._end("evaluate", seconds, told, rows=report.metrics.rows)
        trained = next(stage for stage in self._stages if stage.stage == "train")
        return Quality(
            name="forebay, XGBoost on Dask",
            train_rows=trained.rows,
            auc=report.metrics.auc,
            log_loss=report.metrics.log_loss,
            normalised_entropy=report.metrics.normalised_entropy,
            calibration_error=report.metrics.calibration_error,
            seconds=trained.seconds,
        )

    def _baseline(self, logs: Version) -> Quality:
        self._watch.began("baseline")
        from forebay.ctr.baseline import baseline

        def measure() -> dict[str, Any]:
            report = baseline(opened.path, progress=self._show_stage)
            metrics = dataclasses.asdict(report.metrics)
            return {
                "seconds": sum(report.seconds.values()),
                "fit_seconds": report.seconds["fit"],
                "rows": report.train_rows,
                **{name: metrics[name] for name in ("auc", "log_loss", "normalised_entropy", "calibration_error")},
            }

        with open_version(self._session, logs.ref, self._show_fill) as opened:
            found, reused = self._remembered("baseline", logs.manifest_digest, measure)
        told = f"scikit-learn's random forest on the same {found['rows']:,} rows"
        self._end("baseline", found["seconds"], told, rows=found["rows"], reused=reused)
        return Quality(
            name="scikit-learn random forest",
            train_rows=found["rows"],
            auc=found["auc"],
            log_loss=found["log_loss"],
            normalised_entropy=found["normalised_entropy"],
            calibration_error=found["calibration_error"],
            seconds=found["seconds"],
        )

    def _optimum(self, truth: Truth) -> Quality:
        day = truth.days[-1]
        return Quality(
            name="best possible",
            train_rows=0,
            auc=day.best_auc or 0.5,
            log_loss=day.best_log_loss,
            normalised_entropy=day.best_normalised_entropy or 1.0,
            calibration_error=None,
            seconds=None,
        )

    def _remembered(
        self, stage: str, key: str, make: Callable[[], dict[str, Any]], still_good: Callable[[], bool] = lambda: True
    ) -> tuple[dict[str, Any], bool]:
        """A stage's figures from an earlier run with the same key, or made now; and which of the two."""
        path = self._folder / "results" / f"{stage}.json"
        try:
            kept = json.loads(path.read_text())
            if kept["key"] == key and still_good():
                return dict(kept["figures"]), True
        except (OSError, ValueError, KeyError, TypeError):
            pass
        figures = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"key": key, "figures": figures}, indent=1))
        return figures, False

    @property
    def _all_rows(self) -> int:
        return DAYS * self._rows_per_day

    def _began(self, stage: str) -> float:
        self._watch.began(stage)
        return self._session.clock.monotonic()

    def _since(self, began: float) -> float:
        return self._session.clock.monotonic() - began

    def _end(
        self, stage: str, seconds: float, told: str, *, rows: int = 0, reused: bool = False, moved_bytes: int = 0
    ) -> None:
        report = StageReport(stage=stage, seconds=seconds, reused=reused, told=told, rows=rows, moved_bytes=moved_bytes)
        self._stages.append(report)
        self._watch.ended(report)

    def _show_rows(self, rows: int) -> None:
        self._watch.progressed(rows, self._all_rows, "rows")

    def _show_fill(self, progress: Progress, holder: str) -> None:
        self._watch.progressed(progress.done_bytes, progress.total_bytes, "bytes")

    def _show_stage(self, stage: str, done: int, total: int) -> None:
        self._watch.progressed(done, total, stage)


def _seconds_and_rows(report: TrainReport) -> dict[str, Any]:
    return {"seconds": sum(report.seconds.values()), "rows": report.rows}


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _size(size_bytes: int) -> str:
    return naturalsize(size_bytes, binary=True)
