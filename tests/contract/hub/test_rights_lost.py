"""A run that waits begins only while who submitted it may still have it run; on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.runs import NewRun, Output, Retry, Run, RunState
from forebay.wire.sites import TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, reading

TOO_MANY = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """`clicks` is everybody's, `secret` of the team ads, in which ada is; one site with eight GPUs."""

    hub: LocalHub
    access: AccessStore
    dgx: Agent
    clock: FakeClock

    def submit(self, new: NewRun) -> Run:
        person = self.access.person("ada")
        assert person is not None
        return Guarded(self.hub, self.access, person).runs.submit(new)

    def ends(self, run: Run) -> Run:
        """How it is after the next pass."""
        self.hub.scheduler.tick()
        return self.hub.runs.get(run.run_id)


@pytest.fixture
def team(embedded: LocalHub, clock: FakeClock) -> Team:
    access = AccessStore(embedded.engine, clock)
    for name, role in {"root": Role.ADMIN, "ada": Role.SCIENTIST, "amy": Role.SCIENTIST}.items():
        access.add_user(name, role)
    access.join_team("ads", ["ada", "amy"])
    access.join_team("maps", [])
    for dataset in ("clicks", "secret"):
        new_version(embedded, dataset)
    access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    return Team(hub=embedded, access=access, dgx=Agent(hub=embedded, site="dgx", gpus=8).attach(), clock=clock)


def _may_not_run(access: AccessStore) -> None:
    access.set_policy(DatasetPolicy(dataset="clicks", run=("maps",)))


def _may_not_write(access: AccessStore) -> None:
    access.set_policy(DatasetPolicy(dataset="clicks", write=("maps",)))


def _is_a_viewer(access: AccessStore) -> None:
    access.set_role("ada", Role.VIEWER)


def _left(access: AccessStore) -> None:
    access.leave_team("ads", ["ada"])


def _is_gone(access: AccessStore) -> None:
    access.remove_user("ada")


MAKES_CLICKS = (Output(name="out", dataset="clicks"),)


@pytest.mark.parametrize(
    ("new", "change", "told"),
    [
        (reading("clicks"), _may_not_run, "ada may not run on clicks@v1 any more: only the teams maps may run it"),
        (
            reading("secret", outputs=MAKES_CLICKS),
            _may_not_write,
            "ada may not write what it makes any more: only the teams maps may write it",
        ),
        (reading("clicks"), _is_a_viewer, "ada may not run anything any more: that needs the role scientist"),
        (reading("clicks", team="ads"), _left, "ada is no member of the team 'ads' any more"),
        (reading("secret"), _left, "what it reads is not there for ada any more"),
        (reading("clicks"), _is_gone, "ada, who submitted it, is no user of this hub any more"),
    ],
    ids=["run", "write", "role", "team", "read", "user"],
)
def test_a_run_that_waits_ends_when_its_right_is_taken_away(
    team: Team, new: NewRun, change: Callable[[AccessStore], None], told: str
) -> None:
    run = team.submit(_large(new))
    assert run.state is RunState.QUEUED
    assert team.ends(run).state is RunState.QUEUED
    change(team.access)
    ended = team.ends(run)
    assert ended.state is RunState.FAILED
    assert ended.reason.startswith(told)
    assert ended.last_error == ended.reason
    assert ended.unblock
    assert ended.attempts == ()


def test_to_its_submitter_a_hidden_dataset_is_told_of_like_one_that_is_gone(team: Team) -> None:
    run = team.submit(_large(reading("secret")))
    _left(team.access)
    team.ends(run)
    ada = Guarded(team.hub, team.access, Person(user="ada", role=Role.SCIENTIST))
    assert ada.runs.get(run.run_id).reason == "what it reads is not there for ada any more"


def test_its_fill_is_not_wanted_any_more_either(team: Team) -> None:
    run = team.submit(reading("clicks"))
    assert run.state is RunState.FILLING
    assert team.dgx.order(TaskKind.FILL).ref == "clicks@v1"
    _is_gone(team.access)
    assert team.ends(run).state is RunState.FAILED
    assert team.dgx.order(TaskKind.FILL).stop


def test_a_run_that_is_to_be_tried_again_is_not(team: Team) -> None:
    run = team.submit(reading(retry=Retry(attempts=3)))
    order = team.dgx.order(TaskKind.RUN)
    _is_a_viewer(team.access)
    team.dgx.tell(order, TaskState.UNDER_WAY)
    assert team.ends(run).state is RunState.RUNNING, "what has begun goes on"
    team.dgx.tell(order, TaskState.FAILED, exit_code=1)
    ended = team.ends(run)
    assert ended.state is RunState.FAILED
    assert "may not run anything any more" in ended.reason
    assert len(ended.attempts) == 1


def test_where_its_data_may_not_be_any_more_it_does_not_begin(team: Team) -> None:
    run = team.submit(reading("clicks"))
    assert run.site == "dgx"
    team.access.set_policy(DatasetPolicy(dataset="clicks", sites=("aks",)))
    waits = team.ends(run)
    assert (waits.state, waits.site) == (RunState.QUEUED, "")
    assert "clicks may never be here" in waits.reason
    Agent(team.hub, "aks").attach()
    assert team.ends(run).site == "aks", "where they may be, it does"


def test_others_and_the_owner_of_a_hub_without_a_guard_are_not_asked(team: Team) -> None:
    own = team.hub.runs.submit(_large(reading("secret", submitted_by="the owner")))
    amys = team.hub.runs.submit(_large(reading("secret", submitted_by="amy")))
    _is_gone(team.access)
    assert team.ends(own).state is RunState.QUEUED
    assert team.ends(amys).state is RunState.QUEUED


def _large(new: NewRun) -> NewRun:
    """No site has so many."""
    return replace(new, gpus=TOO_MANY)
