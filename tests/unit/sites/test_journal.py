from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from forebay.errors import ConflictError
from forebay.fsio import Disk
from forebay.sites.agent.journal import Journal, Note
from forebay.sites.agent.state import Phase
from forebay.wire.runs import NewRun, RunOrder
from forebay.wire.sites import Order, Report, TaskKind, TaskState

RUN = RunOrder(run_id="r", attempt=1, new=NewRun(command=("x",)), submitted_by="ann")
ORDER = Order(task_id="run-r-1", token=3, kind=TaskKind.RUN, run=RUN)
DONE = Report(task_id="run-r-1", token=3, state=TaskState.DONE, made=("d@v1",))


def test_the_next_agent_knows_what_was_begun_and_what_ended(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Disk())
    ended = replace(ORDER, task_id="run-s-1")
    journal.note(Note(order=ORDER))
    journal.note(Note(order=ended))
    journal.note(Note(order=ended, report=replace(DONE, task_id="run-s-1")))
    held = {item.order.task_id: item for item in Journal(tmp_path, Disk()).held().values()}
    assert held["run-r-1"].order == ORDER
    assert held["run-r-1"].phase is Phase.WAITING
    assert held["run-r-1"].is_live
    assert held["run-s-1"].phase is Phase.ENDED
    assert held["run-s-1"].report == replace(DONE, task_id="run-s-1")


def test_what_is_forgotten_is_gone_and_may_be_forgotten_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Disk())
    journal.note(Note(order=ORDER))
    journal.forget(ORDER)
    journal.forget(ORDER)
    assert journal.held() == {}


def test_a_note_that_can_not_be_read_hides_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Disk())
    journal.note(Note(order=ORDER))
    (tmp_path / "tasks" / "torn.1.json").write_text("{")
    assert len(journal.held()) == 1


def test_an_id_is_no_path(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "agent", Disk())
    journal.note(Note(order=replace(ORDER, task_id="../../away")))
    assert [path.parent for path in tmp_path.rglob("*away*")] == [tmp_path / "agent" / "tasks"]


def test_two_agents_can_not_have_one_folder(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, Disk()).alone(),
        pytest.raises(ConflictError, match="runs on this machine already"),
        Journal(tmp_path, Disk()).alone(),
    ):
        pass
    with Journal(tmp_path, Disk()).alone():
        pass
