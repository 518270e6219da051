"""What an agent does next, as a pure state machine: what it knows and an event in, what it knows then and effects out.

Invariants: ONCE (no two attempts at one thing at a time, none begun twice), HELD (no run goes on here once the hold is
over), TOLD (an end is told until the hub has heard it), APART (no task waits for another one, but for its turn).
"""

from __future__ import annotations

import math
from dataclasses import replace

from forebay.sites.agent import effects as do
from forebay.sites.agent import events as seen
from forebay.sites.agent.effects import Effect, Why
from forebay.sites.agent.events import Event
from forebay.sites.agent.state import Agent, Held, Mood, Phase, grace_s
from forebay.sites.agent.told import URGENT, reports, resumes, waits_for
from forebay.wire.sites import Order, Report, TaskKey, TaskKind, TaskState

PROTOCOL, OLDEST_PROTOCOL = 1, 1

HOLD_LOST = "hold-lost"
"""The kind of a report that is no failure of the run's: its time here was over before it was."""


def step(agent: Agent, event: Event, now: float) -> tuple[Agent, tuple[Effect, ...]]:
    """The one transition function. What is late or doubled changes nothing."""
    if agent.has_ended:
        return agent, ()
    turn = _Turn(agent, now)
    # Before a word of the hub's can make the hold longer: what it gave away meanwhile must not go on.
    turn.end_runs_out_of_hold()
    turn.take(event)
    turn.settle()
    return turn.agent, tuple(turn.effects)


class _Turn:
    """One step under way."""

    def __init__(self, agent: Agent, now: float) -> None:
        self.agent = agent
        self.now = now
        self.effects: list[Effect] = []

    def take(self, event: Event) -> None:
        match event:
            case seen.Attached():
                self._attached(event)
            case seen.AttachFailed():
                self._attach_failed(event)
            case seen.TaskProgressed(report=report):
                self._progressed(report)
            case seen.TaskEnded(report=report):
                self._ended(report)
            case seen.LookEnded(preview_id=preview_id, token=token):
                self._now_is(looks=self.agent.looks.ended_with((preview_id, token)))
            case seen.TimePassed():
                pass
            case seen.VolumeSeen(state=state, reason=reason):
                self._now_is(volume=state, volume_reason=reason)
            case seen.ToldToDrain() | seen.ToldToPause() | seen.ToldToStop():
                self._told_to_end(event)
            case _ if event.agent_token == self.agent.agent_token:
                self._heard_from_hub(event)
            case _:
                pass

    def settle(self) -> None:
        """What follows from how it is now, whatever has happened."""
        self.end_runs_out_of_hold()
        self._start_what_may()
        self._end_if_done()
        if not self.agent.has_ended:
            self._ask_what_is_due()

    # What the hub says.

    def _heard_from_hub(
        self,
        event: seen.OrdersCame | seen.OrdersFailed | seen.BeatAnswered | seen.BeatFailed | seen.HubRefused | seen.Left,
    ) -> None:
        agent, limits = self.agent, self.agent.limits
        match event:
            case seen.OrdersCame(orders=orders):
                self._now_is(asking=agent.asking.answered(self.now))
                if orders.revision > agent.revision:
                    self._now_is(revision=orders.revision, looks=agent.looks.ordered(orders.previews))
                    self._ordered(orders.orders)
            case seen.OrdersFailed():
                self._now_is(asking=agent.asking.failed(self.now, limits.retry_s, limits.retry_most_s))
            case seen.BeatAnswered():
                self._beat_answered(event)
            case seen.BeatFailed():
                self._now_is(beating=agent.beating.failed(self.now, limits.retry_s, agent.beat_s))
            case seen.HubRefused() if agent.is_leaving:
                self._end()
            case seen.HubRefused(is_fenced=True):
                self._fenced()
            case seen.HubRefused():
                self._now_is(agent_token=0, attaching=agent.attaching.answered(self.now))
            case seen.Left():
                self._end()

    def _attached(self, event: seen.Attached) -> None:
        agent, terms = self.agent, event.terms
        if agent.mood is Mood.FENCED or terms.agent_token <= agent.agent_token:
            return
        if not OLDEST_PROTOCOL <= terms.protocol <= PROTOCOL:
            self._end("protocol")
            return
        self._now_is(
            agent_token=terms.agent_token,
            hold_s=terms.hold_s,
            beat_s=terms.beat_s,
            revision=0,
            attaching=agent.attaching.answered(math.inf),
            beating=agent.beating.answered(self.now),
            asking=agent.asking.answered(self.now),
        )
        # What an earlier life of this agent was told to begin, the hub may have given away since: its orders will say.
        for held in list(agent.held.values()):
            if held.phase is Phase.WAITING:
                self._put(replace(held, is_wanted=False))
        self._hold_from(event.sent_at)

    def _attach_failed(self, event: seen.AttachFailed) -> None:
        agent = self.agent
        if agent.agent_token:
            return
        if event.is_final:
            self._end(event.kind)
            return
        limits = agent.limits
        self._now_is(attaching=agent.attaching.failed(self.now, limits.retry_s, limits.retry_most_s))

    def _beat_answered(self, event: seen.BeatAnswered) -> None:
        agent, beaten = self.agent, event.beaten
        due_at = self.now if agent.news_at > event.sent_at else max(self.now, event.sent_at + agent.beat_s)
        self._now_is(beating=agent.beating.answered(due_at))
        if beaten.revision > agent.revision:
            self._now_is(asking=agent.asking.sooner(self.now, agent.limits.late_s))
        self._hold_from(event.sent_at)
        for key in beaten.heard:
            self._heard(key, beaten.revision)
        for key in event.told:
            self._was_told(key, beaten.revision)

    def _hold_from(self, sent_at: float) -> None:
        until = sent_at + self.agent.hold_s
        if until > self.agent.hold_until:
            self._now_is(hold_until=until)
            self.effects.append(do.RenewHold(until=self.agent.runs_until, grace_s=grace_s(self.agent.hold_s)))

    def _heard(self, key: TaskKey, revision: int) -> None:
        """It is remembered until orders without it come: late ones that still have it begin nothing."""
        held = self.agent.held.get(key)
        if held is not None and held.phase is Phase.ENDED:
            self._put(replace(held, phase=Phase.HEARD, heard_at=revision))
            self.effects.append(do.ForgetTask(order=held.order))

    def _was_told(self, key: TaskKey, revision: int) -> None:
        """The hub was told and has no use for it: it has given the task to somebody else since."""
        held = self.agent.held.get(key)
        if held is None or held.phase is not Phase.ENDED or held.is_wanted:
            return
        if revision <= self.agent.revision:
            self._drop(held)

    # Orders.

    def _ordered(self, orders: tuple[Order, ...]) -> None:
        wanted = {TaskKey(task_id=order.task_id, token=order.token) for order in orders}
        for held in list(self.agent.held.values()):
            if held.key not in wanted:
                self._not_wanted(held)
        for order in orders:
            self._wanted(order)

    def _not_wanted(self, held: Held) -> None:
        match held.phase:
            case Phase.WAITING if not held.begun:
                self._take_out(held)
            case Phase.WAITING | Phase.GOING | Phase.STOPPING:
                self._stop(replace(held, is_wanted=False), Why.GIVEN_AWAY)
            case Phase.ENDED:
                self._put(replace(held, is_wanted=False))
            case Phase.HEARD if self.agent.revision >= held.heard_at:
                self._take_out(held)
            case _:
                pass

    def _wanted(self, order: Order) -> None:
        key = TaskKey(task_id=order.task_id, token=order.token)
        held = self.agent.held.get(key)
        if held is None:
            self._adopt(order)
        elif held.phase is Phase.HEARD:
            # The hub has forgotten that it heard. Never begin it again; say again how it ended.
            if self.agent.revision > held.heard_at:
                self._put(replace(held, phase=Phase.ENDED, is_wanted=True))
                self._beat_soon()
        else:
            self._put(replace(held, is_wanted=True))
            if order.stop and held.is_live:
                self._stop(replace(held, is_wanted=True), Why.ASKED)
            elif order.stop and held.phase is Phase.WAITING:
                self._refuse(held, TaskState.CANCELLED, order.reason)

    def _adopt(self, order: Order) -> None:
        newest = max((key.token for key in self.agent.held if key.task_id == order.task_id), default=0)
        if order.token < newest:
            return
        held = Held(order=order)
        self._put(held)
        if order.stop:
            self._refuse(held, TaskState.CANCELLED, order.reason)
        elif order.kind is TaskKind.UNKNOWN or (held.is_run and order.run is None):
            self._refuse(
                held, TaskState.FAILED, "this agent does not know what that is", "unknown-task", "Update the agent."
            )

    def _refuse(self, held: Held, state: TaskState, detail: str, kind: str = "", todo: str = "") -> None:
        """It ends before it was begun."""
        report = Report(
            task_id=held.key.task_id,
            token=held.key.token,
            state=state,
            detail=detail,
            kind=kind,
            todo=todo,
            retryable=False,
        )
        self._put(replace(held, phase=Phase.ENDED, report=report))
        self._beat_soon()

    def _fenced(self) -> None:
        self._now_is(mood=Mood.FENCED)
        for held in list(self.agent.held.values()):
            if held.is_live:
                self._stop(replace(held, is_wanted=False), Why.FENCED)
            else:
                self._drop(held)

    # Tasks.

    def _progressed(self, report: Report) -> None:
        held = self._of(report)
        if held is not None and held.phase in (Phase.GOING, Phase.STOPPING) and not report.state.is_final:
            is_news = held.report is None or held.report.state is not report.state
            self._put(replace(held, report=report))
            if is_news:
                self._beat_soon()

    def _ended(self, report: Report) -> None:
        held = self._of(report)
        if held is None or held.phase not in (Phase.GOING, Phase.STOPPING):
            return
        was_cut_short = held.why in (Why.HOLD_RAN_OUT, Why.AGENT_ENDS) and report.state is not TaskState.DONE
        if not held.is_wanted or (was_cut_short and not held.is_run):
            self._drop(held)
            return
        if was_cut_short:
            report = replace(report, state=TaskState.FAILED, kind=HOLD_LOST, detail=str(held.why), retryable=True)
        self._put(replace(held, phase=Phase.ENDED, report=report))
        self.effects.append(do.NoteTask(order=held.order, report=report))
        self._beat_soon()

    def _stop(self, held: Held, why: Why) -> None:
        """Told once; a later reason only changes what becomes of it."""
        if held.phase is not Phase.STOPPING:
            self.effects.append(do.StopTask(order=held.order, why=why))
            held = replace(held, why=why)
        self._put(replace(held, phase=Phase.STOPPING, begun=True))

    def end_runs_out_of_hold(self) -> None:
        if self.now < self.agent.runs_until:
            return
        for held in list(self.agent.held.values()):
            if held.is_run and held.phase is Phase.GOING:
                self._stop(held, Why.HOLD_RAN_OUT)

    def _start_what_may(self) -> None:
        for held in list(self.agent.held.values()):
            if held.phase is Phase.WAITING and not waits_for(self.agent, held, self.now):
                self.effects.append(do.NoteTask(order=held.order))
                self.effects.append(do.StartTask(order=held.order, resume=held.begun))
                self._put(replace(held, phase=Phase.GOING, begun=True, report=None))
        if self.agent.mood is Mood.WORKING and self.agent.agent_token:
            looks, begun = self.agent.looks.begin()
            self._now_is(looks=looks)
            self.effects += [do.StartLook(agent_token=self.agent.agent_token, order=order) for order in begun]

    # The agent itself.

    def _told_to_end(self, event: seen.ToldToDrain | seen.ToldToPause | seen.ToldToStop) -> None:
        if self.agent.mood in URGENT:
            return
        match event:
            case seen.ToldToDrain():
                self._now_is(mood=Mood.DRAINING)
            case seen.ToldToStop():
                self._now_is(mood=Mood.STOPPING)
                for held in list(self.agent.held.values()):
                    if held.is_live:
                        self._stop(held, Why.AGENT_ENDS)
            case seen.ToldToPause():
                self._now_is(mood=Mood.PAUSED)
                for held in list(self.agent.held.values()):
                    if held.phase in (Phase.GOING, Phase.STOPPING):
                        self.effects.append(do.LetGo(key=held.key))
                        self._put(replace(held, phase=Phase.WAITING))

    def _end_if_done(self) -> None:
        agent = self.agent
        if agent.mood is Mood.WORKING:
            return
        held = agent.held.values()
        is_under_way = any(item.is_live for item in held)
        is_untold = any(item.phase is Phase.ENDED for item in held)
        match agent.mood:
            case Mood.FENCED if not is_under_way:
                self._end("fenced")
            case Mood.PAUSED if is_untold or any(item.is_live and item.is_run for item in held):
                self._end()
            case Mood.PAUSED:
                self._leave()
            case Mood.STOPPING | Mood.DRAINING if not is_under_way and not (is_untold and self._may_wait()):
                self._leave()
            case _:
                pass

    def _may_wait(self) -> bool:
        """Whether there is time for the last reports; the next agent has them too."""
        if math.isinf(self.agent.end_by):
            self._now_is(end_by=self.now + self.agent.limits.farewell_s)
        return self.now < self.agent.end_by

    def _leave(self) -> None:
        agent = self.agent
        if not agent.agent_token or any(item.phase is Phase.ENDED for item in agent.held.values()):
            self._end()
        elif not agent.is_leaving:
            self._now_is(is_leaving=True, end_by=self.now + agent.limits.farewell_s)
            self.effects.append(do.Leave(agent_token=agent.agent_token))
        elif self.now >= agent.end_by:
            self._end()

    def _end(self, kind: str = "") -> None:
        if not self.agent.has_ended:
            self._now_is(has_ended=True)
            self.effects.append(do.End(kind=kind))

    def _ask_what_is_due(self) -> None:
        agent, now, limits = self.agent, self.now, self.agent.limits
        if agent.mood is Mood.FENCED or agent.is_leaving:
            return
        if not agent.agent_token:
            if agent.attaching.is_due(now, limits.answer_s):
                self._now_is(attaching=agent.attaching.sent(now))
                self.effects.append(do.Attach(sent_at=now, resumes=resumes(agent)))
            return
        if agent.beating.is_due(now, max(agent.beat_s, agent.hold_s / 4)):
            self._now_is(beating=agent.beating.sent(now))
            beat = do.SendBeat(agent_token=agent.agent_token, sent_at=now, reports=reports(agent, now))
            self.effects.append(beat)
        if agent.asking.is_due(now, limits.orders_wait_s + limits.answer_s):
            self._now_is(asking=agent.asking.sent(now))
            ask = do.AskOrders(agent_token=agent.agent_token, after=agent.revision, wait_s=limits.orders_wait_s)
            self.effects.append(ask)

    # How the agent is changed.

    def _now_is(self, **changes: object) -> None:
        self.agent = replace(self.agent, **changes)  # type: ignore[arg-type]

    def _put(self, held: Held) -> None:
        self._now_is(held={**self.agent.held, held.key: held})

    def _take_out(self, held: Held) -> None:
        self._now_is(held={key: item for key, item in self.agent.held.items() if key != held.key})

    def _drop(self, held: Held) -> None:
        self._take_out(held)
        self.effects.append(do.ForgetTask(order=held.order))

    def _beat_soon(self) -> None:
        self._now_is(beating=self.agent.beating.soon(self.now), news_at=self.now)

    def _of(self, report: Report) -> Held | None:
        return self.agent.held.get(TaskKey(task_id=report.task_id, token=report.token))
