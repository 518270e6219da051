"""A run's states and its log as server-sent events: all of it, once, also for a reader that comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from forebay.hub.local import LocalHub
from forebay.wire.runs import NewRun, Retry, Run
from forebay.wire.sites import Hello, Report, TaskState
from tests.integration.hub.conftest import VOLUME


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    name: str
    data: dict[str, Any]
    id: str


@dataclass(slots=True)
class Site:
    """The site of the volume, and the run that is there."""

    local: LocalHub
    token: int
    run: Run

    def tell(self, attempt: int, state: TaskState, exit_code: int | None = None) -> None:
        token = self.local.runs.get(self.run.run_id).attempts[attempt - 1].token
        report = Report(task_id=f"run-{self.run.run_id}-{attempt}", token=token, state=state, exit_code=exit_code)
        self.local.sites.beat("dgx", self.token, (report,))

    def print(self, attempt: int, offset: int, text: str) -> None:
        token = self.local.runs.get(self.run.run_id).attempts[attempt - 1].token
        self.local.runs.add_log(self.run.run_id, attempt, token, offset, text)


@pytest.fixture
def site(local: LocalHub) -> Site:
    token = local.sites.attach(Hello(site="dgx", volume_id=VOLUME, cpus=4)).agent_token
    retry = Retry(attempts=2, backoff_s=0.0)
    return Site(local=local, token=token, run=local.runs.submit(NewRun(command=("true",), retry=retry)))


@contextmanager
def following(http: httpx2.Client, path: str, last_id: str = "") -> Iterator[Iterator[Event]]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with http.stream("GET", path, headers=headers, timeout=60) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield _events_of(response)


def _events_of(response: httpx2.Response) -> Iterator[Event]:
    found: dict[str, str] = {}
    for line in response.iter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            found[name] = value
        elif found:
            yield Event(name=found["event"], data=json.loads(found["data"]), id=found.get("id", ""))
            found = {}


def test_a_run_s_states_are_told_as_they_come_and_end_with_it(http: httpx2.Client, site: Site) -> None:
    with following(http, f"/runs/{site.run.run_id}/stream") as events:
        first = next(events)
        assert (first.name, first.data["state"], first.id) == ("run", "starting", str(site.run.revision))
        site.tell(1, TaskState.UNDER_WAY)
        assert next(events).data["state"] == "running"
        site.tell(1, TaskState.DONE, 0)
        *_, last = events
    assert last.data["state"] == "succeeded"
    with following(http, f"/runs/{site.run.run_id}/stream", last.id) as events:
        assert list(events) == [], "who has seen the end is told nothing"
    with following(http, f"/runs/{site.run.run_id}/stream", "nonsense") as events:
        assert [event.data["state"] for event in events] == ["succeeded"]


def test_a_log_is_followed_through_all_attempts_to_its_end(http: httpx2.Client, site: Site, local: LocalHub) -> None:
    site.tell(1, TaskState.UNDER_WAY)
    site.print(1, 0, "first\n")
    with following(http, f"/runs/{site.run.run_id}/log/stream") as events:
        told = [next(events)]
        assert (told[0].data["attempt"], told[0].data["text"]) == (1, "first\n")
        site.print(1, 6, "more\n")
        told.append(next(events))
        assert told[1].data["text"] == "more\n"
        site.tell(1, TaskState.FAILED, 3)
        local.scheduler.tick()
        site.tell(2, TaskState.UNDER_WAY)
        site.print(2, 0, "again\n")
        told.append(next(events))
        assert (told[2].data["attempt"], told[2].data["text"]) == (2, "again\n")
        site.tell(2, TaskState.DONE, 0)
        (end,) = events
    assert (end.name, end.data) == (
        "ended",
        {"run_id": site.run.run_id, "state": "succeeded", "exit_code": 0},
    )
    with following(http, f"/runs/{site.run.run_id}/log/stream", told[0].id) as events:
        assert [event.data.get("text", event.name) for event in events] == ["more\n", "again\n", "ended"]


def test_a_run_that_is_unknown(http: httpx2.Client) -> None:
    for path in ("/runs/0000/stream", "/runs/0000/log/stream"):
        response = http.get(path)
        assert (response.status_code, response.json()["error"]["kind"]) == (404, "run-not-found")
