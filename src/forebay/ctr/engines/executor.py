"""An executor over a cluster, for tasks that may be run twice: they write whole files, under names of their own.

Dask runs a task again whose worker died, three times at most. What Dask leaves open ends here: no worker comes back,
the scheduler is lost, a task takes every worker down with it.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from typing import Any, Final, ParamSpec, TypeVar

from distributed import Client
from distributed.scheduler import KilledWorker

from forebay.ctr.engines.watch import (
    LOOK_EVERY_S,
    NO_WORKERS_LIMIT_S,
    memory_limit,
    no_workers,
    scheduler_lost,
    worker_addresses,
    worker_killer,
)
from forebay.errors import ForebayError, UnavailableError

Given = ParamSpec("Given")
Result = TypeVar("Result")
STUCK_LIMIT_S: Final = 3600.0


class ClusterExecutor(Executor):
    """`no_workers_s`: so long a cluster may be without any worker. `stuck_s`: so long no task may end at all."""

    def __init__(
        self, client: Client, *, no_workers_s: float = NO_WORKERS_LIMIT_S, stuck_s: float = STUCK_LIMIT_S
    ) -> None:
        self._client = client
        self._loop: Any = client.loop
        self._limit = memory_limit(client)
        self._no_workers_s = no_workers_s
        self._stuck_s = stuck_s
        self._lock = threading.Lock()
        self._pending: dict[Future[Any], Any] = {}
        self._ended_at = time.monotonic()
        self._watcher: threading.Thread | None = None
        self._is_shut = False

    def submit(self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Future[Result]:
        """As `Executor.submit`; ForebayErrors of a task come as they were raised."""
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        # Whole in one argument: Dask would take words such as `workers` for its own, and walk through long lists.
        task = self._submitted(functools.partial(fn, *args, **kwargs))
        future: Future[Result] = Future()
        with self._lock:
            if not self._pending:
                self._ended_at = time.monotonic()
            self._pending[future] = task
            self._watch()
        future.add_done_callback(self._done)
        self._loop.add_callback(self._settle, task, future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As `Executor.shutdown`; the cluster stays."""
        self._is_shut = True
        futures = list(self._pending)
        if cancel_futures:
            for future in futures:
                future.cancel()
        if wait:
            for future in futures:
                with suppress(BaseException):
                    future.exception()

    def _submitted(self, call: functools.partial[Any]) -> Any:
        if self._client.status != "running":
            raise scheduler_lost()
        return self._client.submit(call, pure=False)

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            task = self._pending.pop(future, None)
            self._ended_at = time.monotonic()
        if future.cancelled() and task is not None and self._client.status == "running":
            task.cancel()

    async def _settle(self, task: Any, future: Future[Any]) -> None:
        """Runs in the client's loop."""
        result = await task._result(raiseit=False)
        if task.status == "finished":
            _set(future, result)
        elif task.status == "error":
            threading.Thread(target=self._fail_told, args=(future, result[1]), daemon=True).start()
        elif not future.cancelled():
            _fail(future, scheduler_lost())

    def _fail_told(self, future: Future[Any], error: BaseException) -> None:
        """Not in the client's loop, of which it asks."""
        try:
            told = worker_killer(self._client, error, self._limit) if isinstance(error, KilledWorker) else error
            _fail(future, told)
        except ForebayError as away:
            _fail(future, away)

    def _watch(self) -> None:
        """Called with the lock held."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._look, name="forebay-dask-watch", daemon=True)
            self._watcher.start()

    def _look(self) -> None:
        """While there are tasks; fails all of them once there is nobody who could do them."""
        seen_at = time.monotonic()
        pause = threading.Event()
        while True:
            with self._lock:
                if not self._pending:
                    self._watcher = None
                    return
                idle_s = time.monotonic() - self._ended_at
            try:
                if worker_addresses(self._client):
                    seen_at = time.monotonic()
            except ForebayError as error:
                self._fail_all(error)
                continue
            if time.monotonic() - seen_at > self._no_workers_s:
                self._fail_all(no_workers(self._no_workers_s))
            elif idle_s > self._stuck_s:
                self._fail_all(
                    UnavailableError(
                        "job-too-long",
                        f"no task on Dask has ended for {self._stuck_s:.0f} s",
                        todo="Look at the workers' logs, then give the same command again.",
                    )
                )
            pause.wait(LOOK_EVERY_S)

    def _fail_all(self, error: ForebayError) -> None:
        with self._lock:
            futures = list(self._pending)
        for future in futures:
            _fail(future, error)


def _set(future: Future[Any], result: Any) -> None:
    """Nothing where it was cancelled or failed before."""
    with suppress(InvalidStateError):
        future.set_result(result)


def _fail(future: Future[Any], error: BaseException) -> None:
    with suppress(InvalidStateError):
        future.set_exception(error)
