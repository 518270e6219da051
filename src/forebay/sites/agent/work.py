"""The work of one task, in a thread of its own; and the leash by which it is told to end, or is let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from forebay.errors import ForebayError, InputError, InternalError
from forebay.log import get_logger
from forebay.sites.agent.effects import Why
from forebay.wire.sites import Order, Report, TaskKey, TaskState

_log = get_logger("agent")

_NAP_S = 0.1

Tell = Callable[[Report], object]


class LetGoError(Exception):
    """The work is looked after no longer; it goes on, or is taken up by the next agent."""


class Leash:
    """What the agent holds a task's work by. `why` is set once it shall end."""

    def __init__(self) -> None:
        self._pulled = threading.Event()
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None
        self.why: Why | None = None
        self.is_let_go = False

    def pull(self, why: Why) -> None:
        """It shall end, with all that it started. The first reason stays."""
        self._do(why)

    def let_go(self) -> None:
        """It shall be left as it is."""
        self.is_let_go = True
        self._do(None)

    def wait(self, seconds: float) -> bool:
        """Sleep; whether it shall end. LetGoError when it was let go."""
        pulled = self._pulled.wait(seconds)
        if self.is_let_go:
            raise LetGoError
        return pulled

    def sleep(self, seconds: float) -> None:
        """While it ends already: only letting it go cuts that short. LetGoError."""
        deadline = time.monotonic() + seconds
        while not self.is_let_go and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, _NAP_S))
        if self.is_let_go:
            raise LetGoError

    @property
    def is_pulled(self) -> bool:
        return self._pulled.is_set()

    @contextmanager
    def stops(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` when it is pulled or let go before the end of the block, or was before it."""
        with self._lock:
            self._stop = stop
            if self._pulled.is_set():
                stop()
        try:
            yield
        finally:
            with self._lock:
                self._stop = None

    def _do(self, why: Why | None) -> None:
        with self._lock:
            self.why = self.why or why
            self._pulled.set()
            if self._stop is not None:
                self._stop()


class Work(Protocol):
    """What is done for one order. `do` returns how it ended, and then nothing of it goes on; or LetGoError."""

    def do(self, leash: Leash, tell: Tell) -> Report: ...


class Works(Protocol):
    """Makes the work of an order; `forget` drops what is kept of one that nobody asks for any more."""

    def of(self, order: Order, *, resume: bool) -> Work: ...

    def forget(self, order: Order) -> None: ...


class Workers:
    """All work under way, each in its own thread. `ended` is told how each ended."""

    def __init__(self, works: Works, tell: Tell, ended: Tell) -> None:
        self._works = works
        self._tell = tell
        self._ended = ended
        self._leashes: dict[TaskKey, tuple[Leash, threading.Thread]] = {}

    def start(self, order: Order, *, resume: bool, why: Why | None = None) -> None:
        """With `why` it shall end at once."""
        leash = Leash()
        if why is not None:
            leash.pull(why)
        name = f"forebay-{order.kind}-{order.task_id[-12:]}"
        thread = threading.Thread(target=self._run, args=(order, leash, resume), name=name, daemon=True)
        self._leashes[_key(order)] = leash, thread
        thread.start()

    def stop(self, order: Order, why: Why) -> None:
        """What an earlier agent had begun has no thread here yet, and gets one that ends it."""
        found = self._leashes.get(_key(order))
        if found is None:
            self.start(order, resume=True, why=why)
        else:
            found[0].pull(why)

    def let_go(self, key: TaskKey) -> None:
        if key in self._leashes:
            self._leashes[key][0].let_go()

    def forget(self, order: Order) -> None:
        """In the background: files may be many, and an engine slow."""
        self._leashes.pop(_key(order), None)
        threading.Thread(target=self._forget, args=(order,), name="forebay-forget", daemon=True).start()

    def join(self, seconds: float) -> None:
        """Give those that were let go some time to end in good order."""
        for _, thread in list(self._leashes.values()):
            thread.join(seconds)

    def _run(self, order: Order, leash: Leash, resume: bool) -> None:
        if leash.why is not None and order.run is None:
            # Nothing of it outlived its agent.
            self._ended(cancelled(order, leash.why))
            return
        try:
            report = self._works.of(order, resume=resume).do(leash, self._tell)
        except LetGoError:
            return
        except ForebayError as error:
            if leash.is_let_go:
                return
            report = failed(order, error) if leash.why is None else cancelled(order, leash.why)
        except Exception as error:  # noqa: BLE001 one task's bug is told as its end, and ends no other
            _log.warning("task-broke", task=order.task_id, error=f"{type(error).__name__}: {error}")
            report = failed(order, InternalError("unexpected", f"{type(error).__name__}: {error}"))
        self._ended(report)

    def _forget(self, order: Order) -> None:
        try:
            self._works.forget(order)
        except ForebayError as error:
            _log.warning("forget-failed", task=order.task_id, kind=error.kind)


def report(order: Order, state: TaskState, detail: str = "") -> Report:
    """How an attempt is."""
    return Report(task_id=order.task_id, token=order.token, state=state, detail=detail)


def cancelled(order: Order, why: Why) -> Report:
    """It ended since it was told to."""
    return report(order, TaskState.CANCELLED, order.reason if why is Why.ASKED and order.stop else why)


def failed(order: Order, error: ForebayError) -> Report:
    """A line for each object that failed. Another try can't help where what was asked for is wrong itself."""
    return Report(
        task_id=order.task_id,
        token=order.token,
        state=TaskState.FAILED,
        detail="\n".join((error.message, *error.besides)),
        kind=error.kind,
        todo=error.todo,
        retryable=not isinstance(error, InputError),
    )


def _key(order: Order) -> TaskKey:
    return TaskKey(task_id=order.task_id, token=order.token)
