"""Tasks on the workers: Dask runs those of a lost worker again elsewhere, and waiting for them ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from forebay.ctr.engines.watch import (
    LOOK_EVERY_S,
    NO_WORKERS_LIMIT_S,
    Box,
    memory_limit,
    no_workers,
    too_long,
    worker_addresses,
    worker_killer,
    worker_lost,
)


def copied(
    client: Client, value: Any, *, limit_s: float, no_workers_s: float = NO_WORKERS_LIMIT_S
) -> tuple[Future[Any], tuple[str, ...]]:
    """A copy of `value` with each worker, and the workers, of which there is one at least.

    UnavailableError `no-workers` after `no_workers_s` without any, `job-too-long`, `scheduler-lost`, and `worker-lost`
    where one goes while it is sent.
    """
    began = time.monotonic()
    while not (there := worker_addresses(client)):  # or scheduler-lost
        if time.monotonic() - began > no_workers_s:
            raise no_workers(no_workers_s)
        time.sleep(LOOK_EVERY_S)
    limit = memory_limit(client)
    box: Box[list[Future[Any]]] = Box(lambda: client.scatter([value], broadcast=True, hash=False))  # type: ignore[no-untyped-call]
    while not box.done.wait(LOOK_EVERY_S):
        if (left := worker_addresses(client)) != there:
            raise worker_lost(client, there, left, limit)
        if time.monotonic() - began > limit_s:
            raise too_long()
    if isinstance(box.error, (OSError, TimeoutError)):
        raise worker_lost(client, there, worker_addresses(client), limit) from box.error
    [sent] = box.result()
    return sent, there


def gathered(
    client: Client, futures: Sequence[Future[Any]], *, limit_s: float, no_workers_s: float = NO_WORKERS_LIMIT_S
) -> list[Any]:
    """All results, or the first error of a task.

    UnavailableError `job-too-long` after `limit_s`, `scheduler-lost`, `no-workers` after `no_workers_s` without any,
    `task-kills-workers`, `worker-lost` where what was sent to it for the tasks is gone, too; CapacityError
    `worker-out-of-memory` where memory was the reason.
    """
    workers, limit = worker_addresses(client), memory_limit(client)
    box: Box[list[Any]] = Box(lambda: client.gather(futures))  # type: ignore[no-untyped-call]
    began = seen_at = time.monotonic()
    while not box.done.wait(LOOK_EVERY_S):
        there, now = worker_addresses(client), time.monotonic()  # or scheduler-lost
        seen_at = now if there else seen_at
        if now - seen_at > no_workers_s:
            raise _given_up(client, futures, no_workers(no_workers_s))
        if now - began > limit_s:
            raise _given_up(client, futures, too_long())
    if box.error is None:
        return box.result()
    left = worker_addresses(client)
    if isinstance(box.error, KilledWorker):
        raise worker_killer(client, box.error, limit) from box.error
    if isinstance(box.error, CancelledError):
        raise worker_lost(client, workers, left, limit) from box.error
    return box.result()


def _given_up(client: Client, futures: Sequence[Future[Any]], error: Exception) -> Exception:
    client.cancel(futures, force=True)  # type: ignore[no-untyped-call]
    return error
