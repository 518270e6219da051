"""Every line of the log that a request causes has its id, also those of the layers below; the client chooses the id."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from forebay.client.remote.hub import RemoteHub
from forebay.hub.local import LocalHub
from forebay.log import bound, get_logger
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.catalog import Dataset
from forebay.wire.http import REQUEST_ID
from tests.integration.hub.conftest import new_version
from tests.integration.hub.lossy import LossyProxy

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="forebay"):
        yield caplog


def requests_of(log: pytest.LogCaptureFixture, count: int) -> list[str]:
    """The ids of that many requests; their lines come when they have been answered."""
    deadline = time.monotonic() + 30
    while len(found := ids_of(log, "request")) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def ids_of(log: pytest.LogCaptureFixture, event: str) -> list[str]:
    """The request ids of an event's lines, "" for a line that has none."""
    lines = [f"{record.getMessage()} " for record in log.records]
    found = [line for line in lines if line.startswith(f"event={event} ")]
    return [named[1] if (named := re.search(r"\brequest=(\S+)", line)) else "" for line in found]


class Telling:
    """A catalog's list that writes a line of its own, and waits until `people` are at it."""

    def __init__(self, hub: LocalHub, people: int) -> None:
        self._datasets = hub.catalog.datasets
        self._together = threading.Barrier(people)

    def __call__(self) -> list[Dataset]:
        self._together.wait(30)
        get_logger("catalog.test").warning("below")
        self._together.wait(30)
        get_logger("catalog.test").info("still-below", more="x")
        return self._datasets()


def test_two_requests_at_once_each_have_their_own_id_in_all_their_lines(
    http: httpx2.Client, local: LocalHub, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.catalog, "datasets", Telling(local, people=2))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: http.get("/datasets", headers={REQUEST_ID: name}), ("one", "two")))
    assert [answer.headers[REQUEST_ID] for answer in answers] == ["one", "two"]
    assert sorted(requests_of(log, 2)) == ["one", "two"]
    for event in ("below", "still-below"):
        assert sorted(ids_of(log, event)) == ["one", "two"]


def test_a_bug_is_logged_under_the_id_that_its_answer_names(
    http: httpx2.Client, local: LocalHub, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(local.catalog, "datasets", broken)
    answer = http.get("/datasets")
    (told,) = set(ids_of(log, "bug"))
    assert told
    assert told in answer.json()["error"]["message"]
    assert requests_of(log, 1) == [told]


def test_the_client_names_its_requests_and_all_tries_of_one_have_one_name(
    token: str, served_hubs: ServedHubs, local: LocalHub, log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    version = new_version(local, "clicks")
    with LossyProxy(int(served_hubs.url.rpartition(":")[2])) as proxy:
        hub = RemoteHub(proxy.url, token, tmp_path / "lossy")
        assert hub.catalog.resolve("clicks") == version
        proxy.lose = 1
        hub.catalog.tag("clicks", "prod", 1, "ada")
        hub.close()
    assert proxy.lost == 1
    resolved, first, again = requests_of(log, 3)
    assert first == again != resolved
    assert uuid.UUID(first).version == 4


def test_no_line_of_one_request_gets_into_the_next(
    http: httpx2.Client, log: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    for name in ("first", "second"):
        http.get("/datasets", headers={REQUEST_ID: name})
    get_logger("elsewhere").info("afterwards")
    assert requests_of(log, 2) == ["first", "second"]
    assert ids_of(log, "afterwards") == [""]


def test_what_is_bound_yields_to_what_is_told_and_ends_with_its_block(log: pytest.LogCaptureFixture) -> None:
    with bound(request="r1", site="dgx"), bound(request="r2"):
        get_logger("x").info("inner")
        get_logger("x").info("own", request="r3")
    get_logger("x").info("outer")
    assert [record.getMessage() for record in log.records] == [
        "event=inner request=r2 site=dgx",
        "event=own request=r3 site=dgx",
        "event=outer",
    ]
