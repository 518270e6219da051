"""The life of one task of a site (a fill, an eviction, a scrub), as a pure state machine. Runs have one of their own.

Invariants: the token grows with each order, and a report with another one changes nothing; what fails is tried again,
each time later, until it is not wanted or can't work; `since` stays while it fails over and over; final states stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from forebay.sites.due import is_due
from forebay.wire.sites import Report, Task, TaskKind, TaskState

BACKOFF_S = 10.0
"""Before the try after the first failure; twice as long after each further one."""

LONGEST_BACKOFF_S = 600.0

NOT_HERE = frozenset({"lake-denied", "file-unreadable", "volume-read-only"})
"""Kinds of a fill's errors that only somebody at that site mends: what runs alone want is not tried there again."""


SAME_EVERYWHERE = frozenset({"object-vanished", "object-changed"})
"""Kinds that no other site could mend: what was registered is not in the lake any more."""


def fails_everywhere(kind: str, lake_url: str) -> bool:
    """Whether a fill that failed so would fail at any site. A lake of files is each site's own."""
    return kind in SAME_EVERYWHERE and not lake_url.startswith("file:")


_WAITS = "the site takes the order"
_UP_AGAIN = "the site comes up again"
_UNWANTED = "it is not wanted any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A task; `stopping` says why it has been told to end. `failures` counts since it was wanted."""

    task: Task
    stopping: str = ""
    failures: int = 0

    @property
    def is_ordered(self) -> bool:
        """Whether the agent has been told of it."""
        return self.task.state in (TaskState.ORDERED, TaskState.UNDER_WAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Somebody wants it, maybe again."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The site takes orders; when the time of the next try has come, it gets this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """The site takes orders, and not this one, since it drains: it waits with that reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentGone:
    """The agent that had it will say no more of it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An agent tells how it is. `doubt` says what speaks against a report that it is done."""

    report: Report
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Nobody wants it any more."""

    reason: str


Event = Wanted | Due | PutOff | AgentGone | Told | Withdrawn


def begin(task_id: str, site: str, kind: TaskKind, ref: str, *, by: str, reason: str, now: float) -> Errand:
    """A task that is wanted from now on."""
    task = Task(
        task_id=task_id,
        site=site,
        kind=kind,
        ref=ref,
        token=0,
        state=TaskState.WAITING,
        reason=reason,
        since=now,
        asked_by=by,
        unblock=_WAITS,
    )
    return Errand(task=task)


def step(errand: Errand, event: Event, now: float) -> Errand:
    """The one transition function; the very same errand where nothing changes."""
    task = errand.task
    if task.state.is_final:
        return errand
    match event:
        case Wanted():
            return _wanted(errand, event)
        case Due() if task.state is TaskState.WAITING and _is_due(task, now):
            return _ordered(errand, now)
        case PutOff() if task.state is TaskState.WAITING and task.reason != event.reason:
            return replace(errand, task=replace(task, reason=event.reason, unblock=_UP_AGAIN))
        case AgentGone() if errand.is_ordered:
            return _given_back(errand, event.reason, 0.0, now)
        case Withdrawn() if task.state is TaskState.WAITING:
            return _moved(errand, TaskState.CANCELLED, now, reason=event.reason or _UNWANTED, unblock="")
        case Withdrawn() if not errand.stopping:
            changed = replace(errand, stopping=event.reason or _UNWANTED)
            return replace(changed, task=replace(task, reason=f"it is told to end: {changed.stopping}"))
        case Told() if event.report.token == task.token and errand.is_ordered:
            return _told(errand, event, now)
        case _:
            return errand


def _is_due(task: Task, now: float) -> bool:
    return is_due(task.next_try_at, task.since, now, LONGEST_BACKOFF_S)


def _wanted(errand: Errand, event: Wanted) -> Errand:
    """What a person wants stays wanted, also when no rule does any more; and what a rule wants, when no run does."""
    by, rank = errand.task.asked_by, _rank(event.by)
    if event.by and (rank is _Rank.PERSON or rank > _rank(by)):
        by = event.by
    reason = (event.reason or "it is wanted after all") if errand.stopping else errand.task.reason
    return replace(errand, stopping="", task=replace(errand.task, asked_by=by, reason=reason))


RUNS = "run "
"""How `asked_by` begins where a run wants a task: "run 4f9c0a"."""

RULES = "rule "
"""The same where a rule does."""


class _Rank(IntEnum):
    """Whose wish outlives whose."""

    RUN = 1
    RULE = 2
    PERSON = 3


def _rank(by: str) -> _Rank:
    """A person need not have said who they are."""
    if by.startswith(RUNS):
        return _Rank.RUN
    return _Rank.RULE if by.startswith(RULES) else _Rank.PERSON


def _ordered(errand: Errand, now: float) -> Errand:
    task = errand.task
    again = f" once more, after: {first_line(task.last_error)}" if task.last_error else ""
    told = _moved(
        errand,
        TaskState.ORDERED,
        now,
        reason=f"{task.site} has been told{again}",
        unblock=f"the agent of {task.site} begins it",
    )
    changed = replace(told.task, token=task.token + 1, attempts=task.attempts + 1, next_try_at=0.0)
    return replace(told, task=replace(changed, done_bytes=0, total_bytes=0))


def _told(errand: Errand, event: Told, now: float) -> Errand:
    report = event.report
    match report.state:
        case TaskState.WAITING | TaskState.ORDERED:
            return errand
        case TaskState.UNDER_WAY:
            return _under_way(errand, report, now)
        case TaskState.DONE if event.doubt:
            return _failed(errand, event.doubt, now)
        case TaskState.DONE:
            done = _moved(errand, TaskState.DONE, now, reason=report.detail or "it is done", unblock="")
            size_bytes = report.total_bytes or report.done_bytes
            return replace(done, task=replace(done.task, done_bytes=size_bytes, total_bytes=size_bytes))
        case TaskState.CANCELLED if not errand.stopping:
            return _given_back(errand, report.detail or "its agent gave it back", BACKOFF_S, now)
        case TaskState.FAILED if not errand.stopping and report.retryable and not _is_refused(errand.task, report):
            return _failed(errand, report.detail, now)
        case TaskState.FAILED if not errand.stopping:
            failed = _moved(errand, TaskState.FAILED, now, reason=first_line(report.detail), unblock=report.todo)
            return replace(failed, task=replace(failed.task, last_error=report.detail))
        case _:
            return _moved(errand, TaskState.CANCELLED, now, reason=errand.stopping, unblock="")


TRIED_AGAIN = "the next try, if its cause is gone by then"

REMEMBERED_S = 3600.0
"""So long runs keep away from where a fill failed for good, if there is another site; from where it may work by itself
`_GIVEN_UP_S`."""

_GIVEN_UP_S = 600.0
_TOO_OFTEN = 2


class Failure(Enum):
    """What a fill that did not work means for runs. `SO_FAR`: it, or another try, may yet work."""

    SO_FAR = "so-far"
    FINAL = "final"


def failure(errand: Errand, now: float) -> Failure | None:
    """What the newest fill of a version at a site tells those who might want it there; None: nothing against it."""
    task = errand.task
    if task.state is TaskState.FAILED:
        return Failure.FINAL if now < task.since + REMEMBERED_S else None
    if errand.failures < _TOO_OFTEN or task.state is TaskState.DONE:
        return None
    return Failure.SO_FAR if not task.state.is_final or now < task.since + _GIVEN_UP_S else None


def _is_refused(task: Task, report: Report) -> bool:
    """Whether runs had better go elsewhere: what a person or a rule wants is tried until that is mended."""
    return report.kind in NOT_HERE and task.asked_by.startswith(RUNS)


def _under_way(errand: Errand, report: Report, now: float) -> Errand:
    reason = errand.task.reason if errand.stopping else report.detail or "it is under way"
    going = _moved(errand, TaskState.UNDER_WAY, now, reason=reason, unblock="it ends")
    task = replace(going.task, done_bytes=report.done_bytes, total_bytes=report.total_bytes)
    return replace(going, task=task)


def _failed(errand: Errand, why: str, now: float) -> Errand:
    failures = errand.failures + 1
    delay_s = min(LONGEST_BACKOFF_S, BACKOFF_S * 2 ** min(failures - 1, 30))
    why = why or "it failed, and its agent did not say why"
    failed = replace(errand, task=replace(errand.task, last_error=why), failures=failures)
    reason = f"it failed {'once' if failures == 1 else f'{failures} times'}: {first_line(why)}"
    waits = _moved(failed, TaskState.WAITING, now, reason=reason, unblock=TRIED_AGAIN)
    return replace(waits, task=replace(waits.task, next_try_at=now + delay_s))


def _given_back(errand: Errand, why: str, delay_s: float, now: float) -> Errand:
    if errand.stopping:
        return _moved(errand, TaskState.CANCELLED, now, reason=errand.stopping, unblock="")
    waits = _moved(errand, TaskState.WAITING, now, reason=why, unblock=_WAITS)
    return replace(waits, task=replace(waits.task, next_try_at=now + delay_s if delay_s else 0.0))


def first_line(text: str) -> str:
    """Of an error that has a line for each object."""
    return text.partition("\n")[0]


def _moved(errand: Errand, state: TaskState, now: float, *, reason: str, unblock: str) -> Errand:
    task = errand.task
    stays = state is task.state or (task.last_error and not state.is_final)
    since = task.since if stays else now
    changed = replace(task, state=state, reason=reason, unblock=unblock, since=since)
    return replace(errand, task=changed, stopping="" if state.is_final else errand.stopping)
