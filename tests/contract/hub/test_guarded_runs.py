"""Runs and sites behind the guard: in whose name, on what, seen by whom; and what an agent's token is good for."""

from __future__ import annotations

import gzip
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent as AgentToken
from forebay.hub.access.rules import Person, Principal
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import store_manifest
from forebay.wire.access import AuditQuery, DatasetPolicy, Outcome, Role
from forebay.wire.catalog import NewVersion, ParentVersion
from forebay.wire.runs import Code, NewRun, Output, Run, RunQuery, RunState
from forebay.wire.sites import Hello, Order, Report, SiteState, TaskKey, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, pass_by, reading

ADA = Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"}))
AMY = Person(user="amy", role=Role.SCIENTIST, teams=frozenset({"ads"}))
BEN = Person(user="ben", role=Role.SCIENTIST)
ED = Person(user="ed", role=Role.ENGINEER)
ROOT = Person(user="root", role=Role.ADMIN)
VERA = Person(user="vera", role=Role.VIEWER)
DGX, AKS = AgentToken(site="dgx", user="root"), AgentToken(site="aks", user="root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A hub with `clicks` for all and `secret` for ads, one site, and its users."""

    hub: LocalHub
    access: AccessStore
    dgx: Agent

    def __call__(self, who: Principal) -> Guarded:
        return Guarded(self.hub, self.access, who)

    def refused(self, *calls: str) -> None:
        """These and no other calls were refused, in this order."""
        found = self.access.audit(AuditQuery(outcome=Outcome.REFUSED)).records
        assert [line.call for line in reversed(found)] == list(calls)

    def started(self, run: Run) -> None:
        """Its data come, and its command runs."""
        while self.hub.runs.get(run.run_id).state is RunState.FILLING:
            self.dgx.fill(next(item for item in self.dgx.orders().values() if item.kind is TaskKind.FILL))
        self.dgx.tell(self.order(run), TaskState.UNDER_WAY)

    def order(self, run: Run) -> Order:
        return next(item for item in self.dgx.orders().values() if item.run and item.run.run_id == run.run_id)


@pytest.fixture
def team(embedded: LocalHub, clock: FakeClock) -> Team:
    return team_on(embedded, clock)


def team_on(embedded: LocalHub, clock: FakeClock) -> Team:
    access = AccessStore(embedded.engine, clock)
    for person in (ADA, AMY, BEN, ED, ROOT, VERA):
        access.add_user(person.user, person.role)
    access.join_team("ads", ["ada", "amy"])
    for dataset in ("clicks", "secret"):
        new_version(embedded, dataset)
    access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    return Team(hub=embedded, access=access, dgx=Agent(hub=embedded, site="dgx", gpus=8).attach())


def kind_of(call: Callable[[], object]) -> str:
    with pytest.raises(ForebayError) as caught:
        call()
    return caught.value.kind


def test_records_name_who_really_asks(team: Team) -> None:
    run = team(ADA).runs.submit(reading("clicks", submitted_by="root"))
    assert run.submitted_by == "ada"
    assert team(ED).sites.ask("dgx", TaskKind.SCRUB, "", "why", by="root").asked_by == "ed"
    assert team(ADA).runs.cancel(run.run_id, "enough", by="root").cancelled_by == "ada"


def test_what_a_run_reads_and_makes_is_asked_for_when_it_is_submitted(team: Team) -> None:
    team.access.set_policy(DatasetPolicy(dataset="clicks", run=("ads",), write=("ads",)))
    ben, ada = team(BEN).runs, team(ADA).runs
    assert kind_of(lambda: ben.submit(reading("clicks"))) == "not-allowed"
    assert kind_of(lambda: ben.explain(reading("clicks"))) == "not-allowed"
    assert kind_of(lambda: ben.submit(reading("secret"))) == "dataset-not-found"
    assert kind_of(lambda: ben.submit(reading(outputs=(Output(name="out", dataset="clicks"),)))) == "not-allowed"
    assert kind_of(lambda: ben.submit(reading(outputs=(Output(name="out", dataset="secret"),)))) == "name-taken"
    assert kind_of(lambda: ben.submit(reading(team="ads"))) == "not-allowed"
    assert kind_of(lambda: team(VERA).runs.submit(reading())) == "not-allowed"
    assert kind_of(lambda: team(DGX).runs.submit(reading())) == "not-allowed"
    team.refused(*["runs.submit", "runs.explain", *["runs.submit"] * 6])
    outputs = (Output(name="out", dataset="clicks"), Output(name="new", dataset="features"))
    run = ada.submit(reading("clicks", "secret", outputs=outputs, team="ads"))
    lines = team.access.audit(AuditQuery(user="ada")).records
    assert {(line.action, line.dataset) for line in lines} >= {
        ("run", "clicks"),
        ("run", "secret"),
        ("write", "clicks"),
        ("write", "features"),
    }
    ada.cancel(run.run_id)
    team.access.join_team("others", [])
    team.access.set_policy(DatasetPolicy(dataset="clicks", run=("others",)))
    assert kind_of(lambda: ada.retry(run.run_id)) == "not-allowed", "a right that was taken away is gone for retries"


def test_a_run_on_hidden_data_is_not_there_for_others(team: Team) -> None:
    run = team(ADA).runs.submit(reading("clicks", "secret"))
    for who in (BEN, ED, VERA, AKS):
        hub = team(who)
        log = partial(hub.runs.log, attempt=0, offset=0, limit=9)
        calls: tuple[Callable[[str], object], ...] = (hub.runs.get, hub.runs.cancel, hub.runs.retry, log)
        for call, name in itertools.product(calls, (run.run_id, run.run_id[:20])):
            assert kind_of(partial(call, name)) == "run-not-found"
        assert hub.runs.page(RunQuery()).runs == ()
        assert not [task for task in hub.sites.tasks() if run.run_id in f"{task}"]
    assert team(AMY).runs.get(run.run_id[:20]) == run
    assert kind_of(lambda: team(AMY).runs.cancel(run.run_id)) == "not-allowed"
    assert team(ROOT).runs.cancel(run.run_id).cancelled_by == "root"


def test_pages_are_as_long_as_if_the_hidden_were_none(team: Team) -> None:
    shown = []
    for number in range(7):
        team(ADA).runs.submit(reading("secret"))
        if number % 3:
            shown.append(team(ADA).runs.submit(reading("clicks")).run_id)
    team(ADA).runs.submit(reading("secret"))
    found, before, sizes = [], "", []
    while True:
        page = team(BEN).runs.page(RunQuery(limit=2, before=before))
        found += [run.run_id for run in page.runs]
        sizes.append(len(page.runs))
        before = page.next_before
        if not before:
            break
    assert found == shown[::-1]
    assert sizes == [2, 2], "and no cursor leads to nothing"
    assert team(BEN).runs.page(RunQuery(dataset="secret")).runs == ()


def test_a_beginning_is_unique_among_what_one_may_know(team: Team) -> None:
    ids = (uuid.UUID(hex=f"abc{number:029x}") for number in range(1, 100))
    with mock.patch.object(uuid, "uuid4", side_effect=lambda: next(ids)):
        mine = team(BEN).runs.submit(NewRun(command=("true",)))
        team(ADA).runs.submit(reading("secret"))
    assert team(BEN).runs.get("abc") == mine
    with pytest.raises(InputError, match="Several runs"):
        team(ADA).runs.get("abc")


def test_logs_and_code_are_for_the_submitter_the_team_and_engineers(team: Team, tmp_path: Path) -> None:
    bundle = tmp_path / "code.tar.gz"
    bundle.write_bytes(gzip.compress(b"secret idea"))
    digest = team(ADA).runs.store_code(bundle)
    assert kind_of(lambda: team(ADA).runs.code_path(digest)) == "bundle-not-found", "no run of hers has it yet"
    run = team(ADA).runs.submit(reading("clicks", team="ads", code=Code(bundle=digest)))
    assert kind_of(lambda: team(DGX).runs.code_path(digest)) == "bundle-not-found", "not before it shall run there"
    team.started(run)
    for who in (ADA, AMY, ED, ROOT, DGX):
        assert team(who).runs.code_path(digest).read_bytes() == bundle.read_bytes()
        assert team(who).runs.get(run.run_id).new.code.bundle == digest
    for who in (ADA, AMY, ED, ROOT):
        assert team(who).runs.log(run.run_id, 0, 0, 100).text == ""
    for who in (BEN, VERA):
        assert team(who).runs.get(run.run_id).new.code.bundle == "", "its digest would be the key"
        assert team(who).runs.page(RunQuery()).runs[0].new.code.bundle == ""
    for who in (BEN, VERA, AKS):
        assert kind_of(lambda who=who: team(who).runs.code_path(digest)) == "bundle-not-found"  # type: ignore[misc]
    assert kind_of(lambda: team(BEN).runs.log(run.run_id, 0, 0, 100)) == "not-allowed"
    assert kind_of(lambda: team(DGX).runs.log(run.run_id, 0, 0, 100)) == "not-allowed"


def test_a_stolen_agent_token_is_no_use_at_another_site(team: Team) -> None:
    run = team(ADA).runs.submit(reading("clicks"))
    team.started(run)
    token, attempt = team.dgx.token, team.hub.runs.get(run.run_id).attempts[0].token
    calls: dict[str, Callable[[Guarded], object]] = {
        "sites.attach": lambda hub: hub.sites.attach(Hello(site="dgx", volume_id="volume-of-dgx")),
        "sites.beat": lambda hub: hub.sites.beat("dgx", token, ()),
        "sites.orders": lambda hub: hub.sites.orders("dgx", token, 0, 0.0),
        "sites.leave": lambda hub: hub.sites.leave("dgx", token),
        "runs.add_log": lambda hub: hub.runs.add_log(run.run_id, 1, attempt, 0, "forged"),
    }
    for name, call in calls.items():
        for who in (AKS, ROOT):
            with pytest.raises((NotAllowedError, NotFoundError)):
                call(team(who))
            line = team.access.audit(AuditQuery(user=who.name, outcome=Outcome.REFUSED, limit=1)).records[0]
            assert line.call == name
    with pytest.raises(NotAllowedError):
        team(AKS).sites.attach(Hello(site="aks", volume_id="volume-of-dgx"))
    assert team(DGX).runs.add_log(run.run_id, 1, attempt, 0, "own") == 3
    assert team(DGX).sites.beat("dgx", token, ()).revision > 0
    assert [site.name for site in team(AKS).sites.all()] == []
    assert kind_of(lambda: team(AKS).sites.get("dgx")) == "not-allowed"


def test_heartbeats_are_quiet_and_acts_are_written_down(team: Team) -> None:
    token = team(DGX).sites.attach(Hello(site="dgx", volume_id="volume-of-dgx", gpus=8)).agent_token
    before = len(team.access.audit(AuditQuery(limit=1000)).records)
    team(DGX).sites.beat("dgx", token, ())
    team(DGX).sites.orders("dgx", token, 0, 0.0)
    team(BEN).sites.all()
    team(BEN).runs.page(RunQuery())
    assert len(team.access.audit(AuditQuery(limit=1000)).records) == before
    run = team(BEN).runs.submit(NewRun(command=("true",)))
    team(BEN).runs.cancel(run.run_id)
    team(BEN).runs.retry(run.run_id)
    team(ED).sites.set_state("dgx", SiteState.DRAINING, "new disks")
    task = team(ED).sites.ask("dgx", TaskKind.SCRUB, "", "to be sure")
    team(ED).sites.withdraw(task.task_id, "no need")
    acts = team.access.audit(AuditQuery(limit=1000)).records
    assert [line.call for line in reversed(acts[: len(acts) - before])] == [
        *("runs.submit", "runs.cancel", "runs.retry"),
        *("sites.set_state", "sites.ask", "sites.withdraw"),
    ]
    assert run.run_id in acts[-1 - before - 1].detail


def output(hub: LocalHub, dataset: str, *parents: str, **more: object) -> NewVersion:
    manifest = Manifest.registered([Entry(path="part", size_bytes=10, etag=uuid.uuid4().hex)])
    return NewVersion(
        dataset=dataset,
        manifest_digest=store_manifest(hub, manifest),
        origin="registered",
        lake_url="file:///lake",
        parents=tuple(ParentVersion(dataset=name, number=1) for name in parents),
        **more,  # type: ignore[arg-type]
    )


def test_an_agent_adds_only_what_a_run_under_way_makes_in_its_submitter_s_name(team: Team) -> None:
    def add(who: Principal, dataset: str, *parents: str, **more: object) -> str:
        return team(who).catalog.add_version(output(team.hub, dataset, *parents, **more)).version.created_by

    assert kind_of(lambda: add(DGX, "features")) == "not-allowed"
    run = team(ADA).runs.submit(reading("clicks", outputs=(Output(name="out", dataset="features"),)))
    assert kind_of(lambda: add(DGX, "features")) == "not-allowed", "it has not begun"
    team.started(run)
    assert add(DGX, "features", "clicks", created_by="root") == "ada"
    assert team.hub.catalog.dataset("features").owner == "ada"
    assert kind_of(lambda: add(DGX, "clicks")) == "not-allowed", "a dataset that it does not make"
    assert kind_of(lambda: add(DGX, "features", "secret")) == "not-allowed", "made from what it does not read"
    assert kind_of(lambda: add(DGX, "features", team="ads")) == "not-allowed", "for a team that is not the run's"
    assert kind_of(lambda: add(AKS, "features")) == "not-allowed", "by another site's agent"
    team.access.set_role("ada", Role.VIEWER)
    assert kind_of(lambda: add(DGX, "features")) == "not-allowed", "its submitter may not any more"
    team.access.set_role("ada", Role.SCIENTIST)
    team.access.set_policy(DatasetPolicy(dataset="features", sites=("aks",)))
    assert kind_of(lambda: add(DGX, "features")) == "not-allowed", "its bytes may not be there"
    team.access.set_policy(DatasetPolicy(dataset="features"))
    assert add(DGX, "features", "clicks") == "ada"
    made = Report(
        task_id=f"run-{run.run_id}-1",
        token=team.hub.runs.get(run.run_id).attempts[0].token,
        state=TaskState.DONE,
        exit_code=0,
        made=("features@v2", "secret@v1", "clicks@v1"),
    )
    team(DGX).sites.beat("dgx", team.dgx.token, (made,))
    assert team.hub.runs.get(run.run_id).made == ("features@v2",), "what else it claims is not believed"
    assert kind_of(lambda: add(DGX, "features")) == "not-allowed", "the run has ended"


def test_of_an_attempt_that_was_given_up_only_what_its_run_makes_is_believed(team: Team, clock: FakeClock) -> None:
    run = team(ADA).runs.submit(reading(outputs=(Output(name="out", dataset="features"),)))
    order = team.order(run)
    pass_by(team.hub, clock, 120, step_s=20.0)
    assert team.hub.runs.get(run.run_id).state is RunState.QUEUED
    team.dgx.attach(TaskKey(task_id=order.task_id, token=order.token))
    done = Report(task_id=order.task_id, token=order.token, state=TaskState.DONE, made=("features@v1", "secret@v1"))
    strange = replace(done, task_id=f"run-{'0' * 32}-1")
    team(DGX).sites.beat("dgx", team.dgx.token, (strange, replace(strange, task_id="run-x"), done))
    ended = team.hub.runs.get(run.run_id)
    assert (ended.state, ended.made) == (RunState.SUCCEEDED, ("features@v1",))


def test_a_hidden_name_can_not_be_learned_from_what_others_wait_for_or_fail_with(team: Team) -> None:
    run = team(BEN).runs.submit(reading("clicks"))
    team.started(run)
    key = Report(
        task_id=f"run-{run.run_id}-1",
        token=team.hub.runs.get(run.run_id).attempts[0].token,
        state=TaskState.FAILED,
        detail="no room beside secret@v1",
        retryable=False,
    )
    team.dgx.beat(key)
    assert "secret" in str(team(ADA).runs.get(run.run_id))
    assert "secret" not in str(team(BEN).runs.get(run.run_id))
    assert "secret" not in str(team(BEN).runs.page(RunQuery()))
    hidden = team(ADA).runs.submit(reading("clicks", "secret"))
    team(ED).sites.set_state("dgx", SiteState.DRAINING, "until secret@v1 is gone")
    for who in (BEN, ED, VERA):
        told = f"{team(who).sites.all()} {team(who).sites.tasks()} {team(who).sites.get('dgx')}"
        assert "secret" not in told
        assert hidden.run_id not in told
    assert "secret@v1" in str(team(ADA).sites.all())


def test_a_site_that_will_not_do_for_a_hidden_reason_does_not_look_as_if_it_would(team: Team) -> None:
    team.dgx.hub.sites.set_state("dgx", SiteState.DOWN, "its disk is full of secret@v1")
    (seen,) = team(ADA).runs.explain(reading("clicks@v1")).rows
    assert seen.why_not == ("the site is down: its disk is full of secret@v1",)
    found = team(BEN).runs.explain(reading("clicks@v1"))
    assert (found.choice, [row.why_not for row in found.rows]) == ("", [("it can't run there now",)])


def test_one_withdraws_what_one_has_asked_for(team: Team) -> None:
    mine = team(ED).sites.ask("dgx", TaskKind.FILL, "clicks@v1", "for tomorrow")
    assert kind_of(lambda: team(BEN).sites.withdraw(mine.task_id, "no")) == "not-allowed"
    assert kind_of(lambda: team(BEN).sites.ask("dgx", TaskKind.FILL, "clicks@v1", "")) == "not-allowed"
    demoted = replace(ED, role=Role.VIEWER)
    assert team(demoted).sites.withdraw(mine.task_id, "no need").task_id == mine.task_id
    assert kind_of(lambda: team(ED).sites.withdraw("nothing", "")) == "task-not-found"
    team.access.set_policy(DatasetPolicy(dataset="clicks", sites=("aks",)))
    assert kind_of(lambda: team(ROOT).sites.ask("dgx", TaskKind.FILL, "clicks@v1", "")) == "not-allowed", "residency"


def test_only_an_admin_forgets_a_site_and_only_people_set_its_state(team: Team) -> None:
    assert kind_of(lambda: team(ED).sites.remove("dgx")) == "not-allowed"
    with pytest.raises(ConflictError, match="has an agent"):
        team(ROOT).sites.remove("dgx")
    assert kind_of(lambda: team(DGX).sites.set_state("dgx", SiteState.DOWN, "")) == "not-allowed"
    assert kind_of(lambda: team(BEN).sites.set_prices("dgx", 0.0, 0.0)) == "not-allowed"
    assert team(ED).sites.set_prices("dgx", 2.0, 0.5).gpu_hour_price == 2.0
