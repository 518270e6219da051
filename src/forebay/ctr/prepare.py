"""From a directory of click logs to a features directory: parse, count, add up, encode; whole or not at all.

Runs on any `concurrent.futures.Executor`. Its own is a pool of threads, not of processes: parser, Arrow and numpy let
go of the interpreter lock for nearly all of the work, threads start at once and compile the kernels only once.
`distributed.Client.get_executor()` gives the same interface over a cluster that sees the same paths. Tasks take and
leave files in the work folder, so that one may run twice, or on another worker, and a killed preparation goes on.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from forebay.ctr.encoder import FEATURES, EncoderOptions, save_encoder
from forebay.ctr.feature_set import (
    ENCODER_FOLDER,
    FeatureDay,
    FeaturePart,
    FeatureSet,
    read_feature_set,
    write_feature_set,
)
from forebay.ctr.features import FieldCounts, ParsedRows, add_up_field, count_field, encode_part, group_parts
from forebay.ctr.files import remove_temporary
from forebay.ctr.parse import BadRows, OnBadRows, ParsedPart, parse_range, parse_stream, part_name
from forebay.ctr.schema import CATEGORIES, CATEGORY_COUNT
from forebay.ctr.source import RANGE_BYTES, Day, find_days, plan_ranges
from forebay.ctr.split import Split, default_split
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.ctr.work import work_folder
from forebay.errors import InputError, UnavailableError

Result = TypeVar("Result")
SHOWN_BAD_ROWS: Final = 10
_PLAN_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBadRow:
    """A row that was left out: where it is (line 1-based, of the whole file), and what is wrong with it."""

    file: str
    line: int
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareReport:
    """What was prepared. Stages in `seconds`: parse, count, add up, encode (wall seconds).

    `first_bad_rows` names the first few of those left out.
    """

    features: FeatureSet
    rows: int
    train_rows: int
    validation_rows: int
    evaluation_rows: int
    bad_rows: BadRows
    first_bad_rows: tuple[NamedBadRow, ...]
    source_bytes: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ParsedDay:
    day: Day
    clicks: int
    bad_rows: BadRows
    first_bad: tuple[NamedBadRow, ...]
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
    on_gpu: bool = False,
    range_bytes: int = RANGE_BYTES,
    test_day: int | None = None,
    progress: Progress = no_progress,
) -> PrepareReport:
    """Make features of the click logs in `source` (see `find_days`), split as `default_split` says.

    Days after `test_day` (None: the last one) are encoded as that one is, by what is saved for serving.

    `out` must not exist or be empty; the work is done in a hidden folder beside it, which a killed preparation leaves
    and the next one with the same input and options takes up. `parents` (version names) go into `features.json`.
    `on_gpu`: the executor's workers have GPUs, which parse; the outcome is the same.
    InputError `too-few-days`, `no-such-day`, `no-rows`, `one-class`, `bad-row`; see `parse_range`. `progress(stage,
    done, total)` counts rows; in parse, `total` is a guess until the end. Memory: a few ranges per thread, whatever the
    rows, the days and the cardinalities.
    """
    days = find_days(source)
    split = default_split([day.number for day in days], test=test_day)
    options = options or EncoderOptions()
    stages = Stages()
    plan = _plan(days, split, on_bad_rows=on_bad_rows, options=options, parents=parents, range_bytes=range_bytes)
    with work_folder(out, plan) as work:
        run = _Run(work, split, options, on_gpu, progress)
        with _pool(executor) as pool:
            with stages.stage("parse"):
                parsed = run.parse(pool, days, on_bad_rows, range_bytes)
            with stages.stage("count"):
                counts = run.count(pool, parsed)
            with stages.stage("add up"):
                run.add_up(pool, parsed, counts)
            with stages.stage("encode"):
                encoded = run.encode(pool, parsed)
        write_feature_set(
            run.building,
            features=FEATURES,
            parents=parents,
            encoder_options=dataclasses.asdict(options),
            split=split,
            days=encoded,
        )
        remove_temporary(run.building)
        run.building.replace(out)
    return _report(read_feature_set(out), parsed, stages.seconds)


class _Run:
    """One preparation in progress, in the folder `work`; what becomes `out` is in `building`."""

    def __init__(self, work: Path, split: Split, options: EncoderOptions, on_gpu: bool, progress: Progress) -> None:
        self.building = work / "features"
        self._work = work
        self._split = split
        self._options = options
        self._on_gpu = on_gpu
        self._progress = progress
        self._past = split.past(split.test)

    def parse(self, pool: Executor, days: Sequence[Day], on_bad_rows: OnBadRows, range_bytes: int) -> list[_ParsedDay]:
        futures: list[Future[Any]] = []
        sizes: list[int] = []
        per_day = []
        how: dict[str, Any] = {"on_bad_rows": on_bad_rows, "on_gpu": self._on_gpu}
        for day in days:
            folder = _made(self._work / "parsed" / day.name)
            if day.compression is not None:
                futures.append(pool.submit(parse_stream, day, folder, block_bytes=range_bytes, **how))
                sizes.append(day.size_bytes)
                per_day.append(1)
                continue
            ranges = plan_ranges(day.path, range_bytes=range_bytes, start=day.start, end=day.end)
            for number, each in enumerate(ranges):
                futures.append(pool.submit(parse_range, each, folder / part_name(number), **how))
            sizes += [each.end - each.start for each in ranges]
            per_day.append(len(ranges))
        results = iter(self._gather_parsed(futures, sizes))
        parts = [[part for _ in range(count) for part in next(results)] for count in per_day]
        parsed = _parsed_days(days, parts)
        _check_rows(parsed, self._split)
        return parsed

    def count(self, pool: Executor, parsed: Sequence[_ParsedDay]) -> list[FieldCounts]:
        """Write the tables of small groups of parts of every day before the test day."""
        first, folder = self._past[0], _made(self._work / "counts")
        futures: list[Future[None]] = []
        sizes: list[int] = []
        runs: dict[str, list[tuple[Path, ...]]] = {field: [] for field in CATEGORIES}
        fold_runs: dict[str, list[Path]] = {field: [] for field in CATEGORIES}
        for day in (day for day in parsed if day.day.number in self._past):
            groups = group_parts(day.parts)
            for field in CATEGORIES:
                outs = [folder / f"{day.day.name}-{field}-{number}.arrow" for number in range(len(groups))]
                runs[field].append(tuple(outs))
                for group, out in zip(groups, outs, strict=True):
                    fold_out = out.with_stem(f"{out.stem}-folds") if day.day.number == first else None
                    fold_runs[field] += [] if fold_out is None else [fold_out]
                    futures.append(pool.submit(count_field, group, field, out, fold_out, self._options))
                    sizes.append(sum(part.rows for part in group))
        self._gather("count", futures, sizes, each_row=CATEGORY_COUNT)
        encoders = tuple(map(_made, self._encoder_folders()))
        folds, scratch = _made(self._work / "folds"), _made(self._work / "totals")
        return [
            FieldCounts(
                field=field,
                runs=tuple(runs[field]),
                encoders=encoders,
                fold_runs=tuple(fold_runs[field]),
                folds=folds,
                scratch=scratch,
            )
            for field in CATEGORIES
        ]

    def add_up(self, pool: Executor, parsed: Sequence[_ParsedDay], counts: Sequence[FieldCounts]) -> None:
        """Write the encoder of each day: of all days before it, or of the first day itself for that one."""
        past = [day for day in parsed if day.day.number in self._past]
        futures = [pool.submit(add_up_field, each, self._options.min_rows) for each in counts]
        self._gather("add up", futures, [sum(day.rows for day in past)] * len(futures), each_row=CATEGORY_COUNT)
        for number, folder in enumerate(self._encoder_folders(), start=1):
            known = past[:number]
            save_encoder(
                folder,
                options=self._options,
                days=[day.day.number for day in known],
                rows=sum(day.rows for day in known),
                clicks=sum(day.clicks for day in known),
            )

    def encode(self, pool: Executor, parsed: Sequence[_ParsedDay]) -> list[FeatureDay]:
        encoders, futures = self._encoder_folders(), []
        for day in parsed:
            folder = _made(self.building / day.day.name)
            known = len(self._split.past(day.day.number))
            # The first day has no past: its own encoder, from the other folds.
            encoder, folds = (encoders[known - 1], None) if known else (encoders[0], self._work / "folds")
            for number, part in enumerate(day.parts):
                futures.append(pool.submit(encode_part, part, encoder, folds, folder / part_name(number)))
        results = iter(self._gather("encode", futures, [part.rows for day in parsed for part in day.parts]))
        return [_feature_day(day, [next(results) for _ in day.parts]) for day in parsed]

    def _encoder_folders(self) -> list[Path]:
        """After each day of the past, in order; the last one knows them all, and goes with the features."""
        between = [self._work / "encoders" / f"after-day_{number}" for number in self._past[:-1]]
        return [*between, self.building / ENCODER_FOLDER]

    def _gather_parsed(self, futures: Sequence[Future[Any]], sizes: Sequence[int]) -> Iterator[tuple[ParsedPart, ...]]:
        """The parts of each task, in order. What is known is bytes; the rows of those to come are guessed from them."""
        done_bytes = done_rows = 0
        total_bytes = sum(sizes)
        with _cancelled_at_end(futures):
            for future, size in zip(futures, sizes, strict=True):
                result = _result(future)
                parts = result if isinstance(result, tuple) else (result,)
                done_bytes, done_rows = done_bytes + size, done_rows + sum(part.lines for part in parts)
                self._progress("parse", done_rows, done_rows * total_bytes // done_bytes if done_bytes else 0)
                yield parts

    def _gather(
        self, stage: str, futures: Sequence[Future[Result]], sizes: Sequence[int], *, each_row: int = 1
    ) -> list[Result]:
        """All results in order; at the first error (in order) nothing more is begun. A row is in `each_row` tasks."""
        results: list[Result] = []
        done, total = 0, sum(sizes)
        with _cancelled_at_end(futures):
            for future, size in zip(futures, sizes, strict=True):
                results.append(_result(future))
                done += size
                self._progress(stage, done // each_row, total // each_row)
        return results


@contextmanager
def _cancelled_at_end(futures: Sequence[Future[Any]]) -> Iterator[None]:
    try:
        yield
    finally:
        for future in futures:
            future.cancel()


def _result(future: Future[Result]) -> Result:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise UnavailableError(
            "worker-lost", "a worker process died", todo="start it again: it goes on where it ended"
        ) from error


@contextmanager
def _pool(executor: Executor | None) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="forebay-prepare") as pool:
        yield pool


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plan(
    days: Sequence[Day],
    split: Split,
    *,
    on_bad_rows: OnBadRows,
    options: EncoderOptions,
    parents: Sequence[str],
    range_bytes: int,
) -> dict[str, Any]:
    """All that the outcome depends on, as JSON values; a file counts as the same by name, size and time of change."""
    files = [(day, day.path.stat()) for day in days]
    return {
        "format": _PLAN_FORMAT,
        "sources": [
            [day.number, day.path.name, day.start, day.end, stat.st_size, stat.st_mtime_ns] for day, stat in files
        ],
        "split": [list(split.train), split.validate, split.test],
        "on_bad_rows": on_bad_rows,
        "options": dataclasses.asdict(options),
        "parents": list(parents),
        "range_bytes": range_bytes,
    }


def _parsed_days(days: Sequence[Day], parts: Sequence[Sequence[ParsedPart]]) -> list[_ParsedDay]:
    """Days of one file follow each other in it, and so do their lines."""
    parsed, lines = [], 0
    for number, (day, day_parts) in enumerate(zip(days, parts, strict=True)):
        lines = lines if number and days[number - 1].path == day.path else 0
        parsed.append(_parsed_day(day, day_parts, lines))
        lines += sum(part.lines for part in day_parts)
    return parsed


def _parsed_day(day: Day, parts: Sequence[ParsedPart], lines_before: int) -> _ParsedDay:
    """Parts without a row (all were bad) are left out; the others follow each other."""
    rows = itertools.accumulate((part.rows for part in parts), initial=0)
    lines = itertools.accumulate((part.lines for part in parts), initial=lines_before)
    bad = (
        NamedBadRow(file=day.path.name, line=before + seen.line, told=seen.told)
        for part, before in zip(parts, lines, strict=False)
        for seen in part.first_bad
    )
    return _ParsedDay(
        day=day,
        clicks=sum(part.clicks for part in parts),
        bad_rows=sum((part.bad_rows for part in parts), BadRows()),
        first_bad=tuple(itertools.islice(bad, SHOWN_BAD_ROWS)),
        parts=tuple(
            ParsedRows(path=part.path, day=day.number, first_row=start, rows=part.rows, clicks=part.clicks)
            for part, start in zip(parts, rows, strict=False)
            if part.rows
        ),
    )


def _check_rows(days: Sequence[_ParsedDay], split: Split) -> None:
    for day in days:
        if not day.rows:
            named = "".join(f"; {bad.file}, line {bad.line}: {bad.told}" for bad in day.first_bad[:1])
            told = f"{day.day.name} of {day.day.path} has no row to use ({day.bad_rows.total} bad rows left out{named})"
            raise InputError("no-rows", told)
    train = [day for day in days if day.day.number in split.train]
    if not 0 < sum(day.clicks for day in train) < sum(day.rows for day in train):
        raise InputError("one-class", "the train days need rows with and without a click")


def _feature_day(day: _ParsedDay, parts: Sequence[FeaturePart]) -> FeatureDay:
    return FeatureDay(day=day.day.number, source_bytes=day.day.size_bytes, bad_rows=day.bad_rows, parts=tuple(parts))


def _report(features: FeatureSet, parsed: Sequence[_ParsedDay], seconds: Mapping[str, float]) -> PrepareReport:
    validation = features.validation_day
    bad = (each for day in parsed for each in day.first_bad)
    return PrepareReport(
        features=features,
        rows=sum(day.rows for day in features.days),
        train_rows=sum(day.rows for day in features.train_days),
        validation_rows=0 if validation is None else validation.rows,
        evaluation_rows=features.evaluation_day.rows,
        bad_rows=sum((day.bad_rows for day in features.days), BadRows()),
        first_bad_rows=tuple(itertools.islice(bad, SHOWN_BAD_ROWS)),
        source_bytes=sum(day.source_bytes for day in features.days),
        seconds=seconds,
    )
