"""One shape for every failure; nothing of the inside gets out."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Any
from unittest import mock

import httpx2
import pytest

from forebay.client.remote.hub import RemoteHub
from forebay.errors import InternalError, NotAllowedError, NotFoundError
from forebay.hub.local import LocalHub
from forebay.testing.cached.world import holder
from forebay.testing.served import ServedHubs
from forebay.wire.cache import Granted
from forebay.wire.http import API
from tests.faults.test_killed import wait_for
from tests.integration.hub.conftest import VOLUME, new_version


def error_of(response: httpx2.Response, status: int) -> dict[str, str]:
    assert response.status_code == status, response.text
    data = response.json()
    assert set(data) == {"error"}
    assert set(data["error"]) == {"kind", "message", "todo"}
    assert response.headers["X-Request-ID"]
    found: dict[str, str] = data["error"]
    return found


def test_every_failure_has_the_same_shape(http: httpx2.Client) -> None:
    torn = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    cases: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("GET", "/datasets/nowhere", {}, 404, "dataset-not-found"),
        ("GET", "/version?ref=..", {}, 400, "bad-name"),
        ("GET", "/nothing-here", {}, 404, "route-not-found"),
        ("PATCH", "/datasets", {}, 405, "method-not-allowed"),
        ("GET", "/datasets?limit=0", {}, 422, "bad-request"),
        ("PUT", "/datasets/x/team", {"json": {"crew": "a"}}, 422, "bad-request"),
        ("PUT", "/datasets/x/team", torn, 422, "bad-request"),
        ("GET", "/manifests/..%2F..%2Fhub-id", {}, 404, "route-not-found"),
        ("GET", "/manifests/xyz", {}, 422, "bad-request"),
        ("GET", f"/manifests/{'0' * 64}", {}, 404, "manifest-not-found"),
        ("GET", f"/manifests/{'0' * 64}/seal", {}, 404, "nothing-learned"),
        ("DELETE", "/volumes/v1/quotas/ads", {}, 404, "quota-not-found"),
    ]
    for method, path, more, status, kind in cases:
        assert error_of(http.request(method, path, **more), status)["kind"] == kind, (method, path)


def test_a_wrong_value_is_named_and_not_repeated(http: httpx2.Client) -> None:
    told = error_of(http.put("/datasets/x/stale-after", json={"seconds": "hush-hush"}), 422)
    assert "body.seconds" in told["message"]
    assert "hush" not in told["message"]


def test_strangers_are_kept_out(served_hubs: ServedHubs, token: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
        for path in ("/hub", "/datasets", "/volumes/v1/fills/stream"):
            response = httpx2.get(served_hubs.url + API + path, headers=headers)
            assert error_of(response, 401)["kind"] == "not-signed-in"
            assert response.headers["WWW-Authenticate"] == "Bearer"
    stranger = RemoteHub(served_hubs.url, "wrong", mock.Mock())
    with closing(stranger), pytest.raises(NotAllowedError) as refused:
        stranger.catalog.datasets()
    assert refused.value.kind == "not-signed-in"


def test_a_bug_shows_its_request_and_the_log_the_rest(
    http: httpx2.Client, remote: RemoteHub, local: LocalHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "forebay")
    with mock.patch.object(local.catalog, "datasets", side_effect=ZeroDivisionError("the secret inside")):
        response = http.get("/datasets", headers={"X-Request-ID": "abc-1"})
        told = error_of(response, 500)
        assert told["kind"] == "internal"
        assert "abc-1" in told["message"]
        assert "secret" not in response.text
        assert "the secret inside" in caplog.text
        with pytest.raises(InternalError):
            remote.catalog.datasets()
    with mock.patch.object(local.catalog, "datasets", side_effect=InternalError("fill-row", "the row of x")):
        assert "row of x" not in http.get("/datasets").text


def test_requests_are_logged_without_what_they_say(
    http: httpx2.Client, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "forebay")
    http.get("/version", params={"ref": "criteo@private"}, headers={"X-Request-ID": "a b"})

    def lines() -> list[str]:
        return [record.getMessage() for record in caplog.records if "event=request" in record.getMessage()]

    # The line comes after the answer.
    wait_for(lambda: bool(lines()))
    (line,) = lines()
    assert f"path={API}/version" in line
    assert "status=404" in line
    assert "private" not in line
    assert token not in caplog.text
    assert "a b" not in line, "an id that is none is replaced"


def test_what_a_newer_client_adds_is_passed_over(http: httpx2.Client) -> None:
    seen = {"path": "/v", "limit_bytes": 7, "tier": "gold"}
    assert http.put(f"/volumes/{VOLUME}", json=seen).json()["limit_bytes"] == 7


def test_health_needs_no_token(served_hubs: ServedHubs, local: LocalHub, token: str) -> None:
    assert httpx2.get(f"{served_hubs.url}/healthz").json() == {"status": "alive"}
    assert httpx2.get(f"{served_hubs.url}/readyz").json() == {"status": "ready"}


def test_errors_come_back_as_they_were(remote: RemoteHub, local: LocalHub) -> None:
    for hub in (local, remote):
        with pytest.raises(NotFoundError) as caught:
            hub.volumes.get("nowhere")
        assert (caught.value.kind, caught.value.message) == ("volume-not-found", "no volume nowhere")
    assert remote.volumes.get(VOLUME) == local.volumes.get(VOLUME)


def test_numbers_that_no_database_holds_are_refused(http: httpx2.Client, local: LocalHub) -> None:
    huge = 2**70
    granted = local.fills.claim(VOLUME, new_version(local, "d"), holder())
    assert isinstance(granted, Granted)
    progress = f"/fills/{granted.fill_id}/progress"
    for path, body in (
        (f"/volumes/{VOLUME}/used-bytes", {"used_bytes": huge}),
        (progress, {"token": granted.token, "progress": {"moved_bytes": huge}}),
        (progress, {"token": huge, "progress": {}}),
    ):
        refused = http.put(path, json=body)
        assert (refused.status_code, refused.json()["error"]["kind"]) in ((400, "bad-value"), (422, "bad-request"))
