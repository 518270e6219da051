"""From a directory of click logs to a features directory: parse, count, encode; whole or not at all.

Runs on any `concurrent.futures.Executor`. Its own is a pool of threads, not of processes: parser, Arrow and numpy let
go of the interpreter lock for nearly all of the work, threads start at once and compile the kernels only once.
`distributed.Client.get_executor()` gives the same interface over a cluster that sees the same paths.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from forebay.ctr.encoder import FEATURES, Encoder, EncoderOptions, save_encoder
from forebay.ctr.feature_set import (
    ENCODER_FOLDER,
    FeatureDay,
    FeaturePart,
    FeatureSet,
    read_feature_set,
    write_feature_set,
)
from forebay.ctr.features import ParsedRows, count_field, encode_part
from forebay.ctr.files import new_directory
from forebay.ctr.parse import BadRows, OnBadRows, ParsedPart, parse_range
from forebay.ctr.schema import CATEGORIES
from forebay.ctr.source import RANGE_BYTES, Day, find_days, plan_ranges
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.errors import InputError

Result = TypeVar("Result")
_PARSED_FOLDER: Final = ".parsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareReport:
    """What was prepared. Stages in `seconds`: parse, count, encode (wall seconds)."""

    features: FeatureSet
    rows: int
    train_rows: int
    evaluation_rows: int
    bad_rows: BadRows
    source_bytes: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ParsedDay:
    day: Day
    source_bytes: int
    clicks: int
    bad_rows: BadRows
    parts: tuple[ParsedRows, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def prepare(
    source: Path,
    out: Path,
    *,
    on_bad_rows: OnBadRows = "error",
    options: EncoderOptions | None = None,
    parents: Sequence[str] = (),
    executor: Executor | None = None,
    range_bytes: int = RANGE_BYTES,
    progress: Progress = no_progress,
) -> PrepareReport:
    """Make features of the files `day_N` in `source`: all but the last day are for training, the last for evaluation.

    `out` must not exist or be empty. `parents` (version names) go into `features.json`. InputError `too-few-days`,
    `no-rows`, `one-class`, `bad-row`; see `parse_range`. `progress(stage, done, total)` counts bytes in parse, fields
    in count, rows in encode. Memory: about 3 ranges per thread, and the largest field's table.
    """
    days = find_days(source)
    if len(days) < 2:
        raise InputError("too-few-days", f"{source} holds one day; the last of at least two is for evaluation")
    stages = Stages()
    with new_directory(out) as building, _pool(executor) as pool:
        run = _Run(pool, building, options or EncoderOptions(), progress)
        with stages.stage("parse"):
            parsed = run.parse(days, on_bad_rows, range_bytes)
        with stages.stage("count"):
            run.count(parsed[:-1])
        with stages.stage("encode"):
            encoded = run.encode(parsed)
        write_feature_set(
            building,
            features=FEATURES,
            parents=parents,
            encoder_options=dataclasses.asdict(run.options),
            days=encoded,
        )
    return _report(read_feature_set(out), stages.seconds)


class _Run:
    """One preparation in progress, in the directory `building`."""

    def __init__(self, pool: Executor, building: Path, options: EncoderOptions, progress: Progress) -> None:
        self.options = options
        self._pool = pool
        self._building = building
        self._progress = progress

    def parse(self, days: Sequence[Day], on_bad_rows: OnBadRows, range_bytes: int) -> list[_ParsedDay]:
        plans = [plan_ranges(day.path, range_bytes=range_bytes) for day in days]
        futures = []
        for day, ranges in zip(days, plans, strict=True):
            folder = self._building / _PARSED_FOLDER / day.path.name
            folder.mkdir(parents=True)
            for number, each in enumerate(ranges):
                out = folder / _part_name(number)
                futures.append(self._pool.submit(parse_range, each, out, on_bad_rows=on_bad_rows))
        results = iter(self._gather("parse", futures, [each.end - each.start for plan in plans for each in plan]))
        parsed = [_parsed_day(day, [next(results) for _ in plan]) for day, plan in zip(days, plans, strict=True)]
        _check_rows(parsed)
        return parsed

    def count(self, train_days: Sequence[_ParsedDay]) -> None:
        """Fit the encoder and save it where the encode tasks read it."""
        parts = [part for day in train_days for part in day.parts]
        futures = [self._pool.submit(count_field, parts, field, self.options) for field in CATEGORIES]
        tables = self._gather("count", futures, [1] * len(futures))
        encoder = Encoder(
            options=self.options,
            train_rows=sum(day.rows for day in train_days),
            train_clicks=sum(day.clicks for day in train_days),
            tables=dict(zip(CATEGORIES, tables, strict=True)),
        )
        save_encoder(encoder, self._building / ENCODER_FOLDER)

    def encode(self, days: Sequence[_ParsedDay]) -> list[FeatureDay]:
        futures = []
        for day in days:
            folder = self._building / day.day.path.name
            folder.mkdir()
            for number, part in enumerate(day.parts):
                task = (part, self._building / ENCODER_FOLDER, folder / _part_name(number))
                futures.append(self._pool.submit(encode_part, *task, is_train=day is not days[-1]))
        sizes = [part.rows for day in days for part in day.parts]
        results = iter(self._gather("encode", futures, sizes))
        shutil.rmtree(self._building / _PARSED_FOLDER)
        return [_feature_day(day, [next(results) for _ in day.parts]) for day in days]

    def _gather(self, stage: str, futures: Sequence[Future[Result]], sizes: Sequence[int]) -> list[Result]:
        """All results in order; at the first error (in order) nothing more is begun."""
        results: list[Result] = []
        done, total = 0, sum(sizes)
        try:
            for future, size in zip(futures, sizes, strict=True):
                results.append(future.result())
                done += size
                self._progress(stage, done, total)
        finally:
            for future in futures:
                future.cancel()
        return results


@contextmanager
def _pool(executor: Executor | None) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="forebay-prepare") as pool:
        yield pool


def _part_name(number: int) -> str:
    return f"part-{number:05}.parquet"


def _parsed_day(day: Day, parts: Sequence[ParsedPart]) -> _ParsedDay:
    """Parts without a row (all were bad) are left out; the others follow each other."""
    starts = itertools.accumulate((part.rows for part in parts), initial=0)
    return _ParsedDay(
        day=day,
        source_bytes=day.path.stat().st_size,
        clicks=sum(part.clicks for part in parts),
        bad_rows=sum((part.bad_rows for part in parts), BadRows()),
        parts=tuple(
            ParsedRows(path=part.path, day=day.number, first_row=start, rows=part.rows)
            for part, start in zip(parts, starts, strict=False)
            if part.rows
        ),
    )


def _check_rows(days: Sequence[_ParsedDay]) -> None:
    for day in days:
        if not day.rows:
            raise InputError("no-rows", f"{day.day.path} has no row to use ({day.bad_rows.total} bad rows left out)")
    if not 0 < sum(day.clicks for day in days[:-1]) < sum(day.rows for day in days[:-1]):
        raise InputError("one-class", "the train days need rows with and without a click")


def _feature_day(day: _ParsedDay, parts: Sequence[FeaturePart]) -> FeatureDay:
    return FeatureDay(day=day.day.number, source_bytes=day.source_bytes, bad_rows=day.bad_rows, parts=tuple(parts))


def _report(features: FeatureSet, seconds: Mapping[str, float]) -> PrepareReport:
    train_rows = sum(day.rows for day in features.train_days)
    return PrepareReport(
        features=features,
        rows=train_rows + features.evaluation_day.rows,
        train_rows=train_rows,
        evaluation_rows=features.evaluation_day.rows,
        bad_rows=sum((day.bad_rows for day in features.days), BadRows()),
        source_bytes=sum(day.source_bytes for day in features.days),
        seconds=seconds,
    )
