"""The shortest way from click logs to a model: hashed logistic regression in one pass, straight from the files.

No features are prepared and nothing is written; one process, some threads: they parse ahead while one learns. With
`until_auc` it reads only as much as it needs: it stops once the validation rows say so and the test rows agree.
"""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.metrics import Metrics, auc, measure
from forebay.ctr.models.ftrl import Rates, Weights, learn, logits, new_state, weights_of
from forebay.ctr.models.hashing import Hashing, hashing_for
from forebay.ctr.models.options import LogisticOptions
from forebay.ctr.scan import ScannedRows, scan
from forebay.ctr.source import ByteRange, Day, count_lines, find_days, plan_ranges
from forebay.ctr.split import Split, default_split
from forebay.ctr.stages import Progress, Stages, no_progress
from forebay.errors import DamagedError, InputError

Result = TypeVar("Result")
Block = Callable[[], ScannedRows]
"""Whole lines of a day, not yet parsed."""
Labelled = tuple[NDArray[np.uint32], NDArray[np.uint8]]
"""(n, fields) slots and (n,) labels"""

DIRECT_OPTIONS: Final = LogisticOptions(alpha=0.1, l2=1.0, cross_at_most=0)
"""Quick: larger steps, as each row is seen once and few may be enough; no crosses, which take half of the time."""
_BLOCK_BYTES: Final = 4 << 20
_VALIDATION_BLOCKS: Final = 4
"""Enough to see whether it is worth while to look at the test rows, which take longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectReport:
    """Quality on the test day. `train_rows`: as many as were read. Stages in `seconds`: fit, predict (both with
    reading), measure (wall seconds). `looks`: how often the test rows were predicted; more than once means that the
    validation rows had promised too much."""

    split: Split
    train_rows: int
    looks: int
    metrics: Metrics
    seconds: Mapping[str, float]


def direct(
    source: Path,
    *,
    split: Split | None = None,
    until_auc: float | None = None,
    options: LogisticOptions = DIRECT_OPTIONS,
    progress: Progress = no_progress,
) -> DirectReport:
    """Learn from the train days in `source`, one after the other, and measure on all rows of the test day.

    With `until_auc` the newest train day comes first, and learning stops when the AUC on some validation rows is that
    high by more than its standard error, and the AUC on the test day is that high; or when there are no more rows.
    InputError `bad-row`, `too-few-days`; `no-validation` where `until_auc` has no day to look at.
    """
    days = {day.number: day for day in find_days(source)}
    split = split or default_split(list(days))
    if until_auc is not None and split.validate is None:
        raise InputError("no-validation", f"{source} holds no day to validate on", todo="bring a third day")
    threads = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads, thread_name_prefix="forebay-direct") as pool:
        run = _Run(pool, threads, days, split, options, progress)
        metrics = run.whole() if until_auc is None else run.until(until_auc)
    return DirectReport(
        split=split, train_rows=run.train_rows, looks=run.looks, metrics=metrics, seconds=run.stages.seconds
    )


class _Run:
    """One model in the making."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        threads: int,
        days: Mapping[int, Day],
        split: Split,
        options: LogisticOptions,
        progress: Progress,
    ) -> None:
        self.stages = Stages()
        self.train_rows = 0
        self.looks = 0
        self._pool = pool
        self._threads = threads
        self._days = days
        self._split = split
        self._rates = Rates(alpha=options.alpha, beta=options.beta, l1=options.l1, l2=options.l2)
        self._hashing = partial(
            hashing_for, bits=options.bits, integer_bins=options.integer_bins, cross_at_most=options.cross_at_most
        )
        self._state = new_state(options.bits)
        self._progress = progress

    def whole(self) -> Metrics:
        with self.stages.stage("fit"):
            hashing, train = self._train_rows(self._split.train)
            for number, rows in enumerate(train, start=1):
                self._learn(rows)
                self._progress("fit", number, 0)
        return self._test(hashing)

    def until(self, target: float) -> Metrics:
        """Look after 1, 2, 4, ... blocks, and at the end."""
        assert self._split.validate is not None
        with self.stages.stage("fit"):
            hashing, train = self._train_rows(tuple(reversed(self._split.train)))
            shown = itertools.islice(self._blocks([self._split.validate]), _VALIDATION_BLOCKS)
            validation = list(self._ahead(partial(_labelled, hashing, block) for block in shown))
        metrics: Metrics | None = None
        learnt = 0
        for look_at in (1 << power for power in itertools.count()):
            with self.stages.stage("fit"):
                before = learnt
                for rows in itertools.islice(train, look_at - learnt):
                    self._learn(rows)
                    learnt += 1
                self._progress("fit", learnt, 0)
                all_read = learnt < look_at
                promising = learnt > before and self._promises(target, validation)
            if promising or all_read:
                metrics = self._test(hashing)
                if all_read or metrics.auc >= target:
                    break
        assert metrics is not None
        return metrics

    def _train_rows(self, days: Sequence[int]) -> tuple[Hashing, Iterator[Labelled]]:
        """The first block says which fields are crossed."""
        blocks = self._blocks(days)
        first = next(blocks, None)
        if first is None:
            raise InputError("no-rows", "the train days have no row")
        rows = first()
        hashing = self._hashing(rows.categories)
        known: Callable[[], Labelled] = partial(_slots_of, hashing, rows)
        return hashing, self._ahead(itertools.chain([known], (partial(_labelled, hashing, each) for each in blocks)))

    def _learn(self, rows: Labelled) -> None:
        slots, label = rows
        learn(self._state, slots, label, self._rates)
        self.train_rows += label.size

    def _promises(self, target: float, validation: Sequence[Labelled]) -> bool:
        weights = weights_of(self._state, self._rates)
        label = np.concatenate([label for _, label in validation])
        rarer = min(int(label.sum()), int(label.size - label.sum()))
        if not rarer:
            return False
        found = auc(label, np.concatenate([logits(weights, slots) for slots, _ in validation]))
        return found - math.sqrt(found * (1.0 - found) / rarer) >= target

    def _test(self, hashing: Hashing) -> Metrics:
        self.looks += 1
        with self.stages.stage("predict"):
            weights = weights_of(self._state, self._rates)
            blocks = self._blocks([self._split.test])
            found = list(self._ahead(partial(_predicted, weights, hashing, each) for each in blocks))
        with self.stages.stage("measure"):
            return measure(np.concatenate([label for label, _ in found]), np.concatenate([said for _, said in found]))

    def _blocks(self, days: Sequence[int]) -> Iterator[Block]:
        for number in days:
            day = self._days[number]
            if day.compression is not None:
                yield from _decompressed(day)
                continue
            ranges = plan_ranges(day.path, range_bytes=_BLOCK_BYTES, start=day.start, end=day.end)
            yield from (partial(_read, each) for each in ranges)

    def _ahead(self, tasks: Iterable[Callable[[], Result]]) -> Iterator[Result]:
        """The result of each task, in order; as many are at work as there are threads, whatever their number."""
        waiting: deque[Future[Result]] = deque()
        for task in tasks:
            waiting.append(self._pool.submit(task))
            if len(waiting) > self._threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _decompressed(day: Day) -> Iterator[Block]:
    # Kept apart from the fast path: it imports Arrow.
    from forebay.ctr.stream import read_blocks

    for block in read_blocks(day, block_bytes=_BLOCK_BYTES):
        yield partial(_scanned, np.frombuffer(block.data, np.uint8), day.path, first_line=block.first_line)


def _read(source: ByteRange) -> ScannedRows:
    data = np.fromfile(source.path, np.uint8, count=source.end - source.start, offset=source.start)
    if data.size != source.end - source.start:
        raise DamagedError("file-changed", f"{source.path} became shorter while it was read", todo="fetch it again")
    return _scanned(data, source.path, after_bytes=source.start)


def _scanned(data: NDArray[np.uint8], path: Path, *, first_line: int = 1, after_bytes: int = 0) -> ScannedRows:
    found = scan(data, skip_bad_rows=False)
    if isinstance(found, ScannedRows):
        return found
    # As above.
    from forebay.ctr.parse import bad_row_error

    raise bad_row_error(path, data, found, first_line=first_line + count_lines(path, after_bytes))


def _labelled(hashing: Hashing, block: Block) -> Labelled:
    return _slots_of(hashing, block())


def _slots_of(hashing: Hashing, rows: ScannedRows) -> Labelled:
    integers = np.where(rows.integers_valid, rows.integers, np.float32(np.nan)).astype(np.float32, copy=False)
    slots = hashing.slots(np.ascontiguousarray(integers.T), rows.categories, rows.categories_valid)
    return slots, rows.label


def _predicted(weights: Weights, hashing: Hashing, block: Block) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    slots, label = _labelled(hashing, block)
    return label, 1.0 / (1.0 + np.exp(-logits(weights, slots)))
