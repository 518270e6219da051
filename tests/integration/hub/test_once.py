"""Idempotency keys, and a client that asks again when an answer was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.connection import Connection
from forebay.client.remote.hub import RemoteHub
from forebay.errors import UnavailableError
from forebay.hub.local import LocalHub
from forebay.lake.backoff import Backoff, Patience
from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder, store_manifest
from forebay.testing.served import ServedHubs
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import NewVersion
from forebay.wire.runs import NewRun, RunQuery, RunState
from forebay.wire.sites import Hello, Report, SiteState, TaskState
from tests.integration.hub.conftest import VOLUME, new_version
from tests.integration.hub.lossy import LossyProxy

DONE = FillDone(added_bytes=120, moved_bytes=100, present_bytes=0, seconds=2.0, seal_digest="")
AT_ONCE = Patience(backoff=Backoff(attempts=5, base_s=0.0), sleep=bool)


@pytest.fixture
def lossy(served_hubs: ServedHubs) -> Iterator[LossyProxy]:
    with LossyProxy(int(served_hubs.url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def unlucky(lossy: LossyProxy, token: str, tmp_path: Path) -> Iterator[RemoteHub]:
    """A client whose answers get lost when the proxy is told so."""
    opened = RemoteHub(lossy.url, token, tmp_path / "client", first=AT_ONCE, later=AT_ONCE)
    yield opened
    opened.close()


def test_the_same_key_and_request_happen_once(http: httpx2.Client, local: LocalHub) -> None:
    key = {"Idempotency-Key": "mine-1"}
    line = {"ref": "d@v1", "event": "tried", "reason": "", "size_bytes": 1}
    first = http.post(f"/volumes/{VOLUME}/events", json=line, headers=key)
    again = http.post(f"/volumes/{VOLUME}/events", json=line, headers=key)
    assert (first.status_code, again.status_code) == (204, 204)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(local.volumes.events(VOLUME, 10)) == 1
    http.post(f"/volumes/{VOLUME}/events", json=line)
    assert len(local.volumes.events(VOLUME, 10)) == 2


def test_another_request_with_a_used_key_is_a_conflict(http: httpx2.Client) -> None:
    key = {"Idempotency-Key": "mine-1"}
    http.post(f"/volumes/{VOLUME}/freed", json={"freed_bytes": 1}, headers=key).raise_for_status()
    for path, body in ((f"/volumes/{VOLUME}/freed", {"freed_bytes": 2}), ("/volumes/v2/freed", {"freed_bytes": 1})):
        refused = http.post(path, json=body, headers=key)
        assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "idempotency-key-reused")


def test_a_refusal_is_not_kept_and_nobody_gets_another_s_answer(
    http: httpx2.Client, local: LocalHub, served_hubs: ServedHubs, clock: FakeClock
) -> None:
    key = {"Idempotency-Key": "mine-1"}
    target = {"number": 1, "moved_by": "ada"}
    assert http.put("/datasets/d/tags/prod", json=target, headers=key).status_code == 404
    new_version(local, "d")
    assert http.put("/datasets/d/tags/prod", json=target, headers=key).status_code == 200
    other = served_hubs.lend(local, clock)
    theirs = http.put("/datasets/d/tags/prod", json=target, headers={**key, "Authorization": f"Bearer {other}"})
    assert "Idempotency-Replayed" not in theirs.headers
    served_hubs.take_back(other)
    gone = http.put("/datasets/d/tags/prod", json=target, headers={**key, "Authorization": f"Bearer {other}"})
    assert gone.status_code == 401


@pytest.mark.parametrize("key", ["", "a b", "x" * 129])
def test_keys_that_are_none(http: httpx2.Client, key: str) -> None:
    refused = http.post(f"/volumes/{VOLUME}/freed", json={"freed_bytes": 1}, headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["error"]["kind"]) == (400, "bad-idempotency-key")


def test_of_many_at_once_with_one_key_one_writes(http: httpx2.Client, local: LocalHub) -> None:
    barrier = threading.Barrier(6)

    def free() -> int:
        barrier.wait()
        body, key = {"freed_bytes": -10}, {"Idempotency-Key": "k"}
        return http.post(f"/volumes/{VOLUME}/freed", json=body, headers=key).status_code

    with ThreadPoolExecutor(6) as pool:
        codes = [future.result() for future in [pool.submit(free) for _ in range(6)]]
    assert set(codes) <= {204, 503}
    assert 204 in codes
    assert local.volumes.get(VOLUME).used_bytes == 10


def test_a_claim_whose_answer_was_lost_is_granted_all_the_same(
    unlucky: RemoteHub, lossy: LossyProxy, local: LocalHub
) -> None:
    version = new_version(local, "d")
    lossy.lose = 3
    granted = unlucky.fills.claim(VOLUME, version, holder())
    assert lossy.lost == 3
    assert isinstance(granted, Granted), "asked again with another key it would wait for itself"
    lossy.lose = 1
    unlucky.fills.finish(granted.fill_id, granted.token, DONE)
    lossy.lose = 1
    unlucky.leases.take(VOLUME, version, holder())
    assert len(local.leases.live(VOLUME)) == 1
    assert local.volumes.get(VOLUME).used_bytes == 120
    assert local.volumes.savings(VOLUME)[0].uses == 1


def test_a_run_is_submitted_once_and_an_agent_attaches_once_when_answers_are_lost(
    unlucky: RemoteHub, lossy: LossyProxy, local: LocalHub
) -> None:
    lossy.lose = 2
    attached = unlucky.sites.attach(Hello(site="dgx", volume_id=VOLUME, cpus=4))
    assert attached.agent_token == local.sites.get("dgx").agent_token == 1
    lossy.lose = 2
    run = unlucky.runs.submit(NewRun(command=("true",)))
    assert [item.run_id for item in local.runs.page(RunQuery()).runs] == [run.run_id]
    lossy.lose = 1
    unlucky.runs.cancel(run.run_id, "enough", "ada")
    lossy.lose = 1
    started = Report(task_id=f"run-{run.run_id}-1", token=run.attempts[0].token, state=TaskState.CANCELLED)
    assert [key.task_id for key in unlucky.sites.beat("dgx", 1, (started,)).heard] == [started.task_id]
    lossy.lose = 1
    assert unlucky.runs.retry(run.run_id).state is RunState.STARTING
    token = local.runs.get(run.run_id).attempts[1].token
    lossy.lose = 1
    assert unlucky.runs.add_log(run.run_id, 2, token, 0, "once") == 4
    assert local.runs.log(run.run_id, 2, 0, 100).text == "once"
    lossy.lose = 1
    unlucky.sites.leave("dgx", 1)
    assert local.sites.get("dgx").state is SiteState.DOWN


def test_every_kind_of_write_happens_once_when_its_answer_is_lost(
    unlucky: RemoteHub, lossy: LossyProxy, local: LocalHub
) -> None:
    version = new_version(local, "d")
    digest = store_manifest(local, Manifest.registered([Entry(path="x.tsv", size_bytes=7)]))
    lossy.lose = 1
    new = NewVersion(dataset="e", manifest_digest=digest, origin="registered", lake_url="file:///lake")
    assert unlucky.catalog.add_version(new).created
    lossy.lose = 1
    unlucky.catalog.tag("d", "prod", 1, "ada")
    lossy.lose = 1
    unlucky.catalog.untag("d", "prod", "ada")
    assert [move.number for move in local.catalog.tag_history("d")] == [0, 1]
    lossy.lose = 1
    unlucky.volumes.free_bytes(VOLUME, -70)
    assert local.volumes.get(VOLUME).used_bytes == 70
    lossy.lose = 1
    unlucky.volumes.record(VOLUME, version.ref, "tried", "again", 1)
    assert len(local.volumes.events(VOLUME, 10)) == 1
    lossy.lose = 1
    unlucky.volumes.set_quota(VOLUME, "ads", 5)
    lossy.lose = 1
    unlucky.volumes.remove_quota(VOLUME, "ads")
    lossy.lose = 1
    unlucky.catalog.remove_version(version.dataset, version.number)
    lossy.lose = 1
    unlucky.catalog.remove_dataset("e")
    assert lossy.lost == 9


def test_a_hub_that_is_away_is_told_of_soon_and_by_its_name(tmp_path: Path) -> None:
    slept: list[float] = []
    patience = Patience(backoff=Backoff(attempts=3, base_s=0.1), sleep=slept.append)
    hub = RemoteHub("http://127.0.0.1:9", "the-token", tmp_path, first=patience)
    with pytest.raises(UnavailableError) as away:
        hub.catalog.datasets()
    assert away.value.kind == "hub-away"
    assert "http://127.0.0.1:9" in away.value.message
    assert "forebay hub serve" in away.value.todo
    assert len(slept) == 2
    assert "the-token" not in repr(hub.__dict__) + repr(away.value)
    hub.close()


def test_what_is_no_hub_says_so(awkward_origin: AwkwardOrigin) -> None:
    connection = Connection(awkward_origin.url, "", first=AT_ONCE)
    with pytest.raises(UnavailableError) as told:
        connection.get(str, "/api/v1/hub")
    assert told.value.kind == "not-a-hub"
    connection.close()
