"""What a served hub tells a Prometheus: the right numbers, to the right readers, and nothing of what is hidden."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families as parsed

from forebay.cache.machine import Terms
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.api.limits import Limits
from forebay.hub.local import LocalHub
from forebay.hub.metrics.collector import KEPT_SECONDS, HubMetrics
from forebay.hub.metrics.readers import GuardedMetrics
from forebay.hub.metrics.tally import SETTLED_SECONDS
from forebay.hub.serve import More, guarded_by, make_app
from forebay.metrics.hub_families import COUNTERS, HUB, STANDARD
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.testing.servers import Postgres
from forebay.wire.access import AuditQuery, DatasetPolicy, NewToken, Outcome, Role
from forebay.wire.cache import FillDone, Granted, HealthReport, Progress, Sign
from forebay.wire.catalog import Version
from forebay.wire.http import API
from forebay.wire.rules import NewRule
from forebay.wire.sites import SiteState, TaskKind, TaskState
from tests.contract.hub.sited import RUN, Agent
from tests.integration.hub.conftest import new_version

pytestmark = pytest.mark.integration

VOLUME = "v1"
SECRET = "scrape-me"
Told = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/hub.db"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def hub(database_url: str, tmp_path: Path, clock: FakeClock) -> Iterator[LocalHub]:
    terms = Terms(hold_seconds=10.0, lease_seconds=100.0)
    opened = LocalHub.open(tmp_path / "home", database_url, clock, terms)
    opened.volumes.add(VOLUME, str(tmp_path / "volume"), 1000)
    yield opened
    opened.close()


def read(metrics: HubMetrics) -> Told:
    """Every sample by its name and labels."""
    families = parsed(metrics.text().decode())
    return {
        (item.name, frozenset(item.labels.items())): item.value
        for family in families
        for item in family.samples
        if not item.name.endswith("_created")
    }


def of(told: Told, name: str, **labels: str) -> float:
    return told[name, frozenset(labels.items())]


def fill(hub: LocalHub, version: Version, moved_bytes: int) -> None:
    granted = hub.fills.claim(VOLUME, version, holder())
    assert isinstance(granted, Granted)
    hub.fills.reserve(granted.fill_id, granted.token, moved_bytes, 1 << 40)
    done = FillDone(added_bytes=moved_bytes, moved_bytes=moved_bytes, present_bytes=0, seconds=2.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def story(hub: LocalHub, clock: FakeClock) -> None:
    """Two fills, one of which fails at first; three uses; an eviction; an illness."""
    clicks, views = new_version(hub, "clicks"), new_version(hub, "views", 50)
    fill(hub, clicks, 100)
    failing = hub.fills.claim(VOLUME, views, holder())
    assert isinstance(failing, Granted)
    hub.fills.renew(failing.fill_id, failing.token, Progress(moved_bytes=20))
    hub.fills.fail(failing.fill_id, failing.token, "lake-away: it is away", 20)
    clock.pass_by(1)
    fill(hub, views, 30)
    for version in (clicks, clicks, views):
        clock.pass_by(1)
        hub.leases.take(VOLUME, version, holder())
    hub.leases.release(hub.leases.live(VOLUME)[-1].lease_id)
    grant = hub.replicas.begin_evict(VOLUME, views, "ada asked for it")
    hub.replicas.finish_evict(VOLUME, views, grant.token, 30)
    hub.replicas.pin(VOLUME, clicks, "ada", "mine", 0.0)
    hub.volumes.report_health(VOLUME, HealthReport(sign=Sign.BAD, reason="a canary died"))


def test_the_numbers_are_those_of_what_happened(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)
    story(hub, clock)
    told = read(metrics)
    at = {"volume": VOLUME}
    assert of(told, "forebay_hub_fills_total", **at, outcome="filled") == 2
    assert of(told, "forebay_hub_fills_total", **at, outcome="failed") == 1
    assert of(told, "forebay_hub_moved_bytes_total", **at, source="lake") == 150
    assert of(told, "forebay_hub_uses_total", **at) == 3
    assert of(told, "forebay_hub_used_bytes_total", **at) == 250
    assert of(told, "forebay_hub_leases_granted_total", **at, found="filled") == 2, "the first use of each"
    assert of(told, "forebay_hub_leases_granted_total", **at, found="ready") == 1
    assert of(told, "forebay_hub_evictions_total", **at, reason="asked") == 1
    assert of(told, "forebay_hub_evicted_bytes_total", **at, reason="asked") == 30
    assert of(told, "forebay_hub_evictions_total", **at, reason="stale") == 0
    assert of(told, "forebay_hub_leases", **at) == 2
    assert of(told, "forebay_hub_replicas", **at, state="ready") == 1
    assert of(told, "forebay_hub_replicas_pinned", **at) == 1
    assert of(told, "forebay_hub_volume_used_bytes", **at) == 100
    assert of(told, "forebay_hub_volume_limit_bytes", **at) == 1000
    assert of(told, "forebay_hub_volume_state", **at, state="unstable") == 1
    assert of(told, "forebay_hub_volume_state", **at, state="normal") == 0
    assert of(told, "forebay_hub_volume_changes_total", **at, state="unstable") == 1
    assert of(told, "forebay_hub_oldest_check_timestamp_seconds", **at) == 1_800_000_000.0
    assert of(told, "forebay_hub_database_up") == 1
    assert of(told, "forebay_hub_statement_seconds_count") > 10
    assert of(told, "process_start_time_seconds") > 0


def test_fills_under_way_and_those_that_struggle(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)
    version = new_version(hub, "clicks")
    for _ in range(3):
        granted = hub.fills.claim(VOLUME, version, holder())
        assert isinstance(granted, Granted)
        hub.fills.fail(granted.fill_id, granted.token, "no", 7)
    told = read(metrics)
    assert of(told, "forebay_hub_open_fills", volume=VOLUME, held="left") == 1
    assert of(told, "forebay_hub_volume_reserved_bytes", volume=VOLUME) == 7
    assert of(told, "forebay_hub_replicas_struggling", volume=VOLUME) == 1
    clock.pass_by(KEPT_SECONDS)
    hub.fills.claim(VOLUME, version, holder())
    assert of(read(metrics), "forebay_hub_open_fills", volume=VOLUME, held="held") == 1
    clock.pass_by(2 * 86400)
    assert of(read(metrics), "forebay_hub_replicas_struggling", volume=VOLUME) == 0, "that was long ago"


def test_what_came_from_another_site_is_told_apart_and_is_no_use(hub: LocalHub, clock: FakeClock) -> None:
    version = new_version(hub, "clicks")
    granted = hub.fills.claim(VOLUME, version, holder())
    assert isinstance(granted, Granted)
    done = FillDone(added_bytes=100, moved_bytes=0, peer_bytes=100, present_bytes=0, seconds=2.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)
    told = read(HubMetrics(hub, clock))
    at = {"volume": VOLUME}
    assert of(told, "forebay_hub_moved_bytes_total", **at, source="peer") == 100
    assert of(told, "forebay_hub_moved_bytes_total", **at, source="lake") == 0
    assert of(told, "forebay_hub_uses_total", **at) == 0
    hub.leases.take(VOLUME, version, holder())
    clock.pass_by(KEPT_SECONDS)
    assert of(read(HubMetrics(hub, clock)), "forebay_hub_uses_total", **at) == 1


def test_the_queue_of_runs_and_how_long_they_waited(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)
    assert of(read(metrics), "forebay_hub_run_longest_wait_seconds") == 0
    first = hub.runs.submit(RUN)
    clock.pass_by(100)
    other = hub.runs.submit(RUN)
    clock.pass_by(20)
    told = read(metrics)
    assert [of(told, "forebay_hub_runs", state=state) for state in ("queued", "running")] == [2, 0]
    assert of(told, "forebay_hub_run_longest_wait_seconds") == 120
    dgx = Agent(hub=hub, site="dgx", gpus=1).attach()
    order = dgx.order(TaskKind.RUN)
    dgx.tell(order, TaskState.UNDER_WAY)
    clock.pass_by(KEPT_SECONDS)
    dgx.tell(order, TaskState.UNDER_WAY, detail="goes on")
    told = read(metrics)
    assert [of(told, "forebay_hub_runs", state=state) for state in ("queued", "running")] == [1, 1]
    assert of(told, "forebay_hub_run_longest_wait_seconds") == 25, "since the second one came"
    waited = hub.runs.get(first.run_id).attempts[0].started_at - first.submitted_at
    assert of(told, "forebay_hub_run_wait_seconds_count") == 1
    assert of(told, "forebay_hub_run_wait_seconds_sum") == waited == 120
    clock.pass_by(10)
    dgx.tell(order, TaskState.CANCELLED)
    clock.pass_by(KEPT_SECONDS)
    hub.runs.cancel(other.run_id)
    told = read(metrics)
    assert of(told, "forebay_hub_run_longest_wait_seconds") == KEPT_SECONDS, "an attempt's end begins the wait anew"


def test_sites_by_state_and_how_long_each_is_silent(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)

    def states() -> dict[str, float]:
        clock.pass_by(KEPT_SECONDS)
        told = read(metrics)
        return {state: of(told, "forebay_hub_site_state", state=state) for state in SiteState}

    def silent(site: str) -> float | None:
        return read(metrics).get(("forebay_hub_site_silent_seconds", frozenset({("site", site)})))

    assert set(states().values()) == {0}
    for site in ("dgx", "aks", "old"):
        Agent(hub=hub, site=site).attach()
    hub.sites.set_state("old", SiteState.DOWN, "sold")
    assert states() == {"up": 2, "draining": 0, "degraded": 0, "down": 1}
    assert (silent("dgx"), silent("old")) == (KEPT_SECONDS, None), "somebody took it down: it may be silent"
    hub.downtimes.plan("aks", clock.now() - 1, clock.now() + 1000, "new disks", "ada")
    assert states() == {"up": 1, "draining": 1, "degraded": 0, "down": 1}
    assert silent("aks") is None, "it has a downtime"
    clock.pass_by(100)
    assert states() == {"up": 0, "draining": 0, "degraded": 0, "down": 3}, "though no hub has written it yet"
    assert silent("dgx") == 100 + 3 * KEPT_SECONDS


def test_open_tasks_what_rules_want_and_what_they_keep(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)
    dgx = Agent(hub=hub, site="dgx").attach()
    clicks = new_version(hub, "clicks")
    until = clock.now() + 1000
    hub.rules.add(NewRule(ref="clicks", at="", until=until, owner="ada"))
    hub.scheduler.tick()

    def told() -> tuple[float, ...]:
        clock.pass_by(KEPT_SECONDS)
        dgx.beat()
        hub.scheduler.tick()
        found = read(metrics)
        fills = {
            state: of(found, "forebay_hub_open_tasks", kind="fill", state=state) for state in ("ordered", "waiting")
        }
        assert of(found, "forebay_hub_open_tasks", kind="scrub", state="waiting") == 0
        places = [of(found, "forebay_hub_rule_places", state=state) for state in ("filling", "satisfied")]
        return sum(fills.values()), *places, of(found, "forebay_hub_replicas_pinned", volume=dgx.volume_id)

    assert told() == (1, 1, 0, 0)
    dgx.fill(dgx.order(TaskKind.FILL))
    assert told() == (0, 0, 1, 1), "what a rule keeps is held as by a pin"
    hub.replicas.pin(dgx.volume_id, clicks, "ada", "mine", 0.0)
    assert told() == (0, 0, 1, 1), "one replica, whoever holds it"
    hub.replicas.unpin(dgx.volume_id, clicks)
    clock.pass_by(until - clock.now())
    assert told() == (0, 0, 0, 0), "the rule's time is over"


def test_counters_outlive_a_restart_and_are_the_same_at_every_hub(hub: LocalHub, clock: FakeClock) -> None:
    first, second = HubMetrics(hub, clock), HubMetrics(hub, clock)
    story(hub, clock)
    names = {family.name for family in COUNTERS}

    def counters(metrics: HubMetrics) -> Told:
        clock.pass_by(KEPT_SECONDS)
        return {key: value for key, value in read(metrics).items() if key[0] in names}

    before = counters(first)
    for seconds in (0.0, KEPT_SECONDS, SETTLED_SECONDS + 1, SETTLED_SECONDS + 1):
        clock.pass_by(seconds)
        assert counters(first) == counters(second) == before, "however often it is read"
    new_version(hub, "more")
    clicks = hub.catalog.resolve("clicks")
    hub.volumes.report_health(VOLUME, HealthReport(sign=Sign.GOOD))
    hub.leases.take(VOLUME, clicks, holder())
    after = counters(first)
    assert after == counters(second) == counters(HubMetrics(hub, clock))
    assert {key[0] for key in after if after[key] != before.get(key)} == {
        "forebay_hub_uses_total",
        "forebay_hub_used_bytes_total",
        "forebay_hub_download_seconds_total",
    }


def test_records_are_read_once_however_many_ask(hub: LocalHub, clock: FakeClock) -> None:
    metrics = HubMetrics(hub, clock)
    read(metrics)
    new = new_version(hub, "clicks")
    fill(hub, new, 100)
    assert of(read(metrics), "forebay_hub_volume_used_bytes", volume=VOLUME) == 0
    statements = of(read(metrics), "forebay_hub_statement_seconds_count")
    assert of(read(metrics), "forebay_hub_statement_seconds_count") == statements
    clock.pass_by(KEPT_SECONDS)
    assert of(read(metrics), "forebay_hub_volume_used_bytes", volume=VOLUME) == 100


def test_while_the_database_is_away_the_process_tells_of_itself(
    local: LocalHub, clock: FakeClock, tmp_path: Path
) -> None:
    metrics = HubMetrics(local, clock)
    assert of(read(metrics), "forebay_hub_database_up") == 1
    local.engine.dispose()
    database = tmp_path / "home" / "hub.db"
    database.rename(tmp_path / "elsewhere")
    database.mkdir()
    clock.pass_by(KEPT_SECONDS)
    told = read(metrics)
    assert of(told, "forebay_hub_database_up") == 0
    assert not [name for name, _ in told if name.startswith("forebay_hub_volume")]
    database.rmdir()
    (tmp_path / "elsewhere").rename(database)
    told = read(metrics)
    assert of(told, "forebay_hub_database_up") == 1, "what failed is not kept"
    assert of(told, "forebay_hub_volume_limit_bytes", volume=VOLUME) == 1000


@contextmanager
def serving(hub: LocalHub, access: AccessStore, metrics: GuardedMetrics, clock: FakeClock) -> Iterator[httpx2.Client]:
    app = make_app(hub, guarded_by(access, hub), clock, Limits(), lambda: server.should_exit, More(metrics=metrics))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    up = threading.Event()
    startup = server.startup

    async def started(sockets: object = None) -> None:
        await startup()
        up.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert up.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def access(local: LocalHub, clock: FakeClock) -> AccessStore:
    return AccessStore(local.engine, clock)


@pytest.fixture
def metrics(local: LocalHub, access: AccessStore, clock: FakeClock) -> GuardedMetrics:
    return GuardedMetrics(local, access, clock, SECRET)


@pytest.fixture
def served(local: LocalHub, access: AccessStore, metrics: GuardedMetrics, clock: FakeClock) -> Iterator[httpx2.Client]:
    with serving(local, access, metrics, clock) as client:
        yield client


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_only_the_metrics_token_and_an_admin_may_read(served: httpx2.Client, access: AccessStore) -> None:
    admin = access.bootstrap()
    assert admin is not None
    access.add_user("ada", Role.ENGINEER)
    ada = access.make_token(NewToken(user="ada", role=Role.ENGINEER))
    some = access.make_token(NewToken(user="admin", role=Role.ADMIN, site="dgx"))
    assert served.get("/metrics").status_code == 401
    assert served.get("/metrics", headers=bearer("wrong")).status_code == 401
    assert served.get("/metrics", headers={"Authorization": "Bearer"}).status_code == 401
    refused = served.get("/metrics", headers=bearer(ada.secret))
    assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "not-allowed")
    assert served.get("/metrics", headers=bearer(some.secret)).status_code == 403, "an agent's token is for its site"
    for secret in (SECRET, admin.secret):
        answer = served.get("/metrics", headers=bearer(secret))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "forebay_hub_database_up 1.0" in answer.text
    assert served.get(f"{API}/datasets", headers=bearer(SECRET)).status_code == 401, "it opens nothing else"
    lines = access.audit(AuditQuery(outcome=Outcome.REFUSED)).records
    assert {(line.user, line.call) for line in lines} == {("ada", "metrics.read"), ("agent:dgx", "metrics.read")}
    assert 'forebay_hub_refusals_total{action="audit"} 2.0' in served.get("/metrics", headers=bearer(SECRET)).text


def test_without_a_metrics_token_no_empty_one_serves(local: LocalHub, access: AccessStore, clock: FakeClock) -> None:
    metrics = GuardedMetrics(local, access, clock, "")
    for given in (None, "", " "):
        with pytest.raises(Exception, match="token that holds"):
            metrics.told_to(given, Request())


def test_requests_are_counted_by_the_template_of_their_route(
    served: httpx2.Client, metrics: GuardedMetrics, access: AccessStore, local: LocalHub
) -> None:
    admin = access.bootstrap()
    assert admin is not None
    new_version(local, "clicks-of-ada")
    get = "GET"
    assert served.get(f"{API}/datasets/clicks-of-ada", headers=bearer(admin.secret)).status_code == 200
    assert served.get(f"{API}/datasets/clicks-of-ada").status_code == 401
    assert served.get(f"{API}/volumes/{VOLUME}", headers=bearer(admin.secret)).status_code == 200
    assert served.get("/clicks-of-ada/../x").status_code == 404
    assert served.request("BREW", f"{API}/datasets").status_code == 405
    text = served.get("/metrics", headers=bearer(SECRET)).text
    assert "clicks-of-ada" not in text
    told = read(metrics)
    name, dataset = "forebay_hub_requests_total", f"{API}/datasets/{{name}}"
    assert of(told, name, route=dataset, method=get, status="200") == 1
    assert of(told, name, route=dataset, method=get, status="401") == 1
    assert of(told, name, route=f"{API}/volumes/{{volume_id}}", method=get, status="200") == 1
    assert of(told, name, route="none", method=get, status="404") == 1
    assert sum(value for (found, labels), value in told.items() if found == name and ("method", "other") in labels) == 1
    assert of(told, "forebay_hub_request_seconds_count", route=dataset, method=get) == 2


def test_nothing_that_is_hidden_becomes_a_label(
    local: LocalHub, access: AccessStore, clock: FakeClock, served: httpx2.Client
) -> None:
    access.add_user("ada", Role.SCIENTIST)
    access.join_team("secretteam", ["ada"])
    new_version(local, "hush")
    access.set_policy(DatasetPolicy(dataset="hush", read=("secretteam",), write=(), run=(), sites=()))
    local.catalog.set_team("hush", "secretteam")
    before = _series(served)
    fill(local, local.catalog.resolve("hush"), 100)
    local.leases.take(VOLUME, local.catalog.resolve("hush"), holder())
    grant_reason = "the team secretteam holds 5 B of its 4 B, and this is worth the least to it (score 1)"
    clock.pass_by(200)
    grant = local.replicas.begin_evict(VOLUME, local.catalog.resolve("hush"), grant_reason)
    local.replicas.finish_evict(VOLUME, local.catalog.resolve("hush"), grant.token, 100)
    text = served.get("/metrics", headers=bearer(SECRET)).text
    assert not {word for word in ("hush", "secretteam", "ada", "tester") if word in text}
    # What it adds is of the volume: who could see it before knows no new label value.
    added = {labels for _, labels in _series(served) - before}
    values = {value for labels in added for name, value in labels if name not in ("le", "route", "method", "status")}
    assert values <= {VOLUME, "filled"}


def _series(served: httpx2.Client) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    text = served.get("/metrics", headers=bearer(SECRET)).text
    return {(item.name, frozenset(item.labels.items())) for family in parsed(text) for item in family.samples}


def test_every_name_is_in_the_list_and_every_family_is_told(
    served: httpx2.Client, local: LocalHub, clock: FakeClock, access: AccessStore
) -> None:
    story(local, clock)
    Agent(hub=local, site="dgx").attach()
    access.add_user("ada", Role.VIEWER)
    viewer = access.make_token(NewToken(user="ada", role=Role.VIEWER))
    served.get("/metrics", headers=bearer(viewer.secret))
    local.replicas.mark_damaged(VOLUME, local.catalog.resolve("clicks"), "bad")
    clock.pass_by(KEPT_SECONDS)
    found = {name for name, _ in _series(served) if not name.endswith("_created")}
    listed = {name for family in HUB for name in family.series}
    assert found - listed == set(STANDARD)
    # The volume was made unstable and its one replica damaged: nothing is there that could be verified.
    assert (
        listed - found == {"forebay_hub_statements_failed_total", "forebay_hub_oldest_check_timestamp_seconds"} - found
    )
