"""PRIVATE, from the outside: to whoever may not read a dataset, it is as if it were not there.

Two hubs that differ in that dataset alone are asked the same, by every method of every protocol: the answers must be
the same, errors with all their words included. The methods are found by introspection: one without a case fails.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import NotAllowedError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent
from forebay.testing.cached.world import holder
from forebay.wire import hub as wire
from forebay.wire.access import Access, AuditQuery, DatasetPolicy, NewToken, Outcome, Role
from forebay.wire.cache import LedgerKey, Progress
from forebay.wire.catalog import NewSubset, NewVersion, ParentVersion
from forebay.wire.downtimes import Downtimes
from forebay.wire.previews import PreviewKind, Previews
from forebay.wire.retention import Retention, RetentionPolicy
from forebay.wire.rules import NewRule, Rules
from forebay.wire.runs import DataUse, NewRun, RunQuery, Runs
from forebay.wire.sites import Sites, TaskKind
from tests.contract.hub.sides import (
    ADMIN,
    AGENTS_VOLUME,
    DONE,
    HIDDEN,
    OUTSIDERS,
    Side,
    outcome,
    statements,
    transfer,
    two_sides,
)

Case = Callable[[Guarded, Side, str], Any]

FACES: dict[str, type] = {
    "catalog": wire.Catalog,
    "volumes": wire.Volumes,
    "fills": wire.Fills,
    "leases": wire.Leases,
    "replicas": wire.Replicas,
    "links": wire.Links,
    "retention": Retention,
    "sites": Sites,
    "downtimes": Downtimes,
    "rules": Rules,
    "runs": Runs,
    "previews": Previews,
    "access": Access,
}


def _new(dataset: str, side: Side, *parents: str) -> NewVersion:
    return NewVersion(
        dataset=dataset,
        manifest_digest=side.secret.manifest_digest,
        origin="registered",
        lake_url="s3://lake/y",
        parents=tuple(ParentVersion(dataset=name, number=1) for name in parents),
    )


def _subset(side: Side) -> NewSubset:
    return NewSubset(
        dataset=HIDDEN, number=1, subset="part", selection="{}", manifest_digest=side.secret.manifest_digest
    )


def _run(*refs: str, **more: Any) -> NewRun:
    return NewRun(command=("train",), data=tuple(DataUse(name="data", ref=ref) for ref in refs), **more)


CASES: dict[str, Case] = {
    "catalog.datasets": lambda hub, side, volume: hub.catalog.datasets(),
    "catalog.dataset": lambda hub, side, volume: hub.catalog.dataset(HIDDEN),
    "catalog.versions": lambda hub, side, volume: hub.catalog.versions(HIDDEN),
    "catalog.versions of what it is a parent of": lambda hub, side, volume: hub.catalog.versions("report"),
    "catalog.resolve": lambda hub, side, volume: hub.catalog.resolve(HIDDEN),
    "catalog.resolve by number": lambda hub, side, volume: hub.catalog.resolve(f"{HIDDEN}@v1"),
    "catalog.resolve by a number too high": lambda hub, side, volume: hub.catalog.resolve(f"{HIDDEN}@v7"),
    "catalog.resolve by tag": lambda hub, side, volume: hub.catalog.resolve(f"{HIDDEN}@prod"),
    "catalog.resolve by digest": lambda hub, side, volume: hub.catalog.resolve(f"{HIDDEN}@{'0' * 8}"),
    "catalog.resolve a subset": lambda hub, side, volume: hub.catalog.resolve(f"{HIDDEN}@v1[part]"),
    "catalog.resolve a name near to it": lambda hub, side, volume: hub.catalog.resolve(HIDDEN[:-1]),
    "catalog.resolve what it is a parent of": lambda hub, side, volume: hub.catalog.resolve("report"),
    "catalog.manifest_path": lambda hub, side, volume: hub.catalog.manifest_path(side.secret.manifest_digest),
    "catalog.seal_path": lambda hub, side, volume: hub.catalog.seal_path(side.secret.manifest_digest),
    "catalog.seal": lambda hub, side, volume: hub.catalog.seal(side.secret.manifest_digest, "0" * 64),
    "catalog.recipe_path": lambda hub, side, volume: hub.catalog.recipe_path(side.secret.manifest_digest),
    "catalog.add_version of its child": lambda hub, side, volume: hub.catalog.add_version(_new("clicks", side, HIDDEN)),
    "catalog.set_team": lambda hub, side, volume: hub.catalog.set_team(HIDDEN, "maps"),
    "catalog.set_stale_after": lambda hub, side, volume: hub.catalog.set_stale_after(HIDDEN, 1.0),
    "catalog.describe": lambda hub, side, volume: hub.catalog.describe(HIDDEN, "clicks of a day"),
    "catalog.add_subset": lambda hub, side, volume: hub.catalog.add_subset(_subset(side)),
    "catalog.remove_version": lambda hub, side, volume: hub.catalog.remove_version(HIDDEN, 1),
    "catalog.remove_dataset": lambda hub, side, volume: hub.catalog.remove_dataset(HIDDEN),
    "catalog.tag": lambda hub, side, volume: hub.catalog.tag(HIDDEN, "new", 1, "me"),
    "catalog.untag": lambda hub, side, volume: hub.catalog.untag(HIDDEN, "prod", "me"),
    "catalog.tag_history": lambda hub, side, volume: hub.catalog.tag_history(HIDDEN),
    "catalog.lineage": lambda hub, side, volume: hub.catalog.lineage(HIDDEN, 1),
    "catalog.lineage of its parent": lambda hub, side, volume: hub.catalog.lineage("clicks", 1),
    "catalog.lineage of its child": lambda hub, side, volume: hub.catalog.lineage("report", 1),
    "volumes.record": lambda hub, side, volume: hub.volumes.record(volume, "", "noted", "", 0),
    "volumes.events": lambda hub, side, volume: hub.volumes.events(volume, 100),
    "volumes.events, as many as asked for": lambda hub, side, volume: hub.volumes.events(volume, 1),
    "volumes.savings": lambda hub, side, volume: [hub.volumes.savings(volume, by) for by in LedgerKey],
    "volumes.uses": lambda hub, side, volume: hub.volumes.uses(volume),
    "volumes.quotas": lambda hub, side, volume: hub.volumes.quotas(volume),
    "fills.claim": lambda hub, side, volume: hub.fills.claim(volume, side.secret, holder()),
    "fills.look": lambda hub, side, volume: hub.fills.look(volume, side.secret),
    "fills.reserve": lambda hub, side, volume: hub.fills.reserve(side.fill_id, 1, 1, 100),
    "fills.renew": lambda hub, side, volume: hub.fills.renew(side.fill_id, 1, Progress()),
    "fills.finish": lambda hub, side, volume: hub.fills.finish(side.fill_id, 1, DONE),
    "fills.fail": lambda hub, side, volume: hub.fills.fail(side.fill_id, 1, "why", 0),
    "fills.prefer": lambda hub, side, volume: hub.fills.prefer(volume, side.secret, [0]),
    "fills.wishes": lambda hub, side, volume: hub.fills.wishes(side.fill_id, 1, 0),
    "fills.open_fills": lambda hub, side, volume: hub.fills.open_fills(volume),
    "fills.abandon": lambda hub, side, volume: hub.fills.abandon(side.fill_id),
    "leases.take": lambda hub, side, volume: hub.leases.take(volume, side.secret, holder()),
    "leases.renew": lambda hub, side, volume: hub.leases.renew(side.lease_id),
    "leases.release": lambda hub, side, volume: hub.leases.release(side.lease_id),
    "leases.live": lambda hub, side, volume: hub.leases.live(volume),
    "leases.lapsed": lambda hub, side, volume: hub.leases.lapsed(volume),
    "links.all": lambda hub, side, volume: [(item.source, item.moved_bytes) for item in hub.links.all()],
    "links.report": lambda hub, side, volume: hub.links.report(volume, transfer(HIDDEN)),
    "links.holders": lambda hub, side, volume: [
        item.site for item in hub.links.holders(side.fill_id, side.token, "s3://lake").peers
    ],
    "links.ticketed": lambda hub, side, volume: hub.links.ticketed(volume, side.ticket).dataset,
    "links.suspect": lambda hub, side, volume: hub.links.suspect(side.fill_id, side.token, AGENTS_VOLUME, "0" * 64),
    "retention.policy": lambda hub, side, volume: hub.retention.policy(HIDDEN),
    "retention.set_policy": lambda hub, side, volume: hub.retention.set_policy(
        RetentionPolicy(dataset=HIDDEN, keep_last=5)
    ),
    "retention.plan": lambda hub, side, volume: hub.retention.plan(HIDDEN),
    "retention.apply": lambda hub, side, volume: hub.retention.apply(HIDDEN),
    "retention.retire": lambda hub, side, volume: hub.retention.retire(HIDDEN, 1, "why"),
    "retention.restore": lambda hub, side, volume: hub.retention.restore(HIDDEN, 1),
    "catalog.versions, also retired ones": lambda hub, side, volume: hub.catalog.versions(HIDDEN, retired=True),
    "previews.ask": lambda hub, side, volume: hub.previews.ask(f"{HIDDEN}@v1", PreviewKind.TABLE, "part"),
    "previews.files": lambda hub, side, volume: hub.previews.files(f"{HIDDEN}@v1"),
    "previews.are_on": lambda hub, side, volume: hub.previews.are_on(HIDDEN),
    "previews.switch": lambda hub, side, volume: hub.previews.switch(HIDDEN, False),
    "replicas.all": lambda hub, side, volume: hub.replicas.all(volume),
    "replicas.get": lambda hub, side, volume: hub.replicas.get(volume, side.secret),
    "replicas.pin": lambda hub, side, volume: hub.replicas.pin(volume, side.secret, "me", "why", 0.0),
    "replicas.unpin": lambda hub, side, volume: hub.replicas.unpin(volume, side.secret),
    "replicas.confirm_lake": lambda hub, side, volume: hub.replicas.confirm_lake(volume, side.secret),
    "replicas.begin_evict": lambda hub, side, volume: hub.replicas.begin_evict(volume, side.secret, "why"),
    "replicas.renew_evict": lambda hub, side, volume: hub.replicas.renew_evict(volume, side.secret, 1),
    "replicas.abandon_evict": lambda hub, side, volume: hub.replicas.abandon_evict(volume, side.secret, 1),
    "replicas.cancel_evict": lambda hub, side, volume: hub.replicas.cancel_evict(
        volume, side.secret, 1, "why", damaged=False
    ),
    "replicas.finish_evict": lambda hub, side, volume: hub.replicas.finish_evict(volume, side.secret, 1, 0),
    "replicas.mark_verified": lambda hub, side, volume: hub.replicas.mark_verified(volume, side.secret, 1),
    "replicas.mark_damaged": lambda hub, side, volume: hub.replicas.mark_damaged(volume, side.secret, "why"),
    "replicas.adopt": lambda hub, side, volume: hub.replicas.adopt(volume, side.secret, 1, 1.0),
    "replicas.forget": lambda hub, side, volume: hub.replicas.forget(volume, side.secret, "why"),
    "sites.tasks": lambda hub, side, volume: hub.sites.tasks(),
    "sites.tasks of a site": lambda hub, side, volume: hub.sites.tasks("aks"),
    "sites.ask": lambda hub, side, volume: hub.sites.ask("aks", TaskKind.EVICT, f"{HIDDEN}@v1", "why"),
    "sites.ask for a fill": lambda hub, side, volume: hub.sites.ask("aks", TaskKind.FILL, f"{HIDDEN}@v1", "why"),
    "sites.withdraw": lambda hub, side, volume: hub.sites.withdraw(side.task_id, "why"),
    "rules.all": lambda hub, side, volume: hub.rules.all(),
    "rules.get": lambda hub, side, volume: hub.rules.get(side.rule_id),
    "rules.add": lambda hub, side, volume: hub.rules.add(NewRule(ref=f"{HIDDEN}@prod")),
    "rules.add of every version": lambda hub, side, volume: hub.rules.add(NewRule(ref=HIDDEN)),
    "rules.remove": lambda hub, side, volume: hub.rules.remove(side.rule_id),
    "runs.submit": lambda hub, side, volume: hub.runs.submit(_run(f"{HIDDEN}@prod")),
    "runs.explain": lambda hub, side, volume: hub.runs.explain(_run(f"{HIDDEN}@v1")),
    "runs.get": lambda hub, side, volume: hub.runs.get(side.run_id),
    "runs.get by the beginning of its id": lambda hub, side, volume: hub.runs.get(side.run_id[:-1]),
    "runs.page": lambda hub, side, volume: hub.runs.page(RunQuery()),
    "runs.page, as many as asked for": lambda hub, side, volume: hub.runs.page(RunQuery(limit=1)),
    "runs.page of its dataset": lambda hub, side, volume: hub.runs.page(RunQuery(dataset=HIDDEN)),
    "runs.cancel": lambda hub, side, volume: hub.runs.cancel(side.run_id),
    "runs.retry": lambda hub, side, volume: hub.runs.retry(side.run_id),
    "runs.log": lambda hub, side, volume: hub.runs.log(side.run_id, 0, 0, 100),
    "runs.add_log": lambda hub, side, volume: hub.runs.add_log(side.run_id, 1, 1, 0, "text"),
    "runs.keep": lambda hub, side, volume: hub.runs.keep(side.run_id, 1, 1, "report.html", b"forged"),
    "runs.keepsakes": lambda hub, side, volume: hub.runs.keepsakes(side.run_id),
    "runs.keepsake": lambda hub, side, volume: hub.runs.keepsake(side.run_id, 1, "report.html"),
    "runs.code_path": lambda hub, side, volume: hub.runs.code_path(side.bundle),
    "access.policy": lambda hub, side, volume: hub.access.policy(HIDDEN),
    "access.set_policy": lambda hub, side, volume: hub.access.set_policy(DatasetPolicy(dataset=HIDDEN)),
    "access.make_token": lambda hub, side, volume: hub.access.make_token(
        NewToken(user="eve", role=Role.VIEWER, datasets=(HIDDEN,))
    ),
    "access.audit": lambda hub, side, volume: hub.access.audit(AuditQuery(dataset=HIDDEN)),
}
"""Several for one method are told apart by what follows its name."""

ABOUT_NO_DATASET = {
    "catalog.store_manifest": "content-addressed: gives the digest of what the asker has",
    "catalog.store_seal": "the same",
    "catalog.store_recipe": "the same",
    "volumes.add": "a volume's account is the volume's",
    "volumes.get": "the same",
    "volumes.at": "the same",
    "volumes.set_used_bytes": "the same",
    "volumes.free_bytes": "the same",
    "volumes.report_health": "the same",
    "volumes.set_quota": "of a team",
    "links.declare": "an admin's",
    "links.forget": "an admin's",
    "links.serve": "a volume's, whatever it holds",
    "volumes.remove_quota": "of a team",
    "access.me": "who asks",
    "sites.all": "sites are everybody's to see",
    "sites.get": "the same",
    "sites.attach": "its agent's",
    "sites.beat": "the same",
    "sites.orders": "the same",
    "sites.leave": "the same",
    "previews.done": "its agent's",
    "sites.set_state": "of a site",
    "sites.set_prices": "the same",
    "sites.remove": "the same",
    "downtimes.all": "of a site: what its reason names is hidden (test_downtimes)",
    "downtimes.plan": "of a site",
    "downtimes.cancel": "the same",
    "runs.store_code": "content-addressed: gives the digest of what the asker has",
    "access.users": "an admin's",
    "access.add_user": "an admin's",
    "access.set_role": "an admin's",
    "access.remove_user": "an admin's",
    "access.teams": "an admin's",
    "access.join_team": "an admin's",
    "access.leave_team": "an admin's",
    "access.remove_team": "an admin's",
    "access.tokens": "an admin's, or one's own",
    "access.revoke_token": "an admin's, or one's own",
}

TELLS_OF_A_NAME = {"catalog.add_version", "catalog.restore_version"}
"""Two datasets can't have one name: who would make one of a hidden name learns that it is taken, and no more."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def sides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """For all who ask and change nothing."""
    folder = tmp_path_factory.mktemp("sides")

    def new_database(name: str) -> str:
        if request.param == "sqlite":
            return f"sqlite:///{folder}/{name}.db"
        return str(request.getfixturevalue("postgres_server").new_database())

    with two_sides(folder, new_database) as made:
        yield made


@pytest.fixture
def fresh_sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    """For who changes something."""
    with two_sides(tmp_path, lambda name: f"sqlite:///{tmp_path}/{name}.db") as made:
        yield made


def test_every_method_of_every_protocol_has_a_case() -> None:
    methods = {f"{face}.{name}" for face, kind in FACES.items() for name in methods_of(kind)}
    cased = {name.replace(",", " ").split()[0] for name in CASES}
    assert cased | set(ABOUT_NO_DATASET) | TELLS_OF_A_NAME == methods
    assert {name for name in vars(wire.Hub) if not name.startswith("_")} == {*FACES, "owner", "close"} - {"access"}


@pytest.mark.parametrize("who", OUTSIDERS)
def test_PRIVATE_hidden_is_answered_like_missing(sides: tuple[Side, Side], who: str) -> None:
    principal, volume = OUTSIDERS[who]
    hidden, missing = (side.as_(principal) for side in sides)
    for name, case in CASES.items():
        before = outcome(lambda case=case: case(missing, sides[1], volume))  # type: ignore[misc]
        after = outcome(lambda case=case: case(hidden, sides[0], volume))  # type: ignore[misc]
        assert after == before, name


BY_AN_ID = {"fills.reserve", "fills.renew", "fills.finish", "fills.fail", "fills.wishes", "fills.abandon"}
BY_AN_ID |= {"leases.renew", "leases.release", "links.holders", "links.ticketed", "links.suspect"}
BY_AN_ID |= {"rules.get", "rules.remove"}
BY_AN_ID |= {"sites.withdraw", "runs.get", "runs.get by the beginning of its id"}
BY_AN_ID |= {"runs.cancel", "runs.retry", "runs.log", "runs.add_log", "runs.code_path"}
BY_AN_ID |= {"runs.keep", "runs.keepsakes", "runs.keepsake"}
"""Of what is hidden, nobody is told ids that they could try these with."""


@pytest.mark.parametrize("who", ["scientist", "agent of another site"])
def test_PRIVATE_hidden_and_missing_take_the_same_steps(sides: tuple[Side, Side], who: str) -> None:
    """The same statements in the same order: what tells time apart is no more than what they find."""
    principal, volume = OUTSIDERS[who]
    for name in sorted(set(CASES) - BY_AN_ID - {"volumes.events, as many as asked for"}):
        steps = [_steps(side, lambda side=side: CASES[name](side.as_(principal), side, volume)) for side in sides]  # type: ignore[misc] # noqa: B023
        assert steps[0] == steps[1], name


def _steps(side: Side, call: Callable[[], Any]) -> list[str]:
    with statements(side.hub.engine) as found:
        outcome(call)
    return found


def test_the_two_hubs_do_differ_for_who_may_see_it(fresh_sides: tuple[Side, Side]) -> None:
    """Else the test above would say nothing."""
    hidden, missing = (side.as_(ADMIN) for side in fresh_sides)
    alike = {
        name
        for name, case in CASES.items()
        if outcome(lambda case=case: case(hidden, fresh_sides[0], "v1"))  # type: ignore[misc]
        == outcome(lambda case=case: case(missing, fresh_sides[1], "v1"))  # type: ignore[misc]
    }
    done_before = {"fills.fail", "volumes.events, as many as asked for"}
    # Of live and of lapsed leases the same is shown, and the sides have none of the latter.
    nothing_there = {
        "leases.lapsed",
        "volumes.record",
        "fills.wishes",
        "leases.release",
        "catalog.seal_path",
        "catalog.recipe_path",
    }
    assert alike <= nothing_there | done_before


@pytest.mark.parametrize("who", ["scientist", "engineer"])
def test_the_name_of_a_hidden_dataset_can_not_be_taken(sides: tuple[Side, Side], who: str) -> None:
    hidden = sides[0].as_(OUTSIDERS[who][0])
    added = outcome(lambda: hidden.catalog.add_version(_new(HIDDEN, sides[0])))
    put_back = outcome(lambda: hidden.catalog.restore_version(_new(HIDDEN, sides[0]), 9))
    taken = ("ConflictError", "name-taken", f"The name {HIDDEN!r} cannot be used.", "Choose another one.")
    assert added == put_back == taken
    assert len(sides[0].hub.catalog.versions(HIDDEN)) == 2


def test_a_token_for_some_datasets_can_not_even_try(sides: tuple[Side, Side]) -> None:
    principal, _ = OUTSIDERS["token for one dataset"]
    answers = [outcome(lambda side=side: side.as_(principal).catalog.add_version(_new(HIDDEN, side))) for side in sides]  # type: ignore[misc]
    assert answers[0] == answers[1]
    assert answers[0][1] == "not-allowed"


def test_a_conflict_names_no_hidden_child(fresh_sides: tuple[Side, Side]) -> None:
    hidden, _ = fresh_sides
    engineer = hidden.as_(replace(ADMIN, role=Role.ENGINEER, user="ed"))
    hidden.hub.catalog.untag("clicks", "prod", "root")
    _, kind, message, _ = outcome(lambda: engineer.catalog.remove_version("clicks", 1))
    assert (kind, message) == ("has-children", "clicks@v1 is what report@v1 was made from.")
    _, kind, message, _ = outcome(lambda: engineer.catalog.remove_dataset("clicks"))
    assert (kind, message) == ("has-children", "clicks is what report@v1 was made from.")
    _, _, whole, _ = outcome(lambda: hidden.as_(ADMIN).catalog.remove_version("clicks", 1))
    assert HIDDEN in whole


def test_the_audit_tells_hidden_from_missing_and_answers_both(fresh_sides: tuple[Side, Side]) -> None:
    for side, reason in zip(fresh_sides, ("hidden", "unknown"), strict=True):
        outcome(lambda side=side: side.as_(OUTSIDERS["viewer"][0]).catalog.resolve(HIDDEN))  # type: ignore[misc]
        (line,) = side.access.audit(AuditQuery(dataset=HIDDEN)).records
        assert (line.user, line.call, line.reason) == ("vera", "catalog.resolve", reason)


def test_a_hidden_fill_s_manifest_is_not_told_by_storing_it_again(sides: tuple[Side, Side], tmp_path: Path) -> None:
    """Its digest is what the asker has in hand; that it can be stored says nothing of who else has it."""
    manifest = Manifest.registered([Entry(path="part", size_bytes=10, etag="other")])
    file = tmp_path / "mine.parquet"
    manifest.write(file)
    for side in sides:
        eve = side.as_(OUTSIDERS["scientist"][0])
        assert outcome(lambda eve=eve: eve.catalog.store_manifest(file)) == manifest.manifest_digest  # type: ignore[misc]
        assert outcome(lambda eve=eve: eve.catalog.manifest_path(manifest.manifest_digest))[1] == "manifest-not-found"  # type: ignore[misc]


def test_an_agent_has_no_business_at_another_site_s_volume(fresh_sides: tuple[Side, Side]) -> None:
    stolen = fresh_sides[0].as_(Agent(site="aks", user="root"))
    fresh_sides[0].access.subjects.settle("v1", "dgx")
    clicks = fresh_sides[0].hub.catalog.resolve("clicks")
    calls: dict[str, Callable[[], object]] = {
        "volumes.get": lambda: stolen.volumes.get("v1"),
        "volumes.add": lambda: stolen.volumes.add("v1", "/elsewhere", 1),
        "replicas.all": lambda: stolen.replicas.all("v1"),
        "fills.claim": lambda: stolen.fills.claim("v1", clicks, holder()),
        "leases.take": lambda: stolen.leases.take("v1", clicks, holder()),
    }
    for call in calls.values():
        with pytest.raises(NotAllowedError, match="for the agent of the site 'aks' alone"):
            call()
    refused = fresh_sides[0].access.audit(AuditQuery(user="agent:aks", outcome=Outcome.REFUSED)).records
    assert [line.call for line in reversed(refused)] == list(calls)


def methods_of(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
