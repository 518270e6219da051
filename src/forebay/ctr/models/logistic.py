"""Hashed logistic regression over raw integers and categories: one pass, its parameters averaged over the workers.

Each day's parts are dealt to as many shards as the cluster has threads; all shards learn from the same state, and
their states are mixed after each day, so a day is learnt from the days before it. Only whole parts are read, in order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import get_worker
from numpy.typing import NDArray

from forebay.ctr.feature_set import FeatureDay, read_categories, read_part
from forebay.ctr.files import new_file
from forebay.ctr.models.ftrl import Ftrl, Rates, Weights, logits
from forebay.ctr.models.gaussian import TELLING, Gaussian, Priors, learnt_priors
from forebay.ctr.models.hashing import FIXED_FIELDS, Hashing, hashing_for
from forebay.ctr.models.options import LogisticOptions
from forebay.ctr.models.protocol import Categories, FitJob, Fitted
from forebay.ctr.models.tasks import copied, gathered
from forebay.ctr.schema import INTEGERS
from forebay.ctr.stages import counting
from forebay.errors import DamagedError

WEIGHTS_FILE: Final = "weights.parquet"
_HASHING: Final = b"hashing"
ALL_ROWS: Final = slice(None)
_ROWS_FOR_PRIORS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticPredictor:
    """Log-odds are the sum of the weights of a row's slots."""

    hashing: Hashing
    weights: Weights

    @property
    def features(self) -> tuple[str, ...]:
        return INTEGERS

    @property
    def needs_categories(self) -> bool:
        return True

    def logits(self, integers: NDArray[np.float32], categories: Categories) -> NDArray[np.float64]:
        """(n,) log-odds of (n, 13) integers and the raw categories."""
        return logits(self.weights, self.hashing.slots(integers, *categories))

    def predict(self, matrix: NDArray[np.float32], categories: Categories | None) -> NDArray[np.float64]:
        if categories is None:
            raise ValueError("logistic regression needs the raw categories")
        probability: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-self.logits(matrix, categories)))
        return probability

    def importance(self) -> Mapping[str, float]:
        return {}

    def save(self, directory: Path) -> None:
        used = np.flatnonzero(self.weights).astype(np.uint32)
        table = pa.table({"slot": used, "weight": self.weights[used]})
        hashing = {
            "bits": self.hashing.bits,
            "integer_bins": self.hashing.integer_bins,
            "crosses": self.hashing.crosses,
            "slopes": self.hashing.slopes,
        }
        table = table.replace_schema_metadata({_HASHING: json.dumps(hashing)})
        with new_file(directory / WEIGHTS_FILE) as file:
            pq.write_table(table, file, compression="zstd")


def load_logistic(directory: Path) -> LogisticPredictor:
    """What `save` wrote; DamagedError where it is not that."""
    path = directory / WEIGHTS_FILE
    try:
        table = pq.ParquetFile(path).read()
        value = json.loads(table.schema.metadata[_HASHING])
        crosses = tuple((left, right) for left, right in value.pop("crosses"))
        # Models of before there were slopes say nothing of them.
        slopes = tuple((left, right) for left, right in value.pop("slopes", ()))
        hashing = Hashing(crosses=crosses, slopes=slopes, **value)
        weights = np.zeros(1 << hashing.bits, np.float32)
        weights[table["slot"].to_numpy()] = table["weight"].to_numpy()
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError, IndexError) as error:
        raise DamagedError("bad-model", f"{path} cannot be read: {error}", todo="train again") from error
    return LogisticPredictor(hashing=hashing, weights=weights)


def fit(job: FitJob, options: LogisticOptions) -> Fitted:
    """Learn the train days, one after the other."""
    days = job.features.train_days
    learner = Learner(job, options, counted(job, sum(day.rows for day in days)))
    with job.stages.stage("fit"):
        for day in days:
            learner.learn(day)
    predictor = learner.predictor()
    return Fitted(predictor=predictor, on_validation=predictor)


def counted(job: FitJob, rows: int) -> str:
    """A topic on which workers tell how many rows more were learnt, of so many: the bar `learn`."""
    topic = f"forebay-learnt-{uuid4()}"
    told = counting(job.progress, "learn", rows)
    job.cluster.client.subscribe_topic(topic, lambda event: told(event[1]))  # type: ignore[no-untyped-call]
    return topic


State = NDArray[Any]
"""What a method knows of each slot, (slots, ...)."""


class Method(Protocol):
    """A way to learn the weights: `models.ftrl` and `models.gaussian`."""

    def new(self, bits: int) -> State:
        """Nothing learnt yet."""

    def learn(self, state: State, slots: NDArray[np.uint32], label: NDArray[np.uint8]) -> None:
        """One pass over the rows, in place."""

    def weights(self, state: State) -> Weights:
        """(slots,) weights."""

    def mixed(self, start: State, states: Sequence[State]) -> State:
        """What workers learnt, each from `start` and rows of its own, as one state."""


class Learner:
    """A logistic model that is given day after day; of each part it sees these `rows` only, from its priors on.

    Of how many it has learnt it tells `topic`, as `counted` made it.
    """

    def __init__(self, job: FitJob, options: LogisticOptions, topic: str, *, rows: slice = ALL_ROWS) -> None:
        self._job = job
        self._topic = topic
        self._seen = rows
        self._hashing, self._method = _begun(job, options, rows)
        self._state = self._method.new(options.bits)

    def learn(self, day: FeatureDay) -> None:
        self._state = self._learnt(self._job.paths(day), self._state)

    def predictor(self) -> LogisticPredictor:
        """As of now."""
        return LogisticPredictor(hashing=self._hashing, weights=self._method.weights(self._state))

    def _learnt(self, paths: Sequence[Path], start: State) -> State:
        client = self._job.cluster.client
        sent, workers = copied(client, start, limit_s=self._job.left_s)
        threads = [address for address in workers for _ in range(self._job.cluster.threads_per_worker)]
        shards = [paths[first :: len(threads)] for first in range(len(threads))]
        states = [
            client.submit(
                learn_parts,
                sent,
                shard,
                self._hashing,
                self._method,
                self._seen,
                self._topic,
                workers=[address],
                allow_other_workers=True,
                pure=False,
            )
            for shard, address in zip(shards, threads, strict=True)
            if shard
        ]
        if len(states) > 1:
            states = [client.submit(self._method.mixed, sent, states, pure=False)]
        [state] = gathered(client, states, limit_s=self._job.left_s)
        return np.asarray(state)


def learn_parts(
    start: State, paths: Sequence[Path], hashing: Hashing, method: Method, rows: slice, topic: str
) -> State:
    """Runs on a worker: the state after these rows of each of these parts. It tells `topic` how many each were."""
    state = start.copy()
    for path in paths:
        integers, label = read_part(path, INTEGERS)
        slots = hashing.slots(integers, *read_categories(path))
        method.learn(state, np.ascontiguousarray(slots[rows]), label[rows])
        get_worker().log_event(topic, int(label[rows].size))
    return state


def priors_of(paths: Sequence[Path], hashing: Hashing, rows: slice) -> Priors:
    """Runs on a worker: the priors that the first of these rows of these parts show."""
    return learnt_priors(_first_rows(paths, hashing, rows), hashing.fields, hashing.bits)


def _first_rows(
    paths: Sequence[Path], hashing: Hashing, rows: slice
) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.uint8]]]:
    count = 0
    for path in paths:
        integers, label = read_part(path, INTEGERS)
        slots = hashing.slots(integers, *read_categories(path))
        yield np.ascontiguousarray(slots[rows]), label[rows]
        count += label[rows].size
        if count >= _ROWS_FOR_PRIORS:
            return


def _begun(job: FitJob, options: LogisticOptions, rows: slice) -> tuple[Hashing, Method]:
    """What a row's slots are, and how they are learnt. Of crosses a gaussian learner keeps those that say something.

    Which fields are small is asked of all rows of the first part, without their labels; what says something, of `rows`.
    """
    is_ftrl = options.learner == "ftrl"
    hashing = Hashing(bits=options.bits, integer_bins=options.integer_bins)
    if options.cross_at_most:
        categories, _ = read_categories(job.paths(job.features.train_days[0])[0])
        hashing = hashing_for(
            categories,
            bits=options.bits,
            integer_bins=options.integer_bins,
            cross_at_most=options.cross_at_most,
            with_slopes=not is_ftrl,
        )
    if is_ftrl:
        return hashing, Ftrl(rates=Rates(alpha=options.alpha, beta=options.beta, l1=options.l1, l2=options.l2))
    client = job.cluster.client
    first = client.submit(priors_of, job.paths(job.features.train_days[0]), hashing, rows, pure=False)
    [found] = gathered(client, [first], limit_s=job.left_s)
    priors: Priors = np.asarray(found)
    telling = priors > TELLING
    telling[:FIXED_FIELDS] = True
    return hashing.chosen(telling[FIXED_FIELDS:]), Gaussian(priors=priors[telling])
