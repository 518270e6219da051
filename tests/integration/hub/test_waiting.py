"""Questions that the hub holds back until something changes: many at once, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import httpx2

from forebay.client.remote.hub import RemoteHub
from forebay.hub.local import LocalHub
from forebay.hub.watched import Revisions
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.http import API
from forebay.wire.runs import NewRun
from forebay.wire.sites import Hello, SiteState
from tests.integration.hub.conftest import VOLUME

WAITERS = 100
LONG_S = 20.0


class Watched:
    """Revisions that say when somebody waits for them."""

    def __init__(self, revisions: Revisions) -> None:
        self._revisions = revisions
        self.looked = threading.Event()

    def of_orders(self, sites: Collection[str]) -> Mapping[str, int]:
        self.looked.set()
        return self._revisions.of_orders(sites)

    def of_runs(self, run_ids: Collection[str]) -> Mapping[str, int]:
        return self._revisions.of_runs(run_ids)


def attached(local: LocalHub) -> tuple[int, int]:
    """The agent's token, and the revision of the site's orders."""
    token = local.sites.attach(Hello(site="dgx", volume_id=VOLUME, cpus=4)).agent_token
    return token, local.sites.orders("dgx", token, 0, 0.0).revision


def test_more_wait_than_there_are_threads_and_the_hub_answers_others_meanwhile(
    local: LocalHub, served_hubs: ServedHubs, token: str
) -> None:
    agent_token, revision = attached(local)
    headers = {"Authorization": f"Bearer {token}"}
    query = {"agent_token": agent_token, "after": revision, "wait_s": LONG_S}

    async def play() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=WAITERS + 5)
        address = served_hubs.url + API
        async with httpx2.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=60) as client:
            held = [asyncio.create_task(client.get("/sites/dgx/orders", params=query)) for _ in range(WAITERS)]
            # Two rounds of what needs threads: answered while all the others are held back.
            for _ in range(2):
                others = await asyncio.gather(*(client.get("/sites") for _ in range(5)))
                assert {response.status_code for response in others} == {200}
            assert not any(task.done() for task in held)
            await client.put("/sites/dgx/state", json={"wanted": "draining", "reason": "new disks"})
            return await asyncio.gather(*held)

    answers = asyncio.run(play())
    assert {response.json()["state"] for response in answers} == {"draining"}
    assert all(response.json()["revision"] > revision for response in answers)


def test_a_client_hears_of_a_change_that_came_while_it_waited(local: LocalHub, remote: RemoteHub) -> None:
    agent_token, revision = attached(local)
    run = local.runs.submit(NewRun(command=("true",), gpus=9))
    told: list[object] = []

    def wait() -> None:
        told.append(remote.sites.orders("dgx", agent_token, revision, LONG_S).state)
        told.append(remote.runs.get(run.run_id, after=local.runs.get(run.run_id).revision - 1, wait_s=LONG_S).run_id)

    waiting = threading.Thread(target=wait)
    waiting.start()
    local.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    waiting.join(LONG_S * 2)
    assert told == [SiteState.DRAINING, run.run_id]


def test_who_waits_for_nothing_is_answered_when_the_time_is_over(local: LocalHub, remote: RemoteHub) -> None:
    agent_token, revision = attached(local)
    assert remote.sites.orders("dgx", agent_token, revision, 0.3).revision == revision
    run = local.runs.submit(NewRun(command=("true",), gpus=9))
    assert remote.runs.get(run.run_id, after=run.revision, wait_s=0.3) == local.runs.get(run.run_id)


def test_a_hub_that_stops_lets_all_go_at_once(local: LocalHub, clock: FakeClock, tmp_path: Path) -> None:
    agent_token, revision = attached(local)
    with ServedHubs() as served:
        with served.client_of(local, clock, tmp_path / "client") as remote:
            assert remote.sites.get("dgx").name == "dgx"
        token = served.lend(local, clock)
        answers: list[int] = []
        local.revisions = watched = Watched(local.revisions)

        def wait() -> None:
            query = {"agent_token": agent_token, "after": revision, "wait_s": LONG_S}
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(base_url=served.url + API, headers=headers, timeout=60) as client:
                answers.append(client.get("/sites/dgx/orders", params=query).status_code)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert watched.looked.wait(LONG_S)
    waiting.join(LONG_S)
    assert answers == [200], "answered, not cut off"
