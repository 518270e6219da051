"""Carries out what the agent's machine decides: one thread takes events one by one; what may wait, waits in others.

The hub is asked in a thread for each question, so that a slow answer delays nothing; tasks have their own (work.py).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace

from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError, UnavailableError
from forebay.log import get_logger
from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.journal import Journal, Note
from forebay.sites.agent.looking import Looker
from forebay.sites.agent.machine import PROTOCOL, step
from forebay.sites.agent.state import Agent, Limits, recovered
from forebay.sites.agent.watched import Watched, watch
from forebay.sites.agent.work import Workers, Works, failed
from forebay.wire.sites import Hello, Order, Sites, SiteState, TaskKey

_log = get_logger("agent")

_TICK_S = 0.25
_JOIN_S = 5.0


class AgentLoop:
    """One agent's life. `since_boot` is a clock that goes on while the machine sleeps and that nobody sets."""

    def __init__(
        self,
        sites: Sites,
        hello: Hello,
        journal: Journal,
        works: Works,
        *,
        since_boot: Callable[[], float],
        renew: Callable[[float, float], object],
        limits: Limits | None = None,
        looker: Looker | None = None,
    ) -> None:
        """`renew` is told until when runs may go on, and how long each then has to end; a `looker` makes previews."""
        self._sites = sites
        self._hello = replace(hello, protocol=PROTOCOL)
        self._journal = journal
        self._since_boot = since_boot
        self._renew = renew
        self._looker = looker
        self._events: queue.SimpleQueue[seen.Event] = queue.SimpleQueue()
        self._workers = Workers(
            works,
            lambda report: self.tell(seen.TaskProgressed(report=report)),
            lambda report: self.tell(seen.TaskEnded(report=report)),
        )
        self._agent = recovered(journal.held(), limits or Limits())
        self._seen = (self._agent, Watched())
        self._attach_error: ForebayError | None = None
        self._end: do.End | None = None
        self._unnoted: list[Order] = []
        self._left_with = 0

    def tell(self, event: seen.Event) -> None:
        """From any thread, and from a signal's handler."""
        self._events.put(event)

    def standing(self) -> tuple[Agent, Watched, float]:
        """What it knows, what it has seen, and the moment on its clock. From any thread."""
        return *self._seen, self._since_boot()

    def run(self) -> None:
        """Until it has ended. ConflictError `fenced`, `protocol`; or why the hub would not have this agent."""
        self._take(seen.TimePassed())
        while self._end is None:
            try:
                event: seen.Event = self._events.get(timeout=_TICK_S)
            except queue.Empty:
                event = seen.TimePassed()
            self._take(event)
        self._workers.join(_JOIN_S)
        self._raise_end(self._end.kind)

    def _take(self, event: seen.Event) -> None:
        before, (_, watched) = self._agent, self._seen
        self._agent, effects = step(before, event, self._since_boot())
        self._seen = (self._agent, watch(watched, before, event, self._agent))
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.NoteTask():
                self._note(effect)
            case do.StartTask() if effect.order in self._unnoted:
                self._unnoted.remove(effect.order)
                error = UnavailableError("journal", "the agent can't write to its own folder: nothing is begun")
                self.tell(seen.TaskEnded(report=failed(effect.order, error)))
            case do.StartTask():
                _log.info("task-began", task=effect.order.task_id, kind=effect.order.kind, resumed=effect.resume)
                self._workers.start(effect.order, resume=effect.resume)
            case do.StopTask():
                _log.info("task-stopped", task=effect.order.task_id, why=effect.why)
                self._workers.stop(effect.order, effect.why)
            case do.LetGo():
                self._workers.let_go(effect.key)
            case do.ForgetTask():
                self._journal.forget(effect.order)
                self._workers.forget(effect.order)
            case do.StartLook() if self._looker is not None:
                self._looker.start(effect, self.tell)
            case do.StartLook(order=look):
                self.tell(seen.LookEnded(preview_id=look.preview_id, token=look.token))
            case do.RenewHold():
                self._renew(effect.until, effect.grace_s)
            case do.End():
                self._end = effect
            case _:
                self._ask(effect)

    def _note(self, effect: do.NoteTask) -> None:
        """What can't be remembered is not begun; an end that can't be is told all the same."""
        try:
            self._journal.note(Note(order=effect.order, report=effect.report))
        except OSError as error:
            _log.warning("note-failed", task=effect.order.task_id, error=error.strerror)
            if effect.report is None:
                self._unnoted.append(effect.order)

    def _ask(self, effect: do.Attach | do.SendBeat | do.AskOrders | do.Leave) -> None:
        name = f"forebay-{type(effect).__name__.lower()}"
        threading.Thread(target=lambda: self.tell(self._answer(effect)), name=name, daemon=True).start()

    def _answer(self, effect: do.Attach | do.SendBeat | do.AskOrders | do.Leave) -> seen.Event:
        match effect:
            case do.Attach():
                return self._attach(effect)
            case do.SendBeat():
                return self._beat(effect)
            case do.AskOrders():
                return self._orders(effect)
            case do.Leave():
                return self._leave(effect)

    def _attach(self, effect: do.Attach) -> seen.Event:
        try:
            attached = self._sites.attach(replace(self._hello, resumes=effect.resumes))
        except ForebayError as error:
            self._attach_error = error
            is_final = isinstance(error, InputError | ConflictError | NotAllowedError)
            _log.warning("attach-failed", kind=error.kind, error=error.message)
            return seen.AttachFailed(kind=error.kind, is_final=is_final)
        _log.info("attached", site=self._hello.site, agent=attached.agent_token, resumes=len(effect.resumes))
        return seen.Attached(sent_at=effect.sent_at, terms=attached)

    def _beat(self, effect: do.SendBeat) -> seen.Event:
        token = effect.agent_token
        final = (report for report in effect.reports if report.state.is_final)
        told = tuple(TaskKey(task_id=report.task_id, token=report.token) for report in final)
        try:
            beaten = self._sites.beat(self._hello.site, token, effect.reports)
        except (ConflictError, NotFoundError) as error:
            return self._refused(token, error) or seen.BeatFailed(agent_token=token)
        except ForebayError as error:
            _log.warning("beat-failed", kind=error.kind, error=error.message)
            return seen.BeatFailed(agent_token=token)
        return seen.BeatAnswered(agent_token=token, sent_at=effect.sent_at, told=told, beaten=beaten)

    def _orders(self, effect: do.AskOrders) -> seen.Event:
        token = effect.agent_token
        try:
            orders = self._sites.orders(self._hello.site, token, effect.after, effect.wait_s)
        except (ConflictError, NotFoundError) as error:
            return self._refused(token, error) or seen.OrdersFailed(agent_token=token)
        except ForebayError as error:
            _log.warning("orders-failed", kind=error.kind, error=error.message)
            return seen.OrdersFailed(agent_token=token)
        return seen.OrdersCame(agent_token=token, orders=orders)

    def _leave(self, effect: do.Leave) -> seen.Event:
        self._left_with = effect.agent_token
        try:
            self._sites.leave(self._hello.site, effect.agent_token)
        except ForebayError as error:
            _log.warning("leave-failed", kind=error.kind, error=error.message)
        return seen.Left(agent_token=effect.agent_token)

    def _refused(self, token: int, error: ForebayError) -> seen.Event | None:
        """Whether another agent has the site, or the hub only gave this one up; None when that can't be told now."""
        if isinstance(error, ConflictError) and error.kind != "fenced":
            return None
        try:
            record = self._sites.get(self._hello.site)
        except NotFoundError:
            return seen.HubRefused(agent_token=token, is_fenced=False)
        except ForebayError:
            return None
        # Giving an agent up takes one token, and another agent that attaches since takes one more.
        given_up = record.state is SiteState.DOWN and record.agent_token <= token + 1
        # A question that was under way when it left is refused, and that is nothing to tell.
        if token != self._left_with:
            _log.warning("refused", error=error.message, agent=token, now=record.agent_token, state=record.state)
        return seen.HubRefused(agent_token=token, is_fenced=not given_up)

    def _raise_end(self, kind: str) -> None:
        match kind:
            case "":
                return
            case "fenced":
                raise ConflictError(
                    "fenced",
                    f"Another agent has taken the site {self._hello.site} over; what was under way here was ended.",
                    todo="One site has one agent: leave the other one, or give this one a site of its own.",
                )
            case "protocol":
                raise ConflictError(
                    "protocol",
                    f"The hub speaks another protocol than this agent, which speaks {PROTOCOL}.",
                    todo="Bring both to about the same release: forebay version",
                )
            case _:
                assert self._attach_error is not None
                raise self._attach_error
