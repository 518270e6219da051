"""Every route x role x ownership, from the outside; and of what is hidden nothing can be told by any of them (PRIVATE).

Two served hubs that differ in one dataset alone are asked the same. What an action needs, `hub.access.rules` says,
which tests/unit/hub/test_rules.py holds to a table written by hand; this is whether every route asks for the right one.
"""

from __future__ import annotations

import gzip
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.rules import ALLOWED, Action, Data, Job, Person, Place, Verdict, Whole, decide, decide_on_run
from forebay.hub.access.rules import HIDDEN as HIDDEN_FROM_THEM
from forebay.hub.access.rules import Subject as About
from forebay.hub.access.store import AccessStore
from forebay.hub.api.app import create_app
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.testing.served import ServedHubs
from forebay.wire.access import DatasetPolicy, NewToken, Role
from forebay.wire.codec import to_json
from forebay.wire.http import API, PARQUET
from forebay.wire.rules import NewRule
from forebay.wire.runs import Code, DataUse, NewRun
from forebay.wire.sites import Hello, TaskKind
from tests.contract.hub import test_methods as methods
from tests.contract.hub.sides import DONE, add, fill, ids, statements, transfer
from tests.contract.hub.test_private import ABOUT_NO_DATASET, BY_AN_ID, TELLS_OF_A_NAME
from tests.integration.hub.routes import EVERYBODY, ROUTES, SIGNED_IN, Route, Subject

VOLUME, AGENTS_VOLUME, ASKING_VOLUME, HIDDEN = "v1", "w1", "x1", "clicks-private"
SITE = "aks"
TEAMS = frozenset({"ads"})
POLICIES = {
    "owned": DatasetPolicy(dataset="owned", read=("maps",), write=("maps",), run=("maps",)),
    "shared": DatasetPolicy(dataset="shared", read=("ads",), write=("ads",), run=("ads",)),
    "readable": DatasetPolicy(dataset="readable", read=("ads",), write=("maps",), run=("maps",)),
    HIDDEN: DatasetPolicy(dataset=HIDDEN, read=("maps",)),
}
OWNERS = {"owned": "tester"}
OUTSIDERS = {
    "viewer": NewToken(user="tester", role=Role.VIEWER),
    "scientist": NewToken(user="tester", role=Role.SCIENTIST),
    "engineer": NewToken(user="tester", role=Role.ENGINEER),
    "an admin's token for other datasets": NewToken(
        user="root", role=Role.ADMIN, datasets=("owned", "shared", "readable")
    ),
    "the agent of another site": NewToken(user="root", role=Role.VIEWER, site="aks"),
}
"""Whoever may not know of the hidden dataset."""

LAST = ("access.set_policy", "catalog.remove_version", "catalog.remove_dataset", "access.remove_team")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A served hub, and who asks it."""

    hub: LocalHub
    access: AccessStore
    http: httpx2.Client
    subjects: dict[str, Subject]

    def ask(self, template: str, route: Route, subject: Subject) -> httpx2.Response:
        request = self.http.build_request(**route.request(template, subject))
        response = self.http.send(request, stream=True)
        if response.is_success and route.goes_on:
            response.close()  # it would go on; that it began says enough
        else:
            response.read()
        return response


def of_role(role: Role) -> NewToken:
    return NewToken(user="tester", role=role)


class Stock:
    """Homes of hubs that were filled once and are copied for every test that changes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._subjects: dict[str, dict[str, Subject]] = {}

    def lay_out(self, home: Path, asker: NewToken, *, hidden: bool) -> dict[str, Subject]:
        """A home for a hub of which this asker will ask; what is in it."""
        name = f"{asker.role}-{bool(asker.site)}-{hidden}"
        if name not in self._subjects:
            hub = _opened(self._folder / name)
            with mock.patch.object(uuid, "uuid4", side_effect=ids()):
                made = _filled(hub, AccessStore(hub.engine, FakeClock()), asker, self._folder, hidden=hidden)
            hub.close()
            self._subjects[name] = made
        shutil.copytree(self._folder / name, home)
        return dict(self._subjects[name])


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return Stock(tmp_path_factory.mktemp("stock"))


TwoSides = Callable[[NewToken], AbstractContextManager[tuple[Side, Side]]]


@pytest.fixture
def two_sides(tmp_path: Path, served_hubs: ServedHubs, stock: Stock) -> TwoSides:
    """For an asker: the side that has the hidden dataset, and the one that has not."""
    return lambda asker: _two_sides(tmp_path, served_hubs, stock, asker)


@contextmanager
def _two_sides(folder: Path, served: ServedHubs, stock: Stock, asker: NewToken) -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        sides = []
        for name in ("hidden", "missing"):
            subjects = stock.lay_out(folder / name, asker, hidden=name == "hidden")
            hub = _opened(folder / name)
            stack.callback(hub.close)
            access = AccessStore(hub.engine, FakeClock())
            secret = access.make_token(asker).secret
            served.admit(hub, FakeClock(), secret)
            stack.callback(served.take_back, secret)
            headers = {"Authorization": f"Bearer {secret}"}
            http = stack.enter_context(httpx2.Client(base_url=served.url, headers=headers, timeout=60))
            sides.append(Side(hub=hub, access=access, http=http, subjects=subjects))
        hidden, missing = sides
        missing.subjects[HIDDEN] = hidden.subjects[HIDDEN]
        for side in sides:
            side.http.get(f"{API}/me")  # a token's first use is noted
        yield hidden, missing


def _opened(home: Path) -> LocalHub:
    return LocalHub.open(home, f"sqlite:///{home}/hub.db", FakeClock())


def _filled(hub: LocalHub, access: AccessStore, asker: NewToken, folder: Path, *, hidden: bool) -> dict[str, Subject]:
    """What is visible comes first, so that ids and counters are the same with and without the rest."""
    for name, own in {"root": Role.ADMIN, "vera": Role.VIEWER, "tester": asker.role}.items():
        access.add_user(name, own)
    access.join_team("ads", ["tester"])
    access.join_team("maps", [])
    hub.volumes.add(VOLUME, "/volume", 10_000)
    hub.volumes.set_quota(VOLUME, "maps", 5_000)
    hub.links.serve(VOLUME, "http://127.0.0.1:1")
    for volume, site in {AGENTS_VOLUME: SITE, ASKING_VOLUME: "dgx"}.items():
        hub.volumes.add(volume, f"/volume-of-{site}", 10_000)
        access.subjects.settle(volume, site)
    hub.sites.attach(Hello(site=SITE, volume_id=AGENTS_VOLUME, gpus=4, cpus=16, memory_bytes=2**34))
    names = [name for name in POLICIES if hidden or name != HIDDEN]
    # From a site's agent hides what may not be at its site.
    sites = ("dgx",) if asker.site else ()
    policies = {**POLICIES, HIDDEN: replace(POLICIES[HIDDEN], sites=sites)}
    return {name: _dataset(hub, access, policies[name], folder) for name in names}


def _dataset(hub: LocalHub, access: AccessStore, policy: DatasetPolicy, folder: Path) -> Subject:
    """With a replica that is in use and fetched by another site, a tag, a fill of its next version, a task and a run.

    The fills and the lease are the asker's, the run is its owner's.
    """
    name = policy.dataset
    version = add(hub, name, f"first of {name}", created_by=OWNERS.get(name, "root"))
    access.set_policy(policy)
    version = hub.catalog.resolve(version.ref)
    hub.catalog.tag(name, "prod", 1, "root")
    granted = fill(hub, VOLUME, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    lease = hub.leases.take(VOLUME, version, holder())
    waits = fill(hub, VOLUME, add(hub, name, f"next of {name}"))
    hub.links.report(VOLUME, transfer(name))
    fetches = fill(hub, ASKING_VOLUME, version)
    (peer,) = hub.links.holders(fetches.fill_id, fetches.token, "s3://lake").peers
    task = hub.sites.ask(SITE, TaskKind.EVICT, version.ref, "why", by="root")
    bundle = folder / "bundle.tar.gz"
    bundle.write_bytes(gzip.compress(name.encode(), mtime=0))
    code = hub.runs.store_code(bundle)
    run = hub.runs.submit(
        NewRun(
            command=("train",),
            data=(DataUse(name="data", ref=version.ref),),
            code=Code(bundle=code),
            submitted_by=OWNERS.get(name, "root"),
        )
    )
    rule = hub.rules.add(NewRule(ref=f"{name}@prod", at=f"site={SITE}", owner="root"))
    token = access.make_token(NewToken(user="root", role=Role.VIEWER)).token
    return Subject(
        dataset=name,
        digest=version.manifest_digest,
        fill_id=waits.fill_id,
        lease_id=lease.lease_id,
        token_id=token.token_id,
        run_id=run.run_id,
        task_id=task.task_id,
        rule_id=rule.rule_id,
        bundle=code,
        ticket=peer.ticket,
    )


def test_every_route_has_an_expectation() -> None:
    app = create_app(mock.Mock(), answers=mock.Mock(), check=bool)
    found = {
        f"{method} {route.path}"
        for route in iter_route_contexts(app.routes)
        for method in set(route.methods or ()) - {"HEAD"}
    }
    assert found == set(ROUTES), "a new route belongs in tests/integration/hub/routes.py"
    known = {name for table in _tables() for name in table}
    assert {route.call for route in ROUTES.values()} - {EVERYBODY, SIGNED_IN} <= known


def test_without_a_token_nobody_gets_beyond_the_door(two_sides: TwoSides) -> None:
    with two_sides(of_role(Role.ADMIN)) as (side, _):
        del side.http.headers["Authorization"]
        for template, route in ROUTES.items():
            response = side.ask(template, route, side.subjects["owned"])
            assert (response.status_code == 401) is (route.call != EVERYBODY), template
            if response.status_code == 401:
                assert response.json()["error"]["kind"] == "not-signed-in", template


@pytest.mark.parametrize("role", Role)
def test_every_route_asks_for_its_action(role: Role, two_sides: TwoSides) -> None:
    """Allowed is what is neither refused nor as if it were not there; hidden is byte for byte as if it were not.

    On the side that has it not, nothing else is done: whoever may not know of it learns nothing of other calls, either.
    """
    with two_sides(of_role(role)) as (hidden, missing):
        person = Person(user="tester", role=role, teams=TEAMS)
        for template, route in sorted(ROUTES.items(), key=_order):
            for name in POLICIES if _is_of_a_dataset(route.call) else ["shared", HIDDEN]:
                subject = hidden.subjects[name]
                expected = _verdict(person, route.call, name)
                place = f"{role} {template} {name}"
                response = hidden.ask(template, route, subject)
                assert response.status_code not in (401, 500), place
                refused = response.status_code == 403 and response.json()["error"]["kind"] == "not-allowed"
                assert refused is (not expected.allowed and expected.visible), (place, response.text)
                if not expected.visible and route.call not in TELLS_OF_A_NAME:
                    assert _told(response) == _told(missing.ask(template, route, subject)), place


@pytest.mark.parametrize("who", OUTSIDERS)
def test_PRIVATE_lists_are_those_of_a_hub_that_has_it_not(who: str, two_sides: TwoSides) -> None:
    with two_sides(OUTSIDERS[who]) as sides:
        for template, route in ROUTES.items():
            about_all = route.call in (*ABOUT_NO_DATASET, SIGNED_IN)
            if template.startswith("GET") and not about_all and not _begins(route):
                answers = [side.ask(template, route, side.subjects[HIDDEN]) for side in sides]
                assert _told(answers[0]) == _told(answers[1]), template


@pytest.mark.parametrize("who", OUTSIDERS)
def test_PRIVATE_hidden_and_missing_take_the_same_steps(who: str, two_sides: TwoSides) -> None:
    """The same statements in the same order, from the request to its answer: time tells no more than that."""
    skipped = {*BY_AN_ID, *TELLS_OF_A_NAME, *ABOUT_NO_DATASET, EVERYBODY, SIGNED_IN}
    with two_sides(OUTSIDERS[who]) as sides:
        for template, route in ROUTES.items():
            if route.call in skipped or _begins(route):
                continue
            taken = []
            for side in sides:
                with statements(side.hub.engine) as steps:
                    side.ask(template, route, side.subjects[HIDDEN])
                taken.append(list(steps))
            assert taken[0], template
            assert taken[0] == taken[1], template


def test_PRIVATE_who_has_the_same_bytes_is_told_of_nobody_else(tmp_path: Path, two_sides: TwoSides) -> None:
    """Storing a manifest that a hidden dataset has answers as if nobody had it, and opens nothing of that one."""
    manifest = Manifest.registered([Entry(path="part", size_bytes=10, etag=f"first of {HIDDEN}")])
    manifest.write(tmp_path / "mine")
    content = (tmp_path / "mine").read_bytes()
    with two_sides(of_role(Role.SCIENTIST)) as sides:
        answers = []
        for side in sides:
            assert side.subjects[HIDDEN].digest == manifest.manifest_digest
            sent = side.http.post(f"{API}/manifests", content=content, headers={"Content-Type": PARQUET})
            assert sent.status_code == 201
            found = [
                side.http.get(f"{API}/manifests/{manifest.manifest_digest}{part}")
                for part in ("", "/seal", "/seal/file", "/recipe")
            ]
            new = {"dataset": "mine", "manifest_digest": manifest.manifest_digest, "origin": "registered"}
            added = side.http.post(f"{API}/datasets/mine/versions", json={**new, "lake_url": "s3://mine"})
            claimed = side.http.post(
                f"{API}/volumes/{VOLUME}/claims",
                json={"dataset": "mine", "number": 1, "holder": to_json(holder())},
            )
            answers.append(
                [_told(item) for item in (sent, *found)]
                + [added.status_code, claimed.json()["answer"], claimed.json().get("present_bytes")]
            )
        assert answers[0] == answers[1]


def _verdict(person: Person, call: str, name: str) -> Verdict:
    data = Data(name=name, owner=OWNERS.get(name, "root"), policy=POLICIES[name])
    place, site = Place(site=""), Place(site=SITE)
    about: tuple[tuple[Mapping[str, Action], About], ...] = (
        (methods.ON_DATA, data),
        (methods.ON_DATA_AT_A_VOLUME, replace(data, at=place)),
        (methods.ON_DATA_AT_A_SITE, replace(data, at=site)),
        (methods.ON_A_VOLUME, place),
        (methods.ON_A_SITE, site),
        (methods.ON_THE_HUB, Whole()),
    )
    if call in methods.ON_A_RUN:
        job = Job(submitter=data.owner, team="", sites=frozenset(), reads=(data,), makes=())
        verdict = decide_on_run(person, methods.ON_A_RUN[call], job)
        # To have it tried again is to run it.
        return decide(person, Action.RUN, data) if verdict.allowed and call == "runs.retry" else verdict
    verdict = next((decide(person, table[call], subject) for table, subject in about if call in table), ALLOWED)
    if call in methods.AN_AGENTS_ALONE:
        verdict = Verdict(allowed=False)
    whole = decide(person, Action.RUN, Whole())
    if call in ("runs.submit", "runs.explain") and not whole.allowed:
        return whole  # who may run nothing is told so before any dataset is looked for
    # A ticket is looked at only for who tends the volume that it was shown to.
    names_it = call == "access.make_token" or (call in BY_AN_ID and (verdict.allowed or call != "links.ticketed"))
    if names_it and not decide(person, Action.READ, data).visible:
        return HIDDEN_FROM_THEM
    return verdict


def _told(response: httpx2.Response) -> tuple[object, ...]:
    """All of an answer but its own id, the time, and access groups, which are made by chance."""
    own = {"date", "x-request-id"}
    kept = sorted(item for item in response.headers.items() if item[0] not in own)
    return response.status_code, kept, re.sub(r"g-[0-9a-f]{16}", "g-", response.text)


def _tables() -> tuple[dict[str, object], ...]:
    return (
        dict(methods.ON_DATA),
        dict(methods.ON_DATA_AT_A_VOLUME),
        dict(methods.ON_DATA_AT_A_SITE),
        dict(methods.ON_A_VOLUME),
        dict(methods.ON_A_SITE),
        dict(methods.ON_A_RUN),
        dict.fromkeys(methods.AN_AGENTS_ALONE),
        dict(methods.ON_THE_HUB),
        dict(methods.REFUSED_TO_NOBODY),
    )


def _is_of_a_dataset(call: str) -> bool:
    """Also what is known by an id alone."""
    tables = (methods.ON_DATA, methods.ON_DATA_AT_A_VOLUME, methods.ON_DATA_AT_A_SITE, methods.ON_A_RUN)
    return any(call in table for table in tables) or call in ("runs.add_log", "runs.keep", "runs.code_path")


def _begins(route: Route) -> bool:
    """Whether it is a stream that begins, also where nothing is hidden: it shows what is there, of anybody's."""
    return route.goes_on and route.call not in BY_AN_ID


def _order(item: tuple[str, Route]) -> tuple[bool, bool, int]:
    """What changes nothing comes first, what takes much away last."""
    template, route = item
    return not template.startswith("GET"), route.call in LAST, LAST.index(route.call) if route.call in LAST else 0
