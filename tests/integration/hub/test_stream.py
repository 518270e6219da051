"""Live progress of fills as server-sent events: what changed, once, also for a reader that comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.testing.served import ServedHubs
from forebay.wire.cache import FillDone, Granted, Progress
from forebay.wire.http import API
from tests.integration.hub.conftest import VOLUME, new_version

DONE = FillDone(added_bytes=120, moved_bytes=100, present_bytes=0, seconds=2.0, seal_digest="")
PATH = f"/volumes/{VOLUME}/fills/stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    data: dict[str, Any]
    id: str


def events_of(response: httpx2.Response) -> Iterator[Event]:
    found: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            found[name] = value
        elif found:
            yield Event(name=found["event"], data=json.loads(found["data"]), id=found["id"])
            found = {}


@contextmanager
def following(http: httpx2.Client, last_id: str = "") -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with http.stream("GET", PATH, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield events_of(response)


def claimed(local: LocalHub, dataset: str) -> Granted:
    granted = local.fills.claim(VOLUME, new_version(local, dataset), holder())
    assert isinstance(granted, Granted)
    return granted


def test_progress_is_told_as_it_happens_and_its_end(http: httpx2.Client, local: LocalHub) -> None:
    granted = claimed(local, "d")
    with following(http) as events:
        first = next(events)
        assert (first.name, first.data["fill_id"], first.data["ref"]) == ("fill", granted.fill_id, "d@v1")
        local.fills.renew(granted.fill_id, granted.token, Progress(total_bytes=100, moved_bytes=40))
        assert next(events).data["progress"]["moved_bytes"] == 40
        local.fills.finish(granted.fill_id, granted.token, DONE)
        last = next(events)
        assert (last.name, last.data) == ("ended", {"fill_id": granted.fill_id, "ref": "d@v1", "state": "ready"})


def test_who_comes_back_is_told_what_was_missed_and_no_more(http: httpx2.Client, local: LocalHub) -> None:
    ending, moving, still = claimed(local, "a"), claimed(local, "b"), claimed(local, "c")
    with following(http) as events:
        *_, last = [next(events) for _ in range(3)]
    local.fills.fail(ending.fill_id, ending.token, "the lake is away", 0)
    local.fills.renew(moving.fill_id, moving.token, Progress(moved_bytes=7))
    with following(http, last.id) as events:
        missed = [next(events), next(events)]
        local.fills.renew(still.fill_id, still.token, Progress(moved_bytes=1))
        assert next(events).data["fill_id"] == still.fill_id
    assert [(event.name, event.data["fill_id"]) for event in missed] == [
        ("fill", moving.fill_id),
        ("ended", ending.fill_id),
    ]
    assert missed[1].data["state"] == "absent"


def test_an_id_of_somebody_else_tells_everything(http: httpx2.Client, local: LocalHub) -> None:
    claimed(local, "a")
    for last_id in ("nonsense", "W10=", "eyJhIjogMX0=", "7"):
        with following(http, last_id) as events:
            assert next(events).name == "fill"


def test_a_volume_that_is_unknown(http: httpx2.Client) -> None:
    response = http.get("/volumes/nowhere/fills/stream")
    assert (response.status_code, response.json()["error"]["kind"]) == (404, "volume-not-found")


def test_a_stream_ends_when_the_hub_stops(local: LocalHub, clock: FakeClock) -> None:
    claimed(local, "a")
    served = ServedHubs()
    with served:
        token = served.lend(local, clock)
        began, ended = threading.Event(), threading.Event()

        def read() -> None:
            address = f"{served.url}{API}{PATH}"
            with httpx2.stream("GET", address, headers={"Authorization": f"Bearer {token}"}, timeout=30) as response:
                for _ in events_of(response):
                    began.set()
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert began.wait(30)
    reader.join(30)
    assert ended.is_set(), "its end was a whole answer, no lost connection"


def test_who_knows_very_much_is_told_without_an_id(
    http: httpx2.Client, local: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forebay.hub.api.progress._LONGEST_ID", 10)
    claimed(local, "a")
    claimed(local, "b")
    with http.stream("GET", PATH) as response:
        lines = [line for line, _ in zip(response.iter_lines(), range(5), strict=False)]
    assert sum(line.startswith("event: fill") for line in lines) == 2
    assert not any(line.startswith("id: ") for line in lines)
