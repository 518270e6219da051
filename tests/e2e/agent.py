"""An agent of a site, as short as can be: it fills for real, and starts commands as plain children of the test."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock

from forebay.client.session import Session
from forebay.errors import ForebayError
from forebay.wire.runs import RunOrder
from forebay.wire.sites import Attached, Hello, Order, Report, TaskKey, TaskKind, TaskState

_WAIT_S = 0.5


class ScriptedAgent:
    """Takes a site over and does what it is ordered, one task a thread, until it is told to stop."""

    def __init__(self, session: Session, hello: Hello) -> None:
        self._session = session
        self._hub = session.hub
        self._site = hello.site
        self._attached: Attached = self._hub.sites.attach(hello)
        self._begun: set[TaskKey] = set()
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._tasks: list[threading.Thread] = []
        self._stopped = threading.Event()
        self.failures: list[BaseException] = []

    def work(self) -> None:
        """Until `stop`."""
        revision = -1
        while not self._stopped.is_set():
            orders = self._hub.sites.orders(self._site, self._attached.agent_token, max(0, revision), _WAIT_S)
            revision = orders.revision
            self._tell()
            for order in orders.orders:
                key = TaskKey(task_id=order.task_id, token=order.token)
                if order.stop and order.task_id in self._running:
                    self._running[order.task_id].kill()
                elif order.stop:
                    self._tell(self._report(order, TaskState.CANCELLED))
                elif key not in self._begun:
                    self._begun.add(key)
                    task = threading.Thread(target=self._try, args=(order,))
                    self._tasks.append(task)
                    task.start()

    def stop(self) -> None:
        """Take no more orders."""
        self._stopped.set()

    def end(self) -> None:
        """End what is under way, once it takes no more orders."""
        for child in list(self._running.values()):
            child.kill()
        for task in self._tasks:
            task.join()

    def _try(self, order: Order) -> None:
        try:
            self._tell(self._report(order, TaskState.UNDER_WAY))
            self._tell(self._run(order) if order.kind is TaskKind.RUN else self._fill(order))
        except ForebayError as error:
            self._tell(self._report(order, TaskState.FAILED, detail=error.message, retryable=False))
        except BaseException as error:
            self.failures.append(error)
            raise

    def _fill(self, order: Order) -> Report:
        assert order.kind is TaskKind.FILL
        self._session.warm(self._hub.catalog.resolve(order.ref), "agent")
        return self._report(order, TaskState.DONE)

    def _run(self, order: Order) -> Report:
        run = order.run
        assert run is not None
        child = subprocess.Popen(
            self._command(run), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._variables(run)
        )
        self._running[order.task_id] = child
        self._copy_log(run, order.token, child)
        code = child.wait()
        assert child.stdout is not None
        child.stdout.close()
        del self._running[order.task_id]
        if code < 0:
            return self._report(order, TaskState.CANCELLED, exit_code=128 - code)
        state = TaskState.FAILED if code else TaskState.DONE
        return self._report(order, state, detail=f"exit code {code}", exit_code=code)

    def _copy_log(self, run: RunOrder, token: int, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        offset = 0
        for line in child.stdout:
            offset = self._hub.runs.add_log(run.run_id, run.attempt, token, offset, line)

    def _command(self, run: RunOrder) -> list[str]:
        cache, words = self._session.cache, list(run.new.command)
        for use in run.new.data:
            path = cache.path(self._hub.catalog.resolve(use.ref))
            words = [word.replace(f"{{{use.name}}}", str(path)) for word in words]
        return words

    def _variables(self, run: RunOrder) -> Mapping[str, str]:
        return {**os.environ, **{item.name: item.value for item in run.new.variables}}

    def _report(
        self, order: Order, state: TaskState, *, detail: str = "", exit_code: int | None = None, retryable: bool = True
    ) -> Report:
        return Report(
            task_id=order.task_id,
            token=order.token,
            state=state,
            detail=detail,
            exit_code=exit_code,
            retryable=retryable,
        )

    def _tell(self, *reports: Report) -> None:
        self._hub.sites.beat(self._site, self._attached.agent_token, reports)


@contextmanager
def site_at(environment: Mapping[str, str], **hello: object) -> Iterator[ScriptedAgent]:
    """A site whose agent has this environment: a hub, a token for the site, and a home with its volume."""
    with mock.patch.dict(os.environ, environment, clear=True):
        session = Session.start()
    with session:
        made = Hello(volume_id=session.cache.volume_id, **hello)  # type: ignore[arg-type]
        agent = ScriptedAgent(session, made)
        worker = threading.Thread(target=agent.work)
        worker.start()
        try:
            yield agent
        finally:
            agent.stop()
            worker.join()
            agent.end()
        assert not agent.failures
