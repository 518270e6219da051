"""A run goes where its data come soonest, by what the fills of this hub measured and what somebody declared."""

from __future__ import annotations

import io
import re

import pytest
import sqlalchemy as sa
from rich.console import Console

from forebay.cache.health import SIGNS_TO_CHANGE
from forebay.catalog.manifest import Entry, Manifest
from forebay.cli.sites_shown import print_site, print_sites
from forebay.client.site_overview import site_overview, site_overviews
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.sites.links import declared
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.cache import HealthReport, Sign
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.links import TransferReport
from forebay.wire.runs import SiteRow
from tests.contract.hub.sited import GB, Agent, pass_by, reading, ready

LAKE = "s3://lake"
ASSUMED_BYTES_S = declared(LAKE, "any").bandwidth_bytes_s(0.0)


def _version(hub: LocalHub, dataset: str = "clicks", lake_url: str = f"{LAKE}/clicks") -> Version:
    manifest = Manifest.registered([Entry(path=f"{dataset}.tsv", size_bytes=100 * GB)])
    return add_version(hub, dataset, manifest, lake_url)


def _measure(hub: LocalHub, agent: Agent, bytes_s: float, *, source: str = LAKE, dataset: str = "clicks") -> None:
    for _ in range(20):
        moved = TransferReport(source=source, dataset=dataset, moved_bytes=int(100 * bytes_s), seconds=100.0)
        hub.links.report(agent.volume_id, moved)


def _row(hub: LocalHub, site: str, version: Version) -> SiteRow:
    (found,) = [row for row in hub.runs.explain(reading(version.ref)).rows if row.site == site]
    return found


@pytest.fixture
def agents(embedded: LocalHub) -> tuple[Agent, Agent]:
    return Agent(hub=embedded, site="aks").attach(), Agent(hub=embedded, site="dgx").attach()


def test_a_measured_slow_link_sends_a_run_elsewhere_and_explain_says_so(
    embedded: LocalHub, agents: tuple[Agent, Agent]
) -> None:
    aks, _ = agents
    version = _version(embedded)
    first = embedded.runs.submit(reading(version.ref))
    assert first.site == "aks", "nothing is known of either, and the name decides"
    embedded.runs.cancel(first.run_id)
    _measure(embedded, aks, 2e6)
    embedded.links.declare(LAKE, "aks", price_byte=0.09 / GB)
    row = _row(embedded, "aks", version)
    (way,) = row.ways
    assert way.source == LAKE
    assert way.measured
    assert way.bandwidth_bytes_s == pytest.approx(2e6, rel=0.1)
    assert way.price_byte == pytest.approx(0.09 / GB)
    assert row.money == pytest.approx(9.0)
    assert row.data_s > 100 * GB / 2e6
    (other,) = _row(embedded, "dgx", version).ways
    assert not other.measured
    assert other.bandwidth_bytes_s == pytest.approx(ASSUMED_BYTES_S)
    assert embedded.runs.submit(reading(version.ref)).site == "dgx"


def test_a_lake_that_fills_reach_at_an_endpoint_of_its_own_is_the_one_of_the_versions_url(
    embedded: LocalHub, agents: tuple[Agent, Agent]
) -> None:
    version = _version(embedded)
    _measure(embedded, agents[0], 2e6, source="s3://minio.local:9000/lake")
    _measure(embedded, agents[0], 9e9, source="s3://minio.local:9000/another")
    (way,) = _row(embedded, "aks", version).ways
    assert way.source == LAKE
    assert way.bandwidth_bytes_s == pytest.approx(2e6, rel=0.1)


def test_data_come_from_a_site_that_has_and_serves_them_where_that_is_nearer(
    embedded: LocalHub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    aks, dgx = agents
    version = _version(embedded)
    ready(embedded, dgx.volume_id, version)
    embedded.links.declare("dgx", "aks", bandwidth_bytes_s=1e9)
    assert _row(embedded, "aks", version).sources == (LAKE,), "it has it, and serves nobody"
    embedded.links.serve(dgx.volume_id, "http://127.0.0.1:4321")
    assert [way.source for way in _row(embedded, "aks", version).ways] == ["dgx"]
    embedded.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.GONE, reason="its disk hangs"))
    assert _row(embedded, "aks", version).sources == (LAKE,), "its volume can't be read"
    for _ in range(SIGNS_TO_CHANGE):
        embedded.volumes.report_health(dgx.volume_id, HealthReport(sign=Sign.GOOD))
    _measure(embedded, aks, 1e6, source="dgx")
    assert [way.source for way in _row(embedded, "aks", version).ways] == [LAKE], "and it was measured as slow"
    embedded.links.forget("dgx", "aks")
    pass_by(embedded, clock, 100, aks, dgx)
    assert _row(embedded, "aks", version).sources == (LAKE,), "its agent said it too long ago"


def test_PRIVATE_a_run_is_placed_by_what_its_own_fills_and_open_ones_measured(
    embedded: LocalHub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    hidden, seen = _version(embedded, "payroll"), _version(embedded, "clicks")
    access = AccessStore(embedded.engine, clock)
    access.add_user("root", Role.ADMIN)
    access.join_team("finance", [])
    access.set_policy(DatasetPolicy(dataset="payroll", read=("finance",)))
    _measure(embedded, agents[0], 2e6, dataset="payroll")
    (way,) = _row(embedded, "aks", seen).ways
    assert not way.measured
    assert way.bandwidth_bytes_s == pytest.approx(ASSUMED_BYTES_S)
    (own,) = _row(embedded, "aks", hidden).ways
    assert own.measured
    assert own.bandwidth_bytes_s == pytest.approx(2e6, rel=0.1)
    _measure(embedded, agents[0], 4e6)
    (way,) = _row(embedded, "aks", seen).ways
    assert way.bandwidth_bytes_s == pytest.approx(4e6, rel=0.1)
    (own,) = _row(embedded, "aks", hidden).ways
    assert 2e6 < own.bandwidth_bytes_s < 4e6
    ada = Guarded(embedded, access, Person(user="ada", role=Role.SCIENTIST))
    told = [row for row in ada.runs.explain(reading(seen.ref)).rows if row.site == "aks"]
    assert told == [_row(embedded, "aks", seen)]


def test_a_pass_asks_for_links_as_often_for_many_runs_as_for_one(
    embedded: LocalHub, agents: tuple[Agent, Agent]
) -> None:
    versions = [_version(embedded, f"clicks{number}", f"s3://lake{number}/clicks") for number in range(5)]
    embedded.runs.submit(reading(versions[0].ref))
    one = _statements_about_links(embedded)
    for version in versions:
        embedded.runs.submit(reading(version.ref))
    assert _statements_about_links(embedded) == one > 0


def _statements_about_links(hub: LocalHub) -> int:
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "link" in statement or "blob_server" in statement:
            found.append(statement)

    sa.event.listen(hub.engine, "before_cursor_execute", note)
    hub.scheduler.tick()
    sa.event.remove(hub.engine, "before_cursor_execute", note)
    return len(found)


def test_sites_are_shown_with_the_links_that_lead_there(
    embedded: LocalHub, hub: Hub, agents: tuple[Agent, Agent], clock: FakeClock
) -> None:
    _version(embedded)
    _measure(embedded, agents[0], 2 * 2**20)
    embedded.links.declare("s3://other", "aks", bandwidth_bytes_s=9e9)
    embedded.links.declare("dgx", "aks", bandwidth_bytes_s=1e9, latency_s=0.002, price_byte=0.5 / 2**30)
    aks, dgx = site_overviews(hub)
    assert [link.source for link in aks.links] == [LAKE, "s3://other", "dgx"], "what was measured of a lake, first"
    assert aks.links[0].measured_at > 0
    assert dgx.links == ()
    assert site_overview(hub, "aks") == aks
    out = Console(file=io.StringIO(), width=400)
    print_sites(out, [aks, dgx], clock.now())
    print_site(out, aks, clock.now())
    told = out.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"aks .* s3://lake at 2\.\d MiB/s", told)
    assert "50 ms, measured " in told
    assert "dgx at 953.7 MiB/s, 2 ms, 0.5 a GB, declared" in told
