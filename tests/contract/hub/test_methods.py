"""Every method of every protocol x every role: each asks for exactly the action that this table gives it.

What an action needs, `tests/unit/hub/test_rules.py` has in full. The methods are found by introspection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Action, Data, Job, OnRun, Person, Place, Whole, decide, decide_on_run
from forebay.wire.access import DatasetPolicy, NewToken, Role
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.catalog import NewVersion
from forebay.wire.previews import PreviewDone
from forebay.wire.sites import Hello, SiteState
from tests.contract.hub.sides import AGENTS_VOLUME, HIDDEN, VOLUME, Side, outcome, two_sides
from tests.contract.hub.test_private import CASES, FACES, methods_of

ON_DATA: dict[str, Action] = {
    "catalog.dataset": Action.READ,
    "catalog.versions": Action.READ,
    "catalog.resolve": Action.READ,
    "catalog.manifest_path": Action.READ,
    "catalog.recipe_path": Action.READ,
    "catalog.add_version": Action.WRITE,
    "catalog.set_team": Action.GOVERN,
    "catalog.set_stale_after": Action.GOVERN,
    "catalog.describe": Action.GOVERN,
    "catalog.add_subset": Action.WARM,
    "catalog.tag": Action.TAG,
    "catalog.untag": Action.TAG,
    "catalog.tag_history": Action.READ,
    "catalog.lineage": Action.READ,
    "catalog.restore_version": Action.TEND,
    "rules.get": Action.READ,
    "rules.add": Action.KEEP,
    "rules.remove": Action.EVICT,
    "access.policy": Action.READ,
    "access.set_policy": Action.GOVERN,
    "runs.submit": Action.RUN,
    "runs.explain": Action.RUN,
    "retention.policy": Action.READ,
    "retention.plan": Action.READ,
    "retention.set_policy": Action.REMOVE,
    "retention.apply": Action.REMOVE,
    "retention.retire": Action.REMOVE,
    "retention.restore": Action.REMOVE,
    "previews.ask": Action.OPEN,
    "previews.files": Action.READ,
    "previews.are_on": Action.READ,
    "previews.switch": Action.GOVERN,
    "catalog.remove_version": Action.REMOVE,
    "catalog.remove_dataset": Action.REMOVE,
}

ON_DATA_AT_A_VOLUME: dict[str, Action] = {
    "fills.claim": Action.WARM,
    "fills.look": Action.READ,
    "fills.reserve": Action.WARM,
    "fills.renew": Action.WARM,
    "fills.finish": Action.WARM,
    "fills.fail": Action.WARM,
    "fills.prefer": Action.OPEN,
    "links.report": Action.WARM,
    "links.holders": Action.WARM,
    "links.suspect": Action.WARM,
    "leases.take": Action.OPEN,
    "leases.renew": Action.OPEN,
    "replicas.get": Action.READ,
    "replicas.pin": Action.PIN,
    "replicas.unpin": Action.PIN,
    "replicas.confirm_lake": Action.EVICT,
    "replicas.begin_evict": Action.EVICT,
    "replicas.renew_evict": Action.EVICT,
    "replicas.abandon_evict": Action.EVICT,
    "replicas.cancel_evict": Action.EVICT,
    "replicas.finish_evict": Action.EVICT,
    "replicas.mark_verified": Action.TEND,
    "replicas.mark_damaged": Action.TEND,
    "replicas.adopt": Action.TEND,
    "replicas.forget": Action.TEND,
}

ON_A_VOLUME: dict[str, Action] = {
    "volumes.get": Action.READ,
    "volumes.add": Action.READ,  # of one that is known: else it is to be tended
    "volumes.report_health": Action.READ,  # and heard only from who tends it
    "volumes.set_used_bytes": Action.TEND,
    "volumes.free_bytes": Action.TEND,
    "volumes.record": Action.TEND,
    "volumes.events": Action.READ,
    "volumes.savings": Action.READ,
    "volumes.uses": Action.READ,
    "volumes.quotas": Action.READ,
    "volumes.set_quota": Action.GOVERN,
    "volumes.remove_quota": Action.GOVERN,
    "fills.open_fills": Action.READ,
    "fills.abandon": Action.TEND,
    "links.serve": Action.TEND,
    "links.ticketed": Action.TEND,
    "leases.live": Action.READ,
    "leases.lapsed": Action.READ,
    "replicas.all": Action.READ,
}

ON_DATA_AT_A_SITE: dict[str, Action] = {
    "sites.ask": Action.EVICT,
    "sites.withdraw": Action.EVICT,
}

ON_A_SITE: dict[str, Action] = {
    "sites.get": Action.READ,
    "sites.set_state": Action.TEND,
    "sites.set_prices": Action.TEND,
    "sites.remove": Action.MANAGE,
    "downtimes.plan": Action.TEND,
    "downtimes.cancel": Action.TEND,
}

ON_A_RUN: dict[str, OnRun] = {
    "runs.get": OnRun.SEE,
    "runs.log": OnRun.INSPECT,
    "runs.keepsakes": OnRun.REVIEW,
    "runs.keepsake": OnRun.REVIEW,
    "runs.cancel": OnRun.STEER,
    "runs.retry": OnRun.STEER,
}

AN_AGENTS_ALONE = {
    *("sites.attach", "sites.beat", "sites.orders", "sites.leave"),
    *("runs.add_log", "runs.keep", "previews.done"),
}

ON_THE_HUB: dict[str, Action] = {
    "catalog.store_manifest": Action.WARM,
    "catalog.store_seal": Action.WARM,
    "catalog.store_recipe": Action.WARM,
    "catalog.seal": Action.WARM,
    "links.declare": Action.GOVERN,
    "links.forget": Action.GOVERN,
    "runs.store_code": Action.RUN,
    "access.users": Action.MANAGE,
    "access.add_user": Action.MANAGE,
    "access.set_role": Action.MANAGE,
    "access.remove_user": Action.MANAGE,
    "access.teams": Action.MANAGE,
    "access.join_team": Action.MANAGE,
    "access.leave_team": Action.MANAGE,
    "access.remove_team": Action.MANAGE,
    "access.make_token": Action.MANAGE,
    "access.audit": Action.AUDIT,
}

REFUSED_TO_NOBODY = {
    "catalog.datasets": "filtered",
    "catalog.seal_path": "as if there were none",
    "volumes.at": "as if there were none",
    "fills.wishes": "as if there were none",
    "links.all": "filtered",
    "leases.release": "one's own",
    "access.me": "who asks",
    "sites.all": "everybody's to see",
    "sites.tasks": "filtered",
    "downtimes.all": "everybody's to see",
    "rules.all": "filtered",
    "runs.page": "filtered",
    "runs.code_path": "as if there were none",
    "access.tokens": "one's own",
    "access.revoke_token": "as if there were none",
}

OWN: dict[str, Callable[[Guarded, Side, str], Any]] = {
    "catalog.store_manifest": lambda hub, side, volume: hub.catalog.store_manifest(Path("/nowhere")),
    "catalog.store_seal": lambda hub, side, volume: hub.catalog.store_seal(Path("/nowhere")),
    "catalog.store_recipe": lambda hub, side, volume: hub.catalog.store_recipe("0" * 64, Path("/nowhere")),
    "catalog.add_version": lambda hub, side, volume: hub.catalog.add_version(_new(side)),
    "catalog.restore_version": lambda hub, side, volume: hub.catalog.restore_version(_new(side), 9),
    "catalog.set_team": lambda hub, side, volume: hub.catalog.set_team(HIDDEN, ""),
    "volumes.get": lambda hub, side, volume: hub.volumes.get(volume),
    "volumes.add": lambda hub, side, volume: hub.volumes.add(volume, "/somewhere", 10_000),
    "volumes.set_used_bytes": lambda hub, side, volume: hub.volumes.set_used_bytes(volume, 20),
    "volumes.free_bytes": lambda hub, side, volume: hub.volumes.free_bytes(volume, 0),
    "volumes.report_health": lambda hub, side, volume: hub.volumes.report_health(volume, HealthReport(sign=Sign.GOOD)),
    "volumes.set_quota": lambda hub, side, volume: hub.volumes.set_quota(volume, "ads", 1),
    "volumes.remove_quota": lambda hub, side, volume: hub.volumes.remove_quota(volume, "ads"),
    "links.declare": lambda hub, side, volume: hub.links.declare("s3://lake", "dgx"),
    "links.forget": lambda hub, side, volume: hub.links.forget("s3://lake", "dgx"),
    "links.serve": lambda hub, side, volume: hub.links.serve(volume, ""),
    "sites.get": lambda hub, side, volume: hub.sites.get("aks"),
    "sites.attach": lambda hub, side, volume: hub.sites.attach(Hello(site="aks", volume_id=AGENTS_VOLUME)),
    "sites.beat": lambda hub, side, volume: hub.sites.beat("aks", 1, ()),
    "sites.orders": lambda hub, side, volume: hub.sites.orders("aks", 1, 0, 0.0),
    "sites.leave": lambda hub, side, volume: hub.sites.leave("aks", 1),
    "sites.set_state": lambda hub, side, volume: hub.sites.set_state("aks", SiteState.UP, "why"),
    "sites.set_prices": lambda hub, side, volume: hub.sites.set_prices("aks", 1.0, 1.0),
    "sites.remove": lambda hub, side, volume: hub.sites.remove("aks"),
    "downtimes.all": lambda hub, side, volume: hub.downtimes.all(),
    "downtimes.plan": lambda hub, side, volume: hub.downtimes.plan("aks", 1.0, 2.0, "why"),
    "downtimes.cancel": lambda hub, side, volume: hub.downtimes.cancel("aks", "none"),
    "previews.done": lambda hub, side, volume: hub.previews.done("aks", 1, PreviewDone(preview_id="none", token=1)),
    "runs.store_code": lambda hub, side, volume: hub.runs.store_code(Path("/nowhere")),
    "access.users": lambda hub, side, volume: hub.access.users(),
    "access.add_user": lambda hub, side, volume: hub.access.add_user("new", Role.ADMIN),
    "access.set_role": lambda hub, side, volume: hub.access.set_role("vera", Role.ADMIN),
    "access.remove_user": lambda hub, side, volume: hub.access.remove_user("vera"),
    "access.teams": lambda hub, side, volume: hub.access.teams(),
    "access.join_team": lambda hub, side, volume: hub.access.join_team("ads", ["eve"]),
    "access.leave_team": lambda hub, side, volume: hub.access.leave_team("ads", []),
    "access.remove_team": lambda hub, side, volume: hub.access.remove_team("maps"),
    "access.make_token": lambda hub, side, volume: hub.access.make_token(NewToken(user="root", role=Role.ADMIN)),
}
"""How to call what `test_private` has no call for, or another one."""

TEAMS = frozenset({"ads"})
LAST = ("catalog.remove_version", "catalog.remove_dataset", "access.set_policy")


def test_the_table_has_every_method() -> None:
    tables = (
        *(ON_DATA, ON_DATA_AT_A_VOLUME, ON_DATA_AT_A_SITE, ON_A_VOLUME, ON_A_SITE, ON_A_RUN, AN_AGENTS_ALONE),
        *(ON_THE_HUB, REFUSED_TO_NOBODY),
    )
    names = [name for table in tables for name in table]
    assert sorted(names) == sorted(f"{face}.{name}" for face, kind in FACES.items() for name in methods_of(kind))


@pytest.mark.parametrize("site", ["dgx", ""], ids=["a site's volume", "a volume of no site"])
@pytest.mark.parametrize("role", Role)
def test_every_method_asks_for_its_action(role: Role, site: str, tmp_path: Path) -> None:
    """The dataset's owner is somebody else; a fill and a lease of it are the asker's own."""
    person = Person(user="tester", role=role, teams=TEAMS)
    with two_sides(tmp_path, lambda name: f"sqlite:///{tmp_path}/{name}.db") as (side, _):
        policy = side.access.set_policy(DatasetPolicy(dataset=HIDDEN, read=("ads",)))
        place = side.access.subjects.settle(VOLUME, site) if site else Place(site="")
        data = Data(name=HIDDEN, owner="root", policy=policy)
        subjects = (
            (ON_DATA, data),
            (ON_DATA_AT_A_VOLUME, replace(data, at=place)),
            (ON_DATA_AT_A_SITE, replace(data, at=Place(site="aks"))),
            (ON_A_VOLUME, place),
            (ON_A_SITE, Place(site="aks")),
            (ON_THE_HUB, Whole()),
        )
        asked = [(name, action, subject) for table, subject in subjects for name, action in table.items()]
        clicks = Data(name="clicks", owner="root", policy=DatasetPolicy(dataset="clicks"))
        job = Job(submitter="root", team="", sites=frozenset(), reads=(data, clicks), makes=())
        may = {name: decide(person, action, subject).allowed for name, action, subject in asked}
        may |= {name: decide_on_run(person, want, job).allowed for name, want in ON_A_RUN.items()}
        may |= dict.fromkeys(AN_AGENTS_ALONE, False)
        for name, allowed in sorted(may.items(), key=lambda item: item[0] in LAST):
            answer = outcome(lambda name=name: _call(name)(side.as_(person), side, VOLUME))  # type: ignore[misc]
            refused = isinstance(answer, tuple) and answer[:2] == ("NotAllowedError", "not-allowed")
            assert refused is not allowed, (name, answer)


def _call(name: str) -> Callable[[Guarded, Side, str], Any]:
    return OWN.get(name) or CASES[name]


def _new(side: Side) -> NewVersion:
    manifest = Manifest.registered([Entry(path="part", size_bytes=10, etag="newest")])
    return NewVersion(
        dataset=HIDDEN, manifest_digest=manifest.manifest_digest, origin="registered", lake_url="s3://lake/z"
    )
