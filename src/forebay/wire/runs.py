"""What hub, agents and people tell each other of runs.

Values only. A run is `queued` until a site starts it; while its data come it is `filling`, and has claimed no compute.
Each attempt has a number and a fencing token; only the newest one's reports count, and a new one begins only when the
one before has ended or its hold has run out. Times are Unix seconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """A version that a run reads: `{name}` in its command, and the variable FOREBAY_NAME, are the path.

    `ref` is as it was asked for until the hub resolves it at submission: `criteo@prod` becomes `criteo@v3`.
    """

    name: str
    ref: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A dataset of which the run makes a version: what is in the folder `{name}` when it has succeeded."""

    name: str
    dataset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One of the environment. Never secrets: runs are shown to who may see them."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What the run runs: a bundle kept by the hub ("": none), and the commit it was made from where that is known."""

    bundle: str = ""
    git_commit: str = ""
    git_dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What happens after a failure: `attempts` in all, the next after `backoff_s`, twice as long each further time.

    An attempt that was lost with its agent is no failure of the run's, and is bounded apart (runs.machine).
    """

    attempts: int = 1
    backoff_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run that somebody wants.

    `where` is an expression over labels (sites.labels), `site` names one site ("": any). `estimate_s` is how long it
    is thought to take (0: nobody said), `time_limit_s` ends it (0: nothing does). `requirements` is the text of a
    requirements file, from which the site makes an environment. `wait_s_per_money` as in runs.world.Weights.
    `submitted_by` is whoever the token speaks for, where there is one. Resources are each node's. `engine` is what runs
    beside the command: "dask" is a Dask cluster on its nodes, which it finds by DASK_SCHEDULER_ADDRESS.
    """

    command: tuple[str, ...]
    data: tuple[DataUse, ...] = ()
    outputs: tuple[Output, ...] = ()
    gpus: int = 0
    cpus: int = 1
    memory_bytes: int = 0
    nodes: int = 1
    where: str = ""
    site: str = ""
    variables: tuple[Variable, ...] = ()
    requirements: str = ""
    code: Code = field(default_factory=Code)
    retry: Retry = field(default_factory=Retry)
    estimate_s: float = 0.0
    time_limit_s: float = 0.0
    wait_s_per_money: float = 0.0
    team: str = ""
    title: str = ""
    submitted_by: str = ""
    engine: str = ""


class RunState(StrEnum):
    """queued -> filling -> starting -> running -> succeeded | failed | cancelled; back to `queued` for another try."""

    QUEUED = "queued"
    FILLING = "filling"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


class Ending(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try. `ending` None while it is under way; `started_at` 0 until its command runs."""

    number: int
    site: str
    token: int
    ordered_at: float
    started_at: float = 0.0
    ended_at: float = 0.0
    ending: Ending | None = None
    exit_code: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, with what its state has to say for itself: reason, since when, next try, last error, what unblocks it.

    `site` is where it was placed ("": nowhere yet). `made` are the versions it made. `revision` grows with each change.
    """

    run_id: str
    new: NewRun
    state: RunState
    reason: str
    since: float
    submitted_at: float
    submitted_by: str
    revision: int
    site: str = ""
    attempts: tuple[Attempt, ...] = ()
    next_try_at: float = 0.0
    last_error: str = ""
    unblock: str = ""
    cancelled_by: str = ""
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """All that an agent must know to do one attempt at a run."""

    run_id: str
    attempt: int
    new: NewRun
    submitted_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs, newest first; `before` is the cursor of a page ("": from the newest). Empty texts ask for all."""

    state: RunState | None = None
    user: str = ""
    team: str = ""
    site: str = ""
    dataset: str = ""
    active: bool = False
    before: str = ""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """`next_before` is the cursor of the next page, "" after the last one."""

    runs: tuple[Run, ...]
    next_before: str


LOG_PIECE_BYTES = 1 << 20
"""The most that goes into one message about a log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """A part of an attempt's output, as text; bytes that are no UTF-8 are replaced.

    Offsets count the bytes of that text as UTF-8, what was dropped included. `is_whole`: the attempt has ended and
    nothing comes after `next_offset`. `dropped_bytes` are missing within this piece, since a log has a bound.
    """

    text: str
    next_offset: int
    is_whole: bool
    dropped_bytes: int = 0


KEEPSAKE_BYTES = 16 << 20
"""The most that one keepsake may have."""

ALL_KEEPSAKES_BYTES = 64 << 20
"""The most that those of one attempt may have together."""

MOST_KEEPSAKES = 64
"""So many of one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsake:
    """A file that an attempt left for whoever looks at the run: a report, metrics, a task stream. Never a dataset.

    `name` is a plain file name, once per attempt; `kept_at` when the hub got what it has now.
    """

    attempt: int
    name: str
    digest: str
    size_bytes: int
    kept_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The link that a site's missing bytes would come over, as it is reckoned now; prices are the team's currency.

    `measured` False: no fill has told of it, so it is as somebody declared it, or assumed.
    """

    source: str
    bandwidth_bytes_s: float
    latency_s: float
    price_byte: float = 0.0
    measured: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRow:
    """One site in the table of a placement, the best first; times are seconds from now, money the team's currency.

    `ways` are the links of those `sources` from which new fills would come. Of a site that is refused only
    `missing_bytes`, `why_not` and `unblock` say something; of another one `unblock` tells of fills that failed there.
    """

    site: str
    missing_bytes: int
    sources: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    data_s: float = 0.0
    queue_s: float = 0.0
    start_s: float = 0.0
    money: float = 0.0
    score: float = 0.0
    why_not: tuple[str, ...] = ()
    unblock: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a run would go now, and why not elsewhere; `choice` is "" when no site will do."""

    choice: str
    rows: tuple[SiteRow, ...]


class Runs(Protocol):
    """Runs: wanted, placed, watched."""

    def submit(self, new: NewRun) -> Run:
        """Queue a run; its refs and tags are resolved now. InputError `bad-run`, `bad-labels`; NotFoundError."""

    def explain(self, new: NewRun) -> Explanation:
        """Where it would go now, with the queue as it is. Changes nothing."""

    def get(self, run_id: str, after: int = 0, wait_s: float = 0.0) -> Run:
        """One run, as soon as its revision is above `after`, at the latest when `wait_s` are over.

        NotFoundError `run-not-found`; a unique beginning of an id will do.
        """

    def page(self, query: RunQuery) -> RunPage:
        """A page of runs, newest first."""

    def cancel(self, run_id: str, reason: str = "", by: str = "") -> Run:
        """End it, or do not begin it. Idempotent; ConflictError `run-ended` when it has ended otherwise.

        `by` is whoever the token speaks for, where there is one.
        """

    def retry(self, run_id: str) -> Run:
        """Queue a failed or cancelled run once more, as it was; ConflictError `run-not-ended`, `run-succeeded`."""

    def log(self, run_id: str, attempt: int, offset: int, limit: int) -> LogPiece:
        """A part of an attempt's log (attempt 0: the newest). NotFoundError `attempt-not-found`."""

    def add_log(self, run_id: str, attempt: int, token: int, offset: int, text: str, dropped_bytes: int = 0) -> int:
        """For the agent: what came since; returns the offset that the hub wants next (idempotent by offset).

        Of the bytes before `offset`, the last `dropped_bytes` will never come: the hub waits for none of them.
        InputError `log-too-long` for more than LOG_PIECE_BYTES at once; ConflictError `fenced` for another token than
        the attempt's.
        """

    def keep(self, run_id: str, attempt: int, token: int, name: str, data: bytes) -> Keepsake:
        """For the agent: a file that the attempt left; one of that name is replaced. Idempotent.

        InputError `bad-keepsake`; CapacityError `keepsake-too-large`, `too-many-keepsakes`; ConflictError `fenced` for
        another token than the attempt's.
        """

    def keepsakes(self, run_id: str) -> tuple[Keepsake, ...]:
        """What its attempts left, the newest attempt's first, then by name."""

    def keepsake(self, run_id: str, attempt: int, name: str) -> bytes:
        """One of them. NotFoundError `keepsake-not-found`."""

    def store_code(self, bundle: Path) -> str:
        """Keep a code bundle (a .tar.gz, bounded); its digest. Idempotent. CapacityError `bundle-too-large`."""

    def code_path(self, digest: str) -> Path:
        """A local file with that bundle; NotFoundError `bundle-not-found`, DamagedError."""
