"""Tasks that run on several workers at once and talk to one another by XGBoost's collective.

Such tasks need all their workers at the same time, where Dask starts one as soon as a thread is free: of two such jobs
each could hold a worker that the other one waits for. So there is one at a time on a scheduler. Where its client dies
its turn is over by itself, as Dask takes a semaphore's lease back that nobody renews.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from dask.typing import Key
from distributed import Client, Future, Semaphore, as_completed, get_worker
from distributed.comm.addressing import get_address_host
from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from forebay.ctr.engines.watch import (
    LOOK_EVERY_S,
    LOOK_LIMIT_S,
    ask_scheduler,
    bounded,
    memory_limit,
    scheduler_lost,
    too_long,
    worker_addresses,
    worker_lost,
)
from forebay.errors import UnavailableError

Result = TypeVar("Result")
Seat = Mapping[str, Any]
"""Where a task finds the others, and which of them it is: for `joined`."""

_TURN: Final = "forebay-together"
_ANSWER_S: Final = 10.0
_LONGEST_S: Final = 20 * 86_400
"""XGBoost counts milliseconds in 32 bits: who has no limit waits for the others this long."""
_OTHERS_S: Final = 10.0
"""How long after the first failure of a task the others may take to tell theirs."""


@contextmanager
def in_turn(client: Client, *, limit_s: float) -> Iterator[None]:
    """One such job at a time; UnavailableError `job-too-long` where its turn does not come, `scheduler-lost`."""
    deadline = time.monotonic() + limit_s
    turn = Semaphore(name=_TURN, scheduler_rpc=client.scheduler, loop=client.loop)  # type: ignore[no-untyped-call]
    try:
        while not _answered(lambda: turn.acquire(timeout=LOOK_EVERY_S)):  # type: ignore[no-untyped-call]
            if time.monotonic() > deadline:
                raise too_long()
        try:
            yield
        finally:
            # Where the scheduler is gone, so is the turn.
            if client.status == "running":
                with suppress(UnavailableError):
                    _answered(turn.release)
    finally:
        # It has none where leases never run out by Dask's settings.
        if hasattr(turn, "refresh_callback"):
            turn.loop.add_callback(turn.refresh_callback.stop)


def _answered(question: Callable[[], Result]) -> Result:
    try:
        return bounded("Dask's scheduler", question, limit_s=LOOK_LIMIT_S)
    except OSError as error:
        raise scheduler_lost() from error


def seats_of(client: Client, count: int, *, limit_s: float) -> list[Seat]:
    """One for each of so many tasks, in their order, which is that of their ranks."""
    meeting = ask_scheduler(client, partial(open_tracker, workers=count, limit_s=limit_s))
    # A worker may load for longer than another one, which waits for it that long.
    meeting |= {"dmlc_timeout": _whole(limit_s)}
    return [meeting | {"dmlc_task_id": f"{number:08}"} for number in range(count)]


def open_tracker(*, workers: int, limit_s: float, dask_scheduler: Any) -> dict[str, Any]:
    """Runs on the scheduler: where the tasks meet, on an address that the workers know it by, if it can be had."""
    try:
        tracker = _started(workers, get_address_host(dask_scheduler.address))
    except (XGBoostError, OSError):
        tracker = _started(workers, None)
    threading.Thread(target=_serve, args=(tracker, limit_s), name="forebay-tracker", daemon=True).start()
    return dict(tracker.worker_args())


@contextmanager
def joined(seat: Seat) -> Iterator[None]:
    """Runs on a worker: within the block XGBoost's sums are over all tasks. Begins when all of them are there."""
    with collective.CommunicatorContext(**seat):
        yield


def check_wanted(key: Key) -> None:
    """Runs on a worker: an error once nobody waits for the task of this key, for which nobody waits either."""
    task = get_worker().state.tasks.get(key)
    if task is None or task.state != "executing":
        raise RuntimeError("nobody waits for this task any longer")


def first_of(client: Client, futures: Sequence[Future[Result]]) -> Result:
    """The result of the first one, when all have ended.

    Where some failed, the error of one that did not fail because of another; UnavailableError `worker-lost` where they
    were taken away, `fit-broken` where none of them knows why.
    """
    workers, limit = worker_addresses(client), memory_limit(client)
    for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
        if future.status == "finished":
            continue
        error = _reason(futures)
        if isinstance(error, CancelledError):
            raise worker_lost(client, workers, worker_addresses(client), limit) from error
        if isinstance(error, XGBoostError):
            raise UnavailableError(
                "fit-broken",
                f"XGBoost gave up on the workers: {str(error).splitlines()[0]}",
                todo="Give the same command again; if it comes again, see that workers reach one another on any port.",
            ) from error
        raise error
    return futures[0].result()


def _reason(futures: Sequence[Future[Any]]) -> BaseException:
    """After some time for the others to fail, too, or to end."""
    deadline = time.monotonic() + _OTHERS_S
    while time.monotonic() < deadline and any(future.status == "pending" for future in futures):
        time.sleep(LOOK_EVERY_S / 5)
    errors = [_error(future) for future in futures if future.status not in ("pending", "finished")]
    return min(errors, key=lambda error: (isinstance(error, XGBoostError), isinstance(error, CancelledError)))


def _error(failed: Future[Any]) -> BaseException:
    if failed.status != "error":
        # Not asked: a client that is being closed would never answer.
        return CancelledError(failed.key)
    try:
        failed.result(timeout=_ANSWER_S)
    except BaseException as error:  # noqa: BLE001 - chosen among, and raised by the caller
        return error
    raise ValueError("it has not failed")


def _started(workers: int, host: str | None) -> RabitTracker:
    tracker = RabitTracker(n_workers=workers, host_ip=host, sortby="task")
    tracker.start()
    return tracker


def _serve(tracker: RabitTracker, limit_s: float) -> None:
    # Tasks that were killed never tell it that they are done, and then it is not easily freed.
    with suppress(ValueError, XGBoostError):
        tracker.wait_for(timeout=_whole(limit_s))
    with suppress(XGBoostError):
        tracker.free()


def _whole(seconds: float) -> int:
    return math.ceil(min(max(1, seconds), _LONGEST_S))
