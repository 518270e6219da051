"""The life of one run, as a pure state machine: what happened goes in, the run as it is then comes out.

Invariants: an attempt begins only when the one before has ended; one whose agent fell silent ends when its hold has run
out and a margin has passed; tokens grow, and a report with another one than the newest attempt's changes nothing; a
final state stays; every other one says why it is so and what ends it. The same event twice does what it does once.
Of an attempt that was given up one report still counts, until another one begins: that it had ended well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from forebay.runs.events import AgentLeft as AgentLeft
from forebay.runs.events import CancelAsked as CancelAsked
from forebay.runs.events import DataFailed as DataFailed
from forebay.runs.events import Event as Event
from forebay.runs.events import Heard as Heard
from forebay.runs.events import Ordered as Ordered
from forebay.runs.events import Placed as Placed
from forebay.runs.events import Reported as Reported
from forebay.runs.events import Resumed as Resumed
from forebay.runs.events import RetryAsked as RetryAsked
from forebay.runs.events import RightLost as RightLost
from forebay.runs.events import StopAsked as StopAsked
from forebay.runs.events import TimePassed as TimePassed
from forebay.runs.events import Waited as Waited
from forebay.sites import due
from forebay.sites.state import SiteTerms
from forebay.wire.runs import Attempt, Ending, NewRun, Run, RunState
from forebay.wire.sites import Report, TaskState

LOSSES = 5
"""So many attempts may be lost or given back; with one more the run fails."""

LOSS_BACKOFF_S = 5.0
"""Before the attempt after the first loss; twice as long after each further one."""

LONGEST_BACKOFF_S = 3600.0

_WORD_BEATS = 2
"""So many beats an agent that comes back has to say how an attempt ended that was given up."""

HOLD_LOST = "hold-lost"
"""The kind of an agent's report on an attempt that it ended itself since it heard nothing from the hub."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Which agent (by its token) has the attempt that is under way, and until when it may go on unheard."""

    agent_token: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A run and what only the hub needs of it. `hold` is None while no attempt is under way.

    The first `forgiven` attempts count no more: somebody has asked for a retry since. `stopping` says why the attempt
    has been told to end, though the run is still wanted.
    """

    run: Run
    hold: Hold | None = None
    forgiven: int = 0
    stopping: str = ""

    @property
    def newest(self) -> Attempt | None:
        """The last attempt that began, if any did."""
        return self.run.attempts[-1] if self.run.attempts else None

    @property
    def under_way(self) -> Attempt | None:
        """The attempt that has not ended; only the newest can be one."""
        return self.newest if self.newest is not None and self.newest.ending is None else None

    @property
    def is_waiting(self) -> bool:
        """Whether it may be placed, filled for and started."""
        return self.run.state in (RunState.QUEUED, RunState.FILLING)


def is_due(run: Run, now: float) -> bool:
    """Whether the time of its next try has come."""
    return due.is_due(run.next_try_at, run.since, now, LONGEST_BACKOFF_S)


def begin(run_id: str, new: NewRun, now: float) -> Course:
    """A run that was just submitted."""
    run = Run(
        run_id=run_id,
        new=new,
        state=RunState.QUEUED,
        reason="it was just submitted",
        since=now,
        submitted_at=now,
        submitted_by=new.submitted_by,
        revision=1,
        unblock="the hub places it in a moment",
    )
    return Course(run=run)


def step(course: Course, event: Event, now: float, terms: SiteTerms) -> Course:
    """The one transition function; the very same course where nothing changes. A change makes a new revision."""
    after = _stepped(course, event, now, terms)
    if after.run == course.run:
        return course if after == course else after
    return replace(after, run=replace(after.run, revision=course.run.revision + 1))


def _stepped(course: Course, event: Event, now: float, terms: SiteTerms) -> Course:
    if isinstance(event, RetryAsked):
        return _retried(course, now)
    if course.run.state.is_final:
        return course
    match event:
        case CancelAsked():
            return _cancelled(course, event, now)
        case Placed() | Waited() | Ordered() | DataFailed() | RightLost():
            return _while_waiting(course, event, now, terms)
        case _:
            return _while_under_way(course, event, now, terms)


def _while_waiting(
    course: Course, event: Placed | Waited | Ordered | DataFailed | RightLost, now: float, terms: SiteTerms
) -> Course:
    if not course.is_waiting:
        return course
    if is_due(course.run, now):
        course = replace(course, run=replace(course.run, next_try_at=0.0))
    match event:
        case Placed():
            placed = _with(course, now, site=event.site)
            return replace(placed, run=replace(placed.run, last_error=event.because or placed.run.last_error))
        case Waited():
            state = RunState.FILLING if event.filling else RunState.QUEUED
            return _with(course, now, state=state, reason=event.reason, unblock=event.unblock)
        case Ordered():
            return _ordered(course, event.agent_token, now, terms)
        case DataFailed():
            return _given_up(course, event.reason, event.unblock, now)
        case RightLost():
            return _given_up(course, event.reason, "An admin, or the dataset's owner, can give the right again.", now)


def _given_up(course: Course, reason: str, unblock: str, now: float) -> Course:
    done = _with(course, now, state=RunState.FAILED, reason=reason, unblock=unblock)
    return replace(done, run=replace(done.run, last_error=reason, next_try_at=0.0))


def _ordered(course: Course, agent_token: int, now: float, terms: SiteTerms) -> Course:
    run = course.run
    if not run.site or not is_due(run, now):
        return course
    last = run.attempts[-1] if run.attempts else None
    attempt = Attempt(
        number=last.number + 1 if last else 1, token=last.token + 1 if last else 1, site=run.site, ordered_at=now
    )
    begun = _with(
        course,
        now,
        state=RunState.STARTING,
        reason=f"{run.site} has been told to start it",
        unblock=f"the agent of {run.site} starts it",
    )
    return replace(
        begun,
        run=replace(begun.run, attempts=(*run.attempts, attempt), next_try_at=0.0),
        hold=Hold(agent_token=agent_token, until=now + terms.hold_s),
    )


def _while_under_way(course: Course, event: Event, now: float, terms: SiteTerms) -> Course:
    attempt, hold = course.under_way, course.hold
    if attempt is None or hold is None:
        return _after_loss(course, event, now, terms)
    match event:
        case Heard() if event.agent_token == hold.agent_token:
            return replace(course, hold=replace(hold, until=now + terms.hold_s))
        case Resumed() if event.token == attempt.token:
            return replace(course, hold=Hold(agent_token=event.agent_token, until=now + terms.hold_s))
        case AgentLeft() if event.agent_token == hold.agent_token:
            return _lost(course, attempt, f"the agent of {attempt.site} ended", now)
        case TimePassed() if now >= hold.until + terms.margin_s:
            return _lost(course, attempt, f"nothing was heard from the agent of {attempt.site}", now)
        case TimePassed() if hold.until > now + terms.hold_s + terms.margin_s:
            # The clock was set back, more than those of two hubs differ: what it said then means nothing now.
            return replace(course, hold=replace(hold, until=now + terms.hold_s))
        case StopAsked() if not course.run.cancelled_by and not course.stopping:
            stopped = _with(course, now, reason=f"it is told to end: {event.reason}", unblock="it ends")
            return replace(stopped, stopping=event.reason)
        case Reported() if event.report.token == attempt.token:
            return _reported(course, attempt, event.report, now)
        case _:
            return course


def _reported(course: Course, attempt: Attempt, report: Report, now: float) -> Course:
    match report.state:
        case TaskState.WAITING | TaskState.ORDERED:
            return _told(course, course.run.state, report.detail, now)
        case TaskState.UNDER_WAY:
            return _running(course, attempt, report, now)
        case TaskState.DONE:
            ended = _ended(course, attempt, Ending.SUCCEEDED, report.detail, now, report.exit_code)
            done = _with(ended, now, state=RunState.SUCCEEDED, reason=report.detail or "it ended well", unblock="")
            return replace(done, run=replace(done.run, made=report.made))
        case TaskState.CANCELLED:
            if course.run.cancelled_by:
                ended = _ended(course, attempt, Ending.CANCELLED, report.detail, now, report.exit_code)
                return _finally_cancelled(ended, now)
            why = course.stopping or report.detail or f"the agent of {attempt.site} gave it back"
            return _again(course, attempt, Ending.CANCELLED, why, now, report.exit_code)
        case TaskState.FAILED if report.kind == HOLD_LOST:
            return _lost(course, attempt, report.detail or "its agent had to end it", now)
        case TaskState.FAILED:
            return _failed(course, attempt, report, now)


def _after_loss(course: Course, event: Event, now: float, terms: SiteTerms) -> Course:
    """What an attempt that was given up still has to say: that it had ended well, and nothing else.

    An agent that comes back with it is given a moment to say that, in which no other attempt begins.
    """
    last = course.newest
    if last is None or last.ending is not Ending.LOST or not course.is_waiting:
        return course
    match event:
        case Reported(report=report) if report.token == last.token and report.state is TaskState.DONE:
            done = _reported(course, last, report, now)
            return replace(done, run=replace(done.run, site=last.site, next_try_at=0.0, last_error=""))
        case Resumed() if event.token == last.token:
            told = f"the agent of {last.site} is back, and says in a moment how attempt {last.number} ended"
            waits = _with(course, now, reason=told, unblock="it says so, or the time of its next try comes")
            until = now + _WORD_BEATS * terms.beat_s
            if until <= course.run.next_try_at:
                return waits
            # It waits anew from now: so a clock that is set back later is seen (`is_due`).
            return replace(waits, run=replace(waits.run, next_try_at=until, since=now))
        case _:
            return course


def _told(course: Course, state: RunState, detail: str, now: float) -> Course:
    """What an agent says of a run that shall go on; who is told to end keeps that reason."""
    keeps = course.run.cancelled_by or course.stopping or not detail
    return _with(course, now, state=state, reason=course.run.reason if keeps else detail)


def _running(course: Course, attempt: Attempt, report: Report, now: float) -> Course:
    if course.run.state is RunState.RUNNING:
        return _told(course, RunState.RUNNING, report.detail, now)
    begun = _told(course, RunState.RUNNING, report.detail or f"its command runs at {attempt.site}", now)
    run = replace(begun.run, attempts=_replaced(begun.run, replace(attempt, started_at=now)))
    if not course.run.cancelled_by and not course.stopping:
        run = replace(run, unblock="its command ends")
    return replace(begun, run=run)


def _failed(course: Course, attempt: Attempt, report: Report, now: float) -> Course:
    why = report.detail or "its command failed"
    if report.exit_code is not None and str(report.exit_code) not in why:
        why = f"{why} (exit code {report.exit_code})"
    ended = _ended(course, attempt, Ending.FAILED, why, now, report.exit_code)
    ended = replace(ended, run=replace(ended.run, last_error=why))
    if course.run.cancelled_by:
        return _finally_cancelled(ended, now)
    retry, failures = course.run.new.retry, _count(ended, Ending.FAILED)
    if not report.retryable or failures >= retry.attempts:
        return _with(ended, now, state=RunState.FAILED, reason=why, unblock=report.todo)
    delay_s = _delay_s(retry.backoff_s, failures)
    return _queued(ended, f"attempt {attempt.number} failed: {why}", delay_s, now)


def _lost(course: Course, attempt: Attempt, why: str, now: float) -> Course:
    return _again(course, attempt, Ending.LOST, why, now)


def _again(
    course: Course, attempt: Attempt, ending: Ending, why: str, now: float, exit_code: int | None = None
) -> Course:
    """An attempt that ended for no fault of the run's."""
    ended = _ended(course, attempt, ending, why, now, exit_code)
    if course.run.cancelled_by:
        return _finally_cancelled(ended, now)
    ended = replace(ended, run=replace(ended.run, last_error=why))
    losses = _count(ended, Ending.LOST) + _count(ended, Ending.CANCELLED)
    if losses > LOSSES:
        reason = f"{losses} attempts were lost, the last one since {why}"
        return _with(ended, now, state=RunState.FAILED, reason=reason, unblock="Look at the sites: forebay sites ls")
    return _queued(ended, f"attempt {attempt.number} was lost: {why}", _delay_s(LOSS_BACKOFF_S, losses), now)


def _queued(course: Course, reason: str, delay_s: float, now: float) -> Course:
    unblock = "the time of its next try comes" if delay_s else "the hub places it in a moment"
    queued = _with(course, now, state=RunState.QUEUED, reason=reason, unblock=unblock)
    return replace(queued, run=replace(queued.run, next_try_at=now + delay_s))


def _ended(
    course: Course, attempt: Attempt, ending: Ending, reason: str, now: float, exit_code: int | None = None
) -> Course:
    done = replace(attempt, ended_at=now, ending=ending, exit_code=exit_code, reason=reason)
    return replace(course, run=replace(course.run, attempts=_replaced(course.run, done)), hold=None, stopping="")


def _cancelled(course: Course, event: CancelAsked, now: float) -> Course:
    if course.run.cancelled_by:
        return course
    by = event.by or "somebody"
    why = f"cancelled by {by}" + (f": {event.reason}" if event.reason else "")
    marked = replace(course, run=replace(course.run, cancelled_by=by, reason=why))
    if course.under_way is None:
        return _with(marked, now, state=RunState.CANCELLED, unblock="")
    return _with(marked, now, unblock=f"the agent of {course.under_way.site} ends it, or its hold runs out")


def _finally_cancelled(course: Course, now: float) -> Course:
    return _with(course, now, state=RunState.CANCELLED, unblock="")


def _retried(course: Course, now: float) -> Course:
    if course.run.state not in (RunState.FAILED, RunState.CANCELLED):
        return course
    queued = _queued(course, "somebody asked for a retry", 0.0, now)
    run = replace(queued.run, cancelled_by="", last_error="", site="")
    return replace(queued, run=run, forgiven=len(run.attempts))


def _with(
    course: Course,
    now: float,
    *,
    state: RunState | None = None,
    reason: str | None = None,
    unblock: str | None = None,
    site: str | None = None,
) -> Course:
    """`since` moves when the state changes; besides, only when a wait for a next try begins anew."""
    run = course.run
    state = run.state if state is None else state
    return replace(
        course,
        run=replace(
            run,
            state=state,
            since=run.since if state is run.state else now,
            reason=run.reason if reason is None else reason,
            unblock=run.unblock if unblock is None else unblock,
            site=run.site if site is None else site,
        ),
    )


def _replaced(run: Run, attempt: Attempt) -> tuple[Attempt, ...]:
    return (*run.attempts[:-1], attempt)


def _count(course: Course, ending: Ending) -> int:
    return sum(attempt.ending is ending for attempt in course.run.attempts[course.forgiven :])


def _delay_s(first_s: float, times: int) -> float:
    """Twice as long each further time, bounded."""
    return float(min(LONGEST_BACKOFF_S, first_s * 2 ** min(times - 1, 30)))
