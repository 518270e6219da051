"""What hub and agents tell each other: sites, their states, and the tasks of a site.

Values only. The hub tells an agent, level by level, all that shall be under way at its site now (`Orders`); what is
lost, late, doubled or out of order on the way is mended by the next look. Every task has a fencing token, which grows
with each attempt, and an agent has one, which grows each time one attaches: reports with an older one are refused.

Holds: whoever hears from the agent of a site extends what is under way there until `hold_s` later. The agent counts
from the moment it *sent* the beat that was answered, so it has ended its runs before the hub places them elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from forebay.wire.previews import PreviewOrder
from forebay.wire.runs import RunOrder


class SiteState(StrEnum):
    """`up` takes runs; `degraded` only those whose data are all there; `draining` and `down` none."""

    UP = "up"
    DRAINING = "draining"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How a site's cache lets replicas go: idle ones after `stale_after_s` (None: never), none within `grace_s` of its
    coming; above the `high_mark`, a share of the volume's limit, until the `low_mark`.
    """

    stale_after_s: float | None
    grace_s: float
    high_mark: float
    low_mark: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What an agent tells of its site when it attaches.

    `labels` as in `gpu=2,gpu-type=a100` (sites.labels). `engine` starts its runs (`process`, `slurm`). `protocol` is
    the newest it speaks, `release` the forebay it is of. `resumes` are the tasks that it still has under way. Of
    `keeping` older agents tell nothing.
    """

    site: str
    volume_id: str
    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0
    labels: str = ""
    engine: str = "process"
    release: str = ""
    protocol: int = 1
    resumes: tuple[TaskKey, ...] = ()
    keeping: Keeping | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKey:
    """One attempt at a task."""

    task_id: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """`agent_token` goes with all that this agent says from now on; beats are due every `beat_s`.

    What of `Hello.resumes` is not in the next orders has been given to somebody else, and must end.
    """

    agent_token: int
    hold_s: float
    beat_s: float
    protocol: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """A site as the hub knows it, with the reason of its state, and since when.

    `wanted` is what somebody has set (`up`, `draining`, `down`), `state` what follows from it and from what is seen.
    Prices are in the team's currency. `seen_at` is when its agent was last heard of (0: never).
    """

    name: str
    volume_id: str
    state: SiteState
    reason: str
    since: float
    wanted: SiteState
    labels: str
    gpus: int
    cpus: int
    memory_bytes: int
    engine: str
    release: str
    agent_token: int
    seen_at: float
    gpu_hour_price: float = 0.0
    cpu_hour_price: float = 0.0


class TaskKind(StrEnum):
    """What an agent does. `unknown` is read where a newer hub says another word: that agent reports it as failed."""

    FILL = "fill"
    EVICT = "evict"
    RUN = "run"
    SCRUB = "scrub"
    UNKNOWN = "unknown"


class TaskState(StrEnum):
    """`waiting` (for its next try) -> `ordered` -> `under-way` -> `done`, `failed` or `cancelled`."""

    WAITING = "waiting"
    ORDERED = "ordered"
    UNDER_WAY = "under-way"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One piece of a site's work, with what its state has to say for itself. `ref` is what a fill or an eviction is of.

    `asked_by` is who wants it: a user, a rule, or a run (`run_id`).
    """

    task_id: str
    site: str
    kind: TaskKind
    token: int
    state: TaskState
    reason: str
    since: float
    ref: str = ""
    run_id: str = ""
    asked_by: str = ""
    attempts: int = 0
    next_try_at: float = 0.0
    last_error: str = ""
    unblock: str = ""
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What shall be under way at a site. With `stop` it shall end: the agent reports `cancelled` when it has."""

    task_id: str
    token: int
    kind: TaskKind
    ref: str = ""
    reason: str = ""
    stop: bool = False
    run: RunOrder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """All that shall be under way at a site now; `revision` grows with every change of it.

    `previews` are no tasks: what comes of each is told by itself (`Previews.done`), and an agent that does not know of
    them passes them over.
    """

    revision: int
    state: SiteState
    orders: tuple[Order, ...] = ()
    previews: tuple[PreviewOrder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a task is. Final ones are told until they are acknowledged (`Beaten.heard`).

    `exit_code` and `made` (the refs of versions that were committed) are of runs. `kind` and `todo` are an error's;
    `hold-lost` is no failure of the run's own: its supervisor died, its hold ran out, its agent ended, or its data
    could not be had at the site when it was to begin.
    `retryable` is False where another try can't help (a bad command line, a dataset that is gone).
    """

    task_id: str
    token: int
    state: TaskState
    detail: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    exit_code: int | None = None
    made: tuple[str, ...] = ()
    kind: str = ""
    todo: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Beaten:
    """`heard` are the final reports that the hub has written down, or that come too late to count: the agent may forget
    those tasks.
    """

    heard: tuple[TaskKey, ...] = ()
    revision: int = 0


class Sites(Protocol):
    """Sites, their agents and their work."""

    def all(self) -> list[SiteRecord]:
        """All sites, by name."""

    def get(self, site: str) -> SiteRecord:
        """One site; NotFoundError `site-not-found` with the nearest names."""

    def attach(self, hello: Hello) -> Attached:
        """An agent takes the site over; what an earlier one says from now on is refused (ConflictError `fenced`).

        InputError `bad-site`, `bad-labels`; ConflictError `protocol-too-old`, `volume-of-another-site`.
        """

    def beat(self, site: str, agent_token: int, reports: tuple[Report, ...]) -> Beaten:
        """Heartbeat, with how the tasks are: extends the holds of all that is under way. ConflictError `fenced`."""

    def orders(self, site: str, agent_token: int, after: int, wait_s: float) -> Orders:
        """The site's orders as soon as their revision is not `after` any more, at the latest when `wait_s` are over.

        ConflictError `fenced`. Is no heartbeat.
        """

    def leave(self, site: str, agent_token: int) -> None:
        """The agent ends in good order with nothing under way: the site is down at once. ConflictError `fenced`."""

    def set_state(self, site: str, wanted: SiteState, reason: str) -> SiteRecord:
        """`draining` (nothing new, runs end in peace), `down`, or `up` again; InputError `bad-state`."""

    def set_prices(self, site: str, gpu_hour: float, cpu_hour: float) -> SiteRecord:
        """What an hour of a GPU and of a CPU costs there; InputError `bad-price`."""

    def remove(self, site: str) -> None:
        """Forget a site; ConflictError `site-in-use` while an agent is attached or runs are there."""

    def tasks(self, site: str = "") -> list[Task]:
        """The tasks that are not final, of one site or of all, oldest first."""

    def ask(self, site: str, kind: TaskKind, ref: str, reason: str, by: str = "") -> Task:
        """Want a fill, an eviction or a scrub at a site; the same one that is wanted already is found, not doubled.

        `by` is whoever the token speaks for, where there is one. InputError `bad-task` for a run: submit that.
        NotFoundError `site-not-found`; ConflictError `site-down`; NotAllowedError `residency`.
        """

    def withdraw(self, task_id: str, reason: str) -> Task:
        """It is not wanted any more; what is under way is told to stop. NotFoundError `task-not-found`.

        InputError `bad-task` for a run: cancel that.
        """
