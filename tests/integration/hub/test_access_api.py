"""Users, tokens and the audit over HTTP: what only this face has. The rest is in tests/contract/hub/test_access.py."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading
from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.errors import ConflictError
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Deed, Line, Request
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.testing.served import ServedHubs
from forebay.wire.access import AuditQuery, AuditRecord, NewToken, Outcome, Role
from forebay.wire.cache import FillDone, Granted, Holder
from tests.integration.hub.lossy import LossyProxy
from tests.integration.hub.test_once import AT_ONCE

KEY = {"Idempotency-Key": "mine-1"}
HOLDER: dict[str, Any] = {"user": "ada", "host": "here", "pid": 1, "purpose": "test"}
MANIFEST = Manifest.registered([Entry(path="a", size_bytes=1, etag="1")])
DONE = FillDone(added_bytes=1, moved_bytes=1, present_bytes=0, seconds=1.0, seal_digest="")


@pytest.fixture
def store(local: LocalHub, clock: FakeClock) -> AccessStore:
    made = AccessStore(local.engine, clock)
    made.add_user("ada", Role.SCIENTIST)
    return made


@pytest.fixture
def ada(store: AccessStore, local: LocalHub, clock: FakeClock, served_hubs: ServedHubs) -> Iterator[str]:
    """A token of a scientist's, for the hub with its guard."""
    secret = store.make_token(NewToken(user="ada", role=Role.SCIENTIST)).secret
    served_hubs.admit(local, clock, secret)
    yield secret
    served_hubs.take_back(secret)


def test_a_secret_is_in_one_answer_and_kept_nowhere(
    http: httpx2.Client, local: LocalHub, store: AccessStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = {"user": "ada", "role": "viewer", "note": "once"}
    first = http.post("/tokens", json=asked, headers=KEY)
    assert (first.status_code, first.headers["Cache-Control"]) == (201, "no-store")
    made = first.json()
    again = http.post("/tokens", json=asked, headers=KEY)
    assert (again.status_code, again.json()["error"]["kind"]) == (409, "secret-told-once")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert made["token"]["token_id"] in again.json()["error"]["todo"], "what to revoke"
    assert [item.note for item in store.tokens()] == ["once"], "it was made once"
    with reading(local.engine) as connection:
        kept = connection.execute(sa.select(t.answer)).mappings().all()
        tokens = connection.execute(sa.select(t.token)).mappings().all()
    assert len(kept) == 1
    assert made["secret"] not in f"{kept}{tokens}{again.text}{caplog.text}"
    assert made["secret"] not in http.get("/tokens").text


def test_a_client_whose_answer_was_lost_is_told_what_became_of_its_token(
    local: LocalHub, store: AccessStore, token: str, served_hubs: ServedHubs, tmp_path: Path
) -> None:
    with LossyProxy(int(served_hubs.url.rpartition(":")[2])) as lossy:
        unlucky = RemoteHub(lossy.url, token, tmp_path / "client", first=AT_ONCE, later=AT_ONCE)
        lossy.lose = 1
        with pytest.raises(ConflictError) as told:
            unlucky.access.make_token(NewToken(user="ada", role=Role.VIEWER))
        assert told.value.kind == "secret-told-once"
        (orphan,) = unlucky.access.tokens("ada")
        assert orphan.token_id in told.value.todo
        unlucky.close()


def test_the_audit_comes_in_pages_and_as_a_stream(http: httpx2.Client, store: AccessStore) -> None:
    for number in range(2_500):
        store.write_audit(_line(f"d{number % 2}", f"=cmd\n{number}"))
    page = http.get("/audit", params={"dataset": "d1", "limit": 3}).json()
    rest = http.get("/audit", params={"dataset": "d1", "limit": 2, "cursor": page["next"]}).json()
    assert [item["number"] for item in page["items"] + rest["items"]] == [2500, 2498, 2496, 2494, 2492]
    exported = http.get("/audit/export", params={"dataset": "d1"})
    assert exported.headers["Content-Type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert [line["number"] for line in lines] == list(range(2500, 0, -2))
    table = http.get("/audit/export", params={"format": "csv", "outcome": "allowed"})
    assert table.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert (len(rows), list(rows[0])) == (2500, list(AuditRecord.__dataclass_fields__))
    assert rows[0]["detail"].startswith("'=cmd"), "no formula for a spreadsheet"
    for wrong in ("WzAuNV0", "WyJhIl0", "x"):
        assert http.get("/audit", params={"cursor": wrong}).json()["error"]["kind"] == "bad-cursor"


def test_an_export_that_is_not_allowed_is_no_empty_stream(served_hubs: ServedHubs, ada: str) -> None:
    headers = {"Authorization": f"Bearer {ada}"}
    refused = httpx2.get(f"{served_hubs.url}/api/v1/audit/export", headers=headers)
    assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "not-allowed")


def test_everybody_may_ask_who_they_are(served_hubs: ServedHubs, ada: str, store: AccessStore) -> None:
    store.join_team("ads", ["ada"])
    me = httpx2.get(f"{served_hubs.url}/api/v1/me", headers={"Authorization": f"Bearer {ada}"}).json()
    (token,) = store.tokens("ada")
    assert (me["user"], me["role"], me["teams"], me["token_id"]) == ("ada", "scientist", ["ads"], token.token_id)


def test_who_asks_and_from_where_is_in_the_audit(served_hubs: ServedHubs, ada: str, store: AccessStore) -> None:
    headers = {"Authorization": f"Bearer {ada}", "X-Request-ID": "r-7"}
    asked = {"name": "eve", "role": "admin"}
    assert httpx2.post(f"{served_hubs.url}/api/v1/users", headers=headers, json=asked).status_code == 403
    with_address = store.audit(AuditQuery()).records[0]
    assert (with_address.user, with_address.source, with_address.request_id) == ("ada", "127.0.0.1", "r-7")


def _line(dataset: str, detail: str) -> Line:
    deed = Deed(action="read", call="catalog.resolve", dataset=dataset, detail=detail)
    return Line(user="ada", token_id="t", deed=deed, request=Request(), outcome=Outcome.ALLOWED)


def test_what_comes_often_asks_for_the_token_each_time(
    http: httpx2.Client, served_hubs: ServedHubs, store: AccessStore, ada: str
) -> None:
    often = [
        ("GET", "/version?ref=clicks@v1", None),
        ("GET", "/datasets", None),
        ("POST", "/volumes/nowhere/leases", {"dataset": "x", "number": 1, "holder": HOLDER}),
        ("PUT", "/leases/none", None),
        ("DELETE", "/leases/none", None),
        ("PUT", "/sites/aks/agent", {"site": "aks", "volume_id": "v"}),
        ("POST", "/sites/aks/beats", {"agent_token": 1}),
        ("GET", "/sites/aks/orders?agent_token=1", None),
    ]
    headers = {"Authorization": f"Bearer {ada}"}

    def kinds() -> set[str]:
        answers = [http.request(method, path, json=body, headers=headers) for method, path, body in often]
        return {answer.json()["error"]["kind"] for answer in answers if answer.is_error}

    assert "not-signed-in" not in kinds()
    store.revoke_token(store.tokens("ada")[0].token_id)
    answers = [http.request(method, path, json=body, headers=headers) for method, path, body in often]
    assert [answer.json()["error"]["kind"] for answer in answers] == ["not-signed-in"] * len(often)


def test_a_lease_and_its_line_in_the_audit_come_together(
    http: httpx2.Client, local: LocalHub, store: AccessStore, ada: str
) -> None:
    version = add_version(local, "clicks", MANIFEST, "s3://lake/x")
    headers = {"Authorization": f"Bearer {ada}"}
    wanted = {"dataset": "clicks", "number": 1, "holder": HOLDER}
    assert http.post("/volumes/v1/leases", json=wanted, headers=headers).json()["error"]["kind"] == "not-ready"
    granted = local.fills.claim("v1", version, Holder(**HOLDER))
    assert isinstance(granted, Granted)
    local.fills.finish(granted.fill_id, granted.token, DONE)
    writes: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        writes.append(statement.partition("(")[0].strip())

    sa.event.listen(local.engine, "before_cursor_execute", note)
    sa.event.listen(local.engine, "commit", lambda _: writes.append("COMMIT"))
    assert http.post("/volumes/v1/leases", json=wanted, headers=headers).status_code == 201
    at = writes.index("INSERT INTO audit")
    assert "COMMIT" not in writes[at : writes.index("INSERT INTO lease")]
    lines = [item for item in store.audit(AuditQuery()).records if item.call == "leases.take"]
    assert [(item.user, item.outcome) for item in lines] == [("ada", Outcome.ALLOWED)] * 2, "also what came to nothing"
