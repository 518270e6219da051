"""Fetches many small objects at once: a few threads share one stream of parts, and one bad object delays no other.

Threads with blocking calls cost less processor time per object than an event loop, and than s5cmd (docs/benchmarks.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field

from forebay.errors import ForebayError, NotAllowedError, UnavailableError
from forebay.lake.backoff import Patience
from forebay.lake.fetch import Cancelled, fetch
from forebay.lake.part import Part
from forebay.lake.stores import LakeStore

Deliver = Callable[[Part, bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One object that could not be fetched, and why."""

    part: Part
    error: ForebayError


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What came of many parts. `given_up`: the lake itself was away or closed to us, so the rest was not tried."""

    fetched: int
    failed: tuple[Failed, ...]
    given_up: bool


@dataclass(slots=True)
class _Work:
    """What the threads share; every field is touched under `lock` only."""

    parts: Iterator[Part]
    hopeless_limit: int
    fetched: int = 0
    hopeless_in_a_row: int = 0
    stopped: bool = False
    failed: list[Failed] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def given_up(self) -> bool:
        return self.hopeless_in_a_row >= self.hopeless_limit

    def take(self) -> Part | None:
        with self.lock:
            return None if self.stopped or self.given_up else next(self.parts, None)

    def stop(self) -> None:
        with self.lock:
            self.stopped = True

    def succeeded(self) -> None:
        with self.lock:
            self.fetched += 1
            self.hopeless_in_a_row = 0

    def fail(self, part: Part, error: ForebayError) -> None:
        """Keep the failure, and count those in a row that speak of the lake, not of the object."""
        with self.lock:
            self.failed.append(Failed(part=part, error=error))
            hopeless = isinstance(error, UnavailableError | NotAllowedError)
            self.hopeless_in_a_row = self.hopeless_in_a_row + 1 if hopeless else 0


def fetch_many(
    store: LakeStore,
    parts: Iterable[Part],
    deliver: Deliver,
    *,
    concurrency: int = 16,
    cancelled: Cancelled = bool,
    patience: Patience | None = None,
) -> Batch:
    """Fetch every part into memory and hand it to `deliver`, from several threads and in no order.

    Lake failures are collected, each with its part. What `deliver` raises ends everything and comes through, as does
    `concurrent.futures.CancelledError`. Memory: `concurrency` times the largest part.
    """
    work = _Work(parts=iter(parts), hopeless_limit=concurrency)
    patience = patience or Patience()

    def run() -> None:
        try:
            while (part := work.take()) is not None:
                _fetch_one(store, part, deliver, work, cancelled, patience)
        except BaseException:
            work.stop()
            raise

    with ThreadPoolExecutor(concurrency, thread_name_prefix="forebay-fetch") as pool:
        threads = [pool.submit(run) for _ in range(concurrency)]
        try:
            for thread in threads:
                thread.result()
        finally:
            work.stop()
    return Batch(fetched=work.fetched, failed=tuple(work.failed), given_up=work.given_up)


def _fetch_one(
    store: LakeStore, part: Part, deliver: Deliver, work: _Work, cancelled: Cancelled, patience: Patience
) -> None:
    if cancelled():
        raise CancelledError
    chunks: list[bytes] = []
    try:
        fetch(store, part, chunks.append, cancelled=cancelled, patience=patience)
    except ForebayError as error:
        work.fail(part, error)
        return
    deliver(part, chunks[0] if len(chunks) == 1 else b"".join(chunks))
    work.succeeded()
