"""Where a run's time went, attempt by attempt."""

from __future__ import annotations

from dataclasses import replace

from forebay.hub.board.run_stages import stages_of
from forebay.wire.runs import Attempt, Ending, NewRun, Run, RunState

RUN = Run(
    run_id="r",
    new=NewRun(command=("true",)),
    state=RunState.QUEUED,
    reason="",
    since=100.0,
    submitted_at=100.0,
    submitted_by="ada",
    revision=1,
)
LOST = Attempt(number=1, site="dgx", token=1, ordered_at=130.0, started_at=135.0, ended_at=200.0, ending=Ending.LOST)


def told(run: Run, now: float) -> list[tuple[str, int, float, bool]]:
    return [(stage.kind, stage.attempt, stage.seconds, stage.goes_on) for stage in stages_of(run, now)]


def test_what_has_not_begun_waits() -> None:
    assert told(RUN, 100.0) == [("waiting", 1, 0.0, True)]
    assert told(RUN, 150.0) == [("waiting", 1, 50.0, True)]


def test_an_attempt_waits_starts_and_runs() -> None:
    run = replace(RUN, state=RunState.SUCCEEDED, attempts=(replace(LOST, ending=Ending.SUCCEEDED),), since=200.0)
    assert told(run, 1000.0) == [("waiting", 1, 30.0, False), ("starting", 1, 5.0, False), ("running", 1, 65.0, False)]


def test_between_two_attempts_it_waits_again() -> None:
    second = Attempt(number=2, site="aks", token=2, ordered_at=260.0)
    run = replace(RUN, state=RunState.STARTING, attempts=(LOST, second), since=260.0)
    assert told(run, 270.0)[3:] == [("waiting", 2, 60.0, False), ("starting", 2, 10.0, True)]
    waiting = replace(RUN, attempts=(LOST,), since=200.0)
    assert told(waiting, 230.0)[-1] == ("waiting", 2, 30.0, True)


def test_one_that_was_cancelled_before_it_began_waited_until_then() -> None:
    run = replace(RUN, state=RunState.CANCELLED, since=160.0)
    assert told(run, 1000.0) == [("waiting", 1, 60.0, False)]


def test_one_that_ended_without_its_command_began_no_running() -> None:
    refused = replace(LOST, started_at=0.0, ending=Ending.FAILED)
    run = replace(RUN, state=RunState.FAILED, attempts=(refused,), since=200.0)
    assert told(run, 1000.0) == [("waiting", 1, 30.0, False), ("starting", 1, 70.0, False)]
