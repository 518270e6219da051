"""The work of one attempt at a run: its data leased, its folder made, its command started once and followed to its end.

Whoever takes it up after an agent's death finds all of it where it is: the job in its engine, the folder, the log.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from forebay.cache.wishes import Wishes
from forebay.client.agent.bench import Bench
from forebay.client.agent.leaving import Leaving
from forebay.client.agent.outputs import commit_outputs
from forebay.client.agent.shipping import LogShipper
from forebay.errors import CapacityError, ConflictError, ForebayError, NotFoundError, UnavailableError
from forebay.fsio import Disk
from forebay.log import get_logger
from forebay.runs.executors.fence import since_boot
from forebay.runs.executors.protocol import Cancelled, Cause, Ended, JobKey, JobStatus, Lost, Pending, Running, is_final
from forebay.sites.agent.chores import stopped
from forebay.sites.agent.machine import HOLD_LOST
from forebay.sites.agent.work import Leash, Tell, report
from forebay.wire.cache import Holder
from forebay.wire.runs import RunOrder
from forebay.wire.sites import Order, Report, TaskState

_log = get_logger("agent")

_GPU_TRIES = 30
_AGAIN_S = 1.0
_FIRST_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """`resume`: an earlier agent had begun it."""

    bench: Bench
    order: Order
    run: RunOrder
    resume: bool

    @property
    def key(self) -> JobKey:
        return JobKey(run_id=self.run.run_id, attempt=self.run.attempt, token=self.order.token)

    @property
    def folder(self) -> Path:
        return self.bench.folder_of(self.key)

    def do(self, leash: Leash, tell: Tell) -> Report:
        known, lost = self._known() if self.resume else None, None
        with ExitStack() as leases:
            try:
                if known is None:
                    if leash.wait(0.0):
                        return report(self.order, TaskState.CANCELLED, str(leash.why))
                    self.bench.lay_out(self.key, self.run.new)
                    lost = self._begin(leash, tell, leases)
                elif isinstance(known, Pending) and not leash.is_pulled:
                    # The agent before may have died before its engine had it: told twice, it runs once.
                    lost = self._begin(leash, tell, leases)
                elif not is_final(known) and not leash.is_pulled:
                    self._lease_again(leash, leases)
                if lost is not None:
                    return lost
                status = self._follow(leash, tell)
                return self._ended(status, leash, tell)
            finally:
                if leash.is_let_go:
                    # They lapse by themselves, unless the next agent takes others before.
                    leases.pop_all()

    def _known(self) -> JobStatus | None:
        try:
            return self.bench.executor.look(self.key)
        except NotFoundError:
            return None

    # Before its command runs.

    def _begin(self, leash: Leash, tell: Tell, leases: ExitStack) -> Report | None:
        """The report of a run that can't begin here since its data can't be had: no failure of its own."""
        try:
            paths = self._lease(leash, tell, leases)
        except UnavailableError as error:
            if leash.is_pulled:
                raise
            return self._failed(HOLD_LOST, error.message)
        tell(report(self.order, TaskState.ORDERED, "its folder and environment are made"))
        job = self.bench.job_of(self.key, self.run, paths, should_stop=lambda: leash.is_pulled)
        for left in range(_GPU_TRIES, -1, -1):
            try:
                self.bench.executor.start(replace(job, until=self.bench.hold.until))
                break
            except CapacityError as error:
                # The devices of a run that has just ended are free in a moment.
                tell(report(self.order, TaskState.ORDERED, error.message))
                if not left or leash.wait(_AGAIN_S):
                    raise
        self.bench.hold.watch(self.key)
        return None

    def _lease(self, leash: Leash, tell: Tell, leases: ExitStack) -> dict[str, Path]:
        session, holder = self.bench.session, self._holder()
        paths: dict[str, Path] = {}
        wishes = Wishes()
        with leash.stops(lambda: wishes.stop(stopped(leash.why))):
            for use in self.run.new.data:
                tell(report(self.order, TaskState.ORDERED, f"{use.ref} is made ready"))
                version = session.cache.resolve(use.ref)
                leased = session.cache.lease(version, holder, wishes=wishes, on_lost=self._lost_lease)
                leases.enter_context(leased)
                paths[use.name] = leased.warmed.path
        return paths

    def _lease_again(self, leash: Leash, leases: ExitStack) -> None:
        """The earlier agent's leases go on for two minutes; what can't be leased anew ends no run."""
        self.bench.hold.watch(self.key)
        try:
            self._lease(leash, lambda told: None, leases)
        except ForebayError as error:
            _log.warning("lease-failed", job=self.key.name, kind=error.kind)

    def _holder(self) -> Holder:
        return replace(self.bench.session.holder(f"run {self.run.run_id}"), user=self.run.submitted_by)

    def _lost_lease(self, error: ConflictError) -> None:
        _log.warning("lease-lost", job=self.key.name, error=error.message)

    # While it runs.

    def _follow(self, leash: Leash, tell: Tell) -> JobStatus:
        """Its final status, with its log and all that it left at the hub by then. LetGoError."""
        shipper, leaving = self._shipper(), self._leaving()
        told, pause_s, is_cancelled = "", _FIRST_LOOK_S, False
        while not is_final(status := self._look()):
            state = TaskState.UNDER_WAY if isinstance(status, Running) else TaskState.ORDERED
            if told != (told := f"{state}: {status.reason}"):
                tell(report(self.order, state, status.reason if state is TaskState.ORDERED else ""))
            shipper.try_to_ship()
            leaving.try_to_send()
            if is_cancelled:
                leash.sleep(pause_s)
            elif leash.wait(pause_s):
                self.bench.executor.cancel(self.key)
                is_cancelled, pause_s = True, _FIRST_LOOK_S
            pause_s = min(pause_s * 1.5, self.bench.look_s)
        self._ship_rest(shipper, leash)
        self._send_rest(leaving, leash)
        return status

    def _look(self) -> JobStatus:
        """An engine that does not answer is asked again: the run goes on without it."""
        try:
            return self.bench.executor.look(self.key)
        except UnavailableError as error:
            _log.warning("engine-away", job=self.key.name, error=error.message)
            return Pending(reason=error.message)

    def _shipper(self) -> LogShipper:
        return LogShipper(self.bench.session.hub.runs, self.key, self.folder / "log", Disk())

    def _ship_rest(self, shipper: LogShipper, leash: Leash) -> None:
        """The end is told after the whole log. A hub that is away is waited for, as the report itself waits."""
        while True:
            try:
                if shipper.ship(is_last=True):
                    return
            except UnavailableError as error:
                _log.warning("log-waits", job=self.key.name, kind=error.kind)
                if leash.wait(_AGAIN_S):
                    return

    def _leaving(self) -> Leaving:
        return Leaving(self.bench.session.hub.runs, self.key, self.bench.left_by(self.key))

    def _send_rest(self, leaving: Leaving, leash: Leash) -> None:
        """As with the log: whoever sees the end finds the report."""
        while True:
            try:
                leaving.send_all()
                return
            except UnavailableError as error:
                _log.warning("keepsakes-wait", job=self.key.name, kind=error.kind)
                if leash.wait(_AGAIN_S):
                    return

    # After it.

    def _ended(self, status: JobStatus, leash: Leash, tell: Tell) -> Report:
        match status:
            case Ended(cause=Cause.EXITED, exit_code=0) if leash.why is None and self._is_ours():
                return self._committed(leash, tell)
            case Ended(cause=Cause.EXITED, exit_code=0) if leash.why is None:
                return self._failed(HOLD_LOST, "it ended well, but its hold is over: another attempt may run elsewhere")
            case Ended() if leash.why is not None:
                return report(self.order, TaskState.CANCELLED, str(leash.why))
            case Ended():
                kind = "command-failed" if status.cause in (Cause.EXITED, Cause.SIGNALLED) else str(status.cause)
                can_help = status.cause is not Cause.NOT_STARTED
                return replace(self._failed(kind, status.reason), exit_code=status.exit_code, retryable=can_help)
            case Lost():
                return self._failed(HOLD_LOST, status.reason)
            case Cancelled():
                return report(self.order, TaskState.CANCELLED, str(leash.why or status.reason))
            case _:
                raise AssertionError(status)

    def _committed(self, leash: Leash, tell: Tell) -> Report:
        """Repeated after a death in the middle, what is committed already is found, not doubled."""
        if self.run.new.outputs:
            tell(report(self.order, TaskState.UNDER_WAY, "its outputs are committed"))
        try:
            made = self._commit(leash)
        except ForebayError as error:
            told = self._failed(error.kind, f"its outputs can't be committed: {error.message}")
            return replace(told, todo=error.todo, exit_code=0, retryable=False)
        return replace(report(self.order, TaskState.DONE), exit_code=0, made=made)

    def _commit(self, leash: Leash) -> tuple[str, ...]:
        """A hub or a lake that is away is waited for: the work is done, and only here."""
        while True:
            try:
                bench = self.bench
                return commit_outputs(bench.session, self.run, self.folder / "out", python=bench.environments.python)
            except UnavailableError as error:
                _log.warning("commit-waits", job=self.key.name, kind=error.kind)
                if leash.wait(_AGAIN_S):
                    raise

    def _is_ours(self) -> bool:
        """Whether no other attempt can have begun elsewhere."""
        return since_boot() < self.bench.hold.until

    def _failed(self, kind: str, detail: str) -> Report:
        return replace(report(self.order, TaskState.FAILED, detail), kind=kind)
