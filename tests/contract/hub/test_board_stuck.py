"""Runs that have waited for long, on both databases: by what they wait for, and nothing of what is hidden."""

from __future__ import annotations

import pytest

from forebay.catalog.engine import reading as reading_of
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.board.care import LONG_S, care
from forebay.hub.board.running import Waits
from forebay.hub.board.sight import sight_of
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.access import DatasetPolicy, Role
from tests.contract.hub.sited import Agent, reading

ROOT = Person(user="root", role=Role.ADMIN)
EVE = Person(user="eve", role=Role.SCIENTIST)


class Board:
    """A site with two devices, and runs that want more."""

    def __init__(self, hub: LocalHub, clock: FakeClock) -> None:
        self.hub, self.clock = hub, clock
        self.access = AccessStore(hub.engine, clock)
        self.access.join_team("ads", [self.access.add_user("ada", Role.SCIENTIST).name])
        for dataset in ("clicks", "secret"):
            add_version(hub, dataset, Manifest.registered([Entry(path="a", size_bytes=1)]), "file:///lake")
        self.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
        Agent(hub=hub, site="dgx", gpus=2).attach()

    def submit(self, dataset: str, gpus: int) -> str:
        run_id = self.hub.runs.submit(reading(f"{dataset}@v1", gpus=gpus, title=f"on {dataset}")).run_id
        self.hub.scheduler.tick()
        return run_id

    def stuck(self, who: Person, after_s: float = LONG_S + 1.0) -> tuple[Waits, ...]:
        with reading_of(self.hub.engine) as connection:
            return care(connection, sight_of(connection, who), (), self.clock.now() + after_s).stuck


@pytest.fixture
def board(embedded: LocalHub, clock: FakeClock) -> Board:
    return Board(embedded, clock)


def test_what_waits_for_long_says_why_and_what_helps(board: Board) -> None:
    first = board.submit("clicks", gpus=8)
    assert board.stuck(ROOT, LONG_S) == ()
    (found,) = board.stuck(ROOT)
    assert (found.first.run_id, found.runs) == (first, 1)
    assert "no site will do" in found.reason
    assert "it has 2 gpus, asked for 8" in found.reason
    assert found.first.unblock


def test_runs_that_wait_for_the_same_are_told_together_the_longest_wait_first(board: Board) -> None:
    first = board.submit("clicks", gpus=8)
    board.submit("clicks", gpus=16)
    board.clock.pass_by(1.0)
    board.submit("clicks", gpus=8)
    assert [(item.first.run_id == first, item.runs) for item in board.stuck(ROOT)] == [(True, 2), (False, 1)]


def test_what_is_being_filled_or_has_ended_is_not_stuck(board: Board) -> None:
    board.submit("clicks", gpus=1)
    board.hub.runs.cancel(board.submit("clicks", gpus=8), "root", "a mistake")
    assert board.stuck(ROOT) == ()


def test_PRIVATE_a_run_on_hidden_data_is_not_counted(board: Board) -> None:
    for dataset in ("secret", "clicks", "secret"):
        board.submit(dataset, gpus=8)
    assert [item.runs for item in board.stuck(ROOT)] == [3]
    (found,) = board.stuck(EVE)
    assert (found.runs, found.first.title) == (1, "on clicks")
