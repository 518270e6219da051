"""Waiting on a cluster always ends: a worker lost, a scheduler lost, a limit over.

Dask heals itself for tasks, not for jobs that span workers (XGBoost's): somebody else has to look.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Generic, TypeVar

from distributed import Client
from distributed.scheduler import KilledWorker

from forebay.errors import CapacityError, ForebayError, UnavailableError
from forebay.words import count

Result = TypeVar("Result")
LOOK_EVERY_S: Final = 0.5
LOOK_LIMIT_S: Final = 120.0
"""A scheduler that died is noticed at once; one that is silent for so long on a busy machine may still be well."""
CLOSE_LIMIT_S: Final = 60.0
NO_WORKERS_LIMIT_S: Final = 120.0
_MEMORY_TOPIC: Final = "worker-restart-memory"
_NANNIES_WORD_S: Final = 3.0


def worker_addresses(client: Client) -> tuple[str, ...]:
    """The workers that are there now, in the order of their names, which do not vary from run to run as ports do.

    UnavailableError `scheduler-lost` where the scheduler does not answer.
    """
    # Not client.scheduler_info(): a timer of the client overwrites its answer with one that lists no worker.
    names: dict[str, str] = ask_scheduler(client, _names)
    return tuple(sorted(names, key=lambda address: (names[address], address)))


def memory_limit(client: Client) -> int:
    """Bytes that the least worker may hold; 0 where no limit is set, or no worker is there."""
    limits: list[int] = ask_scheduler(client, _limits)
    return min(limits, default=0)


def ask_scheduler(client: Client, question: Callable[..., Any]) -> Any:
    """What `question(dask_scheduler=...)` gives on the scheduler, within LOOK_LIMIT_S."""
    if client.status != "running":
        # Its futures are gone already, also where it would find the scheduler again.
        raise scheduler_lost()
    try:
        return client.run_on_scheduler(question, callback_timeout=LOOK_LIMIT_S)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise scheduler_lost() from error


def watched(client: Client, job: Callable[[], Result], *, limit_s: float) -> Result:
    """The result of `job`, which blocks on the cluster; UnavailableError once a worker or the scheduler is lost or
    `limit_s` is over, CapacityError `worker-out-of-memory` where the worker was ended for that.

    The thread of an abandoned job ends when the cluster closes.
    """
    workers, limit = worker_addresses(client), memory_limit(client)
    box: Box[Result] = Box(job)
    deadline = time.monotonic() + limit_s
    while not box.done.wait(LOOK_EVERY_S):
        if (left := worker_addresses(client)) != workers:
            raise worker_lost(client, workers, left, limit)
        if time.monotonic() > deadline:
            raise too_long()
    if box.error is not None and (left := worker_addresses(client)) != workers:
        raise worker_lost(client, workers, left, limit) from box.error
    return box.result()


def bounded(what: str, job: Callable[[], Result], *, limit_s: float) -> Result:
    """The result of `job`, which may hang; UnavailableError `cluster-slow` after `limit_s`."""
    box: Box[Result] = Box(job)
    if not box.done.wait(limit_s):
        raise UnavailableError("cluster-slow", f"{what} took longer than {limit_s:.0f} s and was given up")
    return box.result()


@contextmanager
def closed_after(cluster: Any) -> Iterator[Any]:
    """Close a cluster of this machine's processes after the block; after it no worker's process is left.

    A nanny waits without a limit for a worker that is between its start and its first word, and on a busy machine not
    long enough for one that it kills: what Dask does not end in time is killed here, and is no error.
    """
    try:
        yield cluster
    finally:
        nannies = tuple(cluster.workers.values())
        closing: Box[None] = Box(cluster.close)
        if not closing.done.wait(CLOSE_LIMIT_S):
            _kill(nannies)
            closing.done.wait(CLOSE_LIMIT_S)
        if closing.done.is_set() and not isinstance(closing.error, TimeoutError):
            closing.result()
        else:
            _kill(nannies)
            # Else Dask would wait for it once more as this process ends.
            cluster.shutdown_on_close = False


def _kill(nannies: tuple[Any, ...]) -> None:
    for pid in filter(None, [nanny.pid for nanny in nannies]):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def worker_lost(client: Client, before: tuple[str, ...], left: tuple[str, ...], limit: int) -> ForebayError:
    """Says how many are left, and whether memory was the reason."""
    stay = len(set(before) & set(left))
    if _ended_for_memory(client, set(before) - set(left)):
        return out_of_memory(f"a Dask worker was ended because it held too much memory; {stay} are left", limit)
    return UnavailableError(
        "worker-lost",
        f"a Dask worker was lost during the job; {stay} of {len(before)} are left",
        todo="Try again; if it comes again, look at its machine's log: the kernel may have ended it for its memory.",
    )


def worker_killer(client: Client, error: KilledWorker, limit: int) -> ForebayError:
    """Of a task that each of its workers died of; `limit`: the bytes that a worker might hold."""
    tried = count(error.allowed_failures + 1, "worker")
    if _ended_for_memory(client, {error.last_worker.address}):
        return out_of_memory(f"a task held too much memory on {tried}, one after the other", limit)
    return UnavailableError(
        "task-kills-workers",
        f"a task was tried on {tried}, and each of them died of it",
        todo="Look at the workers' logs and at their machines': the kernel may have ended them for their memory.",
    )


def no_workers(seconds: float) -> UnavailableError:
    """None has come back in that time."""
    return UnavailableError(
        "no-workers",
        f"the cluster has had no worker for {seconds:.0f} s",
        todo="Start workers, then give the same command again.",
    )


def out_of_memory(told: str, limit: int) -> CapacityError:
    """With the bytes that each worker may hold."""
    have = f" (each may hold {limit / (1 << 20):,.0f} MiB)" if limit else ""
    return CapacityError(
        "worker-out-of-memory",
        f"{told}{have}",
        todo="Give --memory-per-worker more, take fewer --threads-per-worker, or more workers that share the rows.",
    )


def too_long() -> UnavailableError:
    """The time of a job is over, of which this may have been the last part."""
    return UnavailableError(
        "job-too-long", "the job on Dask was given up: its time limit is over", todo="Give it a longer --time-limit."
    )


def scheduler_lost() -> UnavailableError:
    """The same words wherever it is noticed."""
    return UnavailableError(
        "scheduler-lost",
        "the Dask scheduler is gone or does not answer, and with it what its workers held",
        todo="See that it runs, then give the same command again: nothing half-made was left in its output.",
    )


def _ended_for_memory(client: Client, lost: set[str]) -> bool:
    """The nanny's word may come a moment after the worker's end."""
    deadline = time.monotonic() + _NANNIES_WORD_S
    while True:
        ended: set[str] = ask_scheduler(client, memory_ended)
        if ended & lost:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S / 5)


def _names(dask_scheduler: Any) -> dict[str, str]:
    """Runs on the scheduler; the parameter's name is Dask's."""
    return {address: str(worker.name) for address, worker in dask_scheduler.workers.items()}


def _limits(dask_scheduler: Any) -> list[int]:
    return [int(worker.memory_limit or 0) for worker in dask_scheduler.workers.values()]


def memory_ended(dask_scheduler: Any) -> set[str]:
    """Runs on the scheduler, for `ask_scheduler`: the workers that their nannies ended for their memory."""
    return {event["worker"] for _, event in dask_scheduler.get_events(_MEMORY_TOPIC)}


class Box(Generic[Result]):
    """A call in a thread of its own, which never keeps the process alive."""

    def __init__(self, job: Callable[[], Result]) -> None:
        self.done = threading.Event()
        self.error: BaseException | None = None
        self._results: list[Result] = []
        threading.Thread(target=self._run, args=(job,), name="forebay-dask-job", daemon=True).start()

    def _run(self, job: Callable[[], Result]) -> None:
        try:
            self._results.append(job())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self.error = error
        finally:
            self.done.set()

    def result(self) -> Result:
        """What the call gave, or its error."""
        if self.error is not None:
            raise self.error
        return self._results[0]
