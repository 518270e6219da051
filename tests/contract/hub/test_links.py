"""Links are learned and declared, and tickets are good for what they were made for and nothing else; on both faces."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from forebay.cache.health import SIGNS_TO_CHANGE
from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent, Person
from forebay.hub.access.store import AccessStore
from forebay.hub.links import SERVED_SECONDS, TICKET_SECONDS
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.access import AuditQuery, DatasetPolicy, Outcome, Role
from forebay.wire.cache import FillDone, Granted, HealthReport, Progress, Sign, VolumeState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.links import LinkRecord, PeerHolder, TransferReport
from forebay.wire.sites import Hello, SiteState
from tests.contract.hub.conftest import VOLUME, new_version
from tests.contract.hub.test_fills import claim

OTHER = "v2"
LAKE = "s3://lake"
URL = "http://127.0.0.1:4321"
DONE = FillDone(added_bytes=100, moved_bytes=100, present_bytes=0, seconds=1.0, seal_digest="")


def report(**changes: object) -> TransferReport:
    told = TransferReport(source=LAKE, dataset="clicks", moved_bytes=10**9, seconds=10.0)
    return replace(told, **changes)  # type: ignore[arg-type]


def link(hub: Hub, source: str = LAKE, target: str = VOLUME) -> LinkRecord:
    (found,) = [item for item in hub.links.all() if (item.source, item.target) == (source, target)]
    return found


@pytest.fixture
def ready(embedded: LocalHub, version: Version) -> Version:
    """It is ready on the first volume, which serves; the other one is empty."""
    granted = claim(embedded, version)
    embedded.fills.finish(granted.fill_id, granted.token, DONE)
    embedded.volumes.add(OTHER, "/other", 1000)
    embedded.links.serve(VOLUME, URL)
    return version


def fill_elsewhere(hub: Hub, version: Version) -> Granted:
    granted = hub.fills.claim(OTHER, version, holder())
    assert isinstance(granted, Granted)
    return granted


def peer_of(hub: Hub, granted: Granted) -> PeerHolder:
    (peer,) = hub.links.holders(granted.fill_id, granted.token, LAKE).peers
    return peer


def test_a_link_is_learned_from_what_was_moved(hub: Hub, version: Version) -> None:
    assert hub.links.all() == []
    for _ in range(8):
        hub.links.report(VOLUME, report(moved_bytes=2 * 10**9, seconds=10.0, first_byte_s=0.2))
    found = link(hub)
    assert found.bandwidth_bytes_s == pytest.approx(200e6, rel=0.1)
    assert found.latency_s == pytest.approx(0.2, rel=0.2)
    assert (found.moved_bytes, found.transfers) == (16 * 10**9, 8)
    assert (found.price_byte, found.declared_price_byte) == (0.0, None)


def test_an_idle_link_goes_back_to_what_was_declared(hub: Hub, version: Version, clock: FakeClock) -> None:
    hub.links.declare(LAKE, VOLUME, bandwidth_bytes_s=10e6, price_byte=1e-10)
    for _ in range(20):
        hub.links.report(VOLUME, report(moved_bytes=2 * 10**9))
    busy = link(hub)
    clock.pass_by(60 * 86400.0)
    idle = link(hub)
    assert busy.bandwidth_bytes_s == pytest.approx(200e6, rel=0.2)
    assert idle.bandwidth_bytes_s == pytest.approx(10e6, rel=0.05)
    assert idle.bandwidth_spread > busy.bandwidth_spread
    assert idle.price_byte == 1e-10, "prices are never learned"


def test_what_is_not_said_stays_as_it_was_said(hub: Hub) -> None:
    hub.links.declare("dgx", VOLUME, bandwidth_bytes_s=1e9)
    found = hub.links.declare("dgx", VOLUME, latency_s=0.01)
    assert (found.declared_bandwidth_bytes_s, found.declared_latency_s) == (1e9, 0.01)
    assert found == link(hub, "dgx")
    assert (found.bandwidth_bytes_s, found.latency_s) == pytest.approx((1e9, 0.01))


def test_what_is_forgotten_is_as_if_it_had_never_been(hub: Hub, version: Version) -> None:
    hub.links.declare(LAKE, VOLUME, price_byte=1.0)
    hub.links.report(VOLUME, report())
    hub.links.forget(LAKE, VOLUME)
    assert hub.links.all() == []
    with pytest.raises(NotFoundError) as missing:
        hub.links.forget(LAKE, VOLUME)
    assert missing.value.kind == "link-not-found"


def test_reports_that_come_at_once_lose_nothing(hub: Hub, version: Version) -> None:
    def tell() -> None:
        for _ in range(5):
            hub.links.report(VOLUME, report(moved_bytes=1000))

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (link(hub).transfers, link(hub).moved_bytes) == (20, 20_000)


@pytest.mark.parametrize(
    "bad",
    [
        {"source": "s3://user:secret@lake"},
        {"source": "../x"},
        {"seconds": -1.0},
        {"first_byte_s": -1.0},
        {"concurrency": 1e12},
    ],
)
def test_a_report_that_can_not_be_is_refused(hub: Hub, version: Version, bad: dict[str, object]) -> None:
    with pytest.raises(InputError):
        hub.links.report(VOLUME, report(**bad))
    assert hub.links.all() == []


@pytest.mark.parametrize("bad", [{"bandwidth_bytes_s": 0.0}, {"latency_s": -1.0}, {"price_byte": -0.1}])
def test_a_declaration_that_can_not_be_is_refused(hub: Hub, bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match="can't be a link's"):
        hub.links.declare(LAKE, "dgx", **bad)
    assert hub.links.all() == []


def test_a_report_of_no_dataset_or_volume_is_refused(hub: Hub, version: Version) -> None:
    with pytest.raises(NotFoundError, match="nothing"):
        hub.links.report(VOLUME, report(dataset="nothing"))
    with pytest.raises(NotFoundError, match="no volume"):
        hub.links.report("nowhere", report())


def test_a_fill_hears_who_has_its_version(hub: Hub, ready: Version) -> None:
    hub.links.declare(VOLUME, OTHER, bandwidth_bytes_s=5e8)
    granted = fill_elsewhere(hub, ready)
    found = hub.links.holders(granted.fill_id, granted.token, LAKE)
    assert (found.lake.source, found.lake.target) == (LAKE, OTHER)
    (peer,) = found.peers
    assert (peer.volume_id, peer.url, peer.site) == (VOLUME, URL, VOLUME)
    assert peer.link.bandwidth_bytes_s == pytest.approx(5e8)
    assert peer.ticket not in repr(found)


def test_a_ticket_is_good_for_its_version_on_its_volume(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, ready)
    good = hub.links.ticketed(VOLUME, peer_of(hub, granted).ticket)
    assert (good.dataset, good.number, good.group) == (ready.dataset, ready.number, ready.group)
    assert (good.manifest_digest, good.for_volume_id) == (ready.manifest_digest, OTHER)


def refused(hub: Hub, volume_id: str, ticket: str) -> bool:
    with pytest.raises(NotAllowedError) as error:
        hub.links.ticketed(volume_id, ticket)
    return error.value.kind == "bad-ticket"


def test_a_ticket_is_refused_elsewhere_and_later(hub: Hub, ready: Version, clock: FakeClock) -> None:
    granted = fill_elsewhere(hub, ready)
    ticket = peer_of(hub, granted).ticket
    assert refused(hub, OTHER, ticket), "it was stolen and is shown to another site"
    assert refused(hub, VOLUME, ticket[:-1] + ("a" if ticket[-1] != "a" else "b"))
    for _ in range(int(TICKET_SECONDS // 5)):
        clock.pass_by(5.0)
        hub.fills.renew(granted.fill_id, granted.token, Progress())
    assert refused(hub, VOLUME, ticket), "it has run out, though the fill goes on"
    hub.links.serve(VOLUME, URL)
    assert hub.links.ticketed(VOLUME, peer_of(hub, granted).ticket).dataset == ready.dataset


def test_a_ticket_ends_with_the_fill(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, ready)
    ticket = peer_of(hub, granted).ticket
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    assert refused(hub, VOLUME, ticket)


def test_a_ticket_ends_with_its_holder(hub: Hub, ready: Version, clock: FakeClock) -> None:
    granted = fill_elsewhere(hub, ready)
    ticket = peer_of(hub, granted).ticket
    clock.pass_by(11.0)
    assert refused(hub, VOLUME, ticket), "its holder is silent"
    successor = fill_elsewhere(hub, ready)
    assert refused(hub, VOLUME, ticket)
    with pytest.raises(ConflictError, match="taken over"):
        hub.links.holders(granted.fill_id, granted.token, LAKE)
    assert hub.links.ticketed(VOLUME, peer_of(hub, successor).ticket).dataset == ready.dataset


def test_a_ticket_ends_when_the_replica_goes(hub: Hub, ready: Version) -> None:
    ticket = peer_of(hub, fill_elsewhere(hub, ready)).ticket
    hub.replicas.begin_evict(VOLUME, ready, "asked")
    assert refused(hub, VOLUME, ticket)


def test_who_serves_no_more_is_not_named(hub: Hub, ready: Version, clock: FakeClock) -> None:
    granted = fill_elsewhere(hub, ready)

    def named() -> int:
        hub.fills.renew(granted.fill_id, granted.token, Progress())
        return len(hub.links.holders(granted.fill_id, granted.token, LAKE).peers)

    assert named() == 1
    hub.links.serve(VOLUME, "")
    assert named() == 0
    hub.links.serve(VOLUME, URL)
    for _ in range(int(SERVED_SECONDS // 9) + 1):
        clock.pass_by(9.0)
        hub.fills.renew(granted.fill_id, granted.token, Progress())
    assert named() == 0, "it was silent for too long"


def test_who_can_not_be_read_is_not_named(hub: Hub, ready: Version, embedded: LocalHub) -> None:
    granted = fill_elsewhere(hub, ready)

    def named() -> int:
        return len(hub.links.holders(granted.fill_id, granted.token, LAKE).peers)

    def tell(sign: Sign) -> VolumeState:
        return embedded.volumes.report_health(VOLUME, HealthReport(sign=sign, reason="the disk hangs")).state

    assert (tell(Sign.BAD), named()) == (VolumeState.UNSTABLE, 1), "it is read still"
    assert (tell(Sign.GONE), named()) == (VolumeState.DOWN, 0)
    for _ in range(SIGNS_TO_CHANGE):
        embedded.volumes.report_health(VOLUME, HealthReport(sign=Sign.GOOD))
    assert named() == 1
    embedded.sites.attach(Hello(site="dgx", volume_id=VOLUME))
    embedded.sites.set_state("dgx", SiteState.DRAINING, "repairs")
    assert named() == 1, "what drains serves"
    embedded.sites.set_state("dgx", SiteState.DOWN, "repairs")
    assert named() == 0


def test_another_version_s_holder_is_not_named(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, new_version(hub, "views"))
    assert hub.links.holders(granted.fill_id, granted.token, LAKE).peers == ()


@pytest.mark.parametrize("url", ["ftp://x", "http://x/path", "http://user@x", "http://", "javascript:x"])
def test_only_an_address_can_be_served_at(hub: Hub, url: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        hub.links.serve(VOLUME, url)


def test_a_suspect_blob_is_verified_first(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, ready)
    with pytest.raises(NotAllowedError, match="ticket"):
        hub.links.suspect(granted.fill_id, granted.token, VOLUME, "0" * 64)
    peer_of(hub, granted)
    before = hub.replicas.get(VOLUME, ready)
    hub.links.suspect(granted.fill_id, granted.token, VOLUME, "0" * 64)
    after = hub.replicas.get(VOLUME, ready)
    assert before is not None
    assert after is not None
    assert (before.verified_at > 0, after.verified_at, after.state) == (True, 0.0, before.state)
    assert hub.volumes.events(VOLUME, 1)[0].event == "blob-suspect"


def test_what_came_from_other_sites_is_kept_apart_in_the_ledger(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, ready)
    hub.fills.renew(granted.fill_id, granted.token, Progress(moved_bytes=60, peer_bytes=50))
    hub.fills.fail(granted.fill_id, granted.token, "the lake was away", 60)
    granted = fill_elsewhere(hub, ready)
    hub.fills.finish(granted.fill_id, granted.token, replace(DONE, moved_bytes=30, peer_bytes=10))
    (found,) = hub.volumes.savings(OTHER)
    assert (found.moved_bytes, found.peer_bytes, found.uses) == (40, 60, 0)


def test_a_site_s_bytes_make_the_lake_look_neither_faster_nor_slower(hub: Hub, ready: Version) -> None:
    granted = fill_elsewhere(hub, ready)
    hub.fills.finish(granted.fill_id, granted.token, replace(DONE, moved_bytes=10, peer_bytes=90, seconds=10.0))
    assert hub.volumes.get(OTHER).bandwidth_bytes_s == pytest.approx(10.0)


@pytest.fixture
def guarded(embedded: LocalHub, ready: Version, clock: FakeClock) -> AccessStore:
    access = AccessStore(embedded.engine, clock)
    access.add_user("root", Role.ADMIN)
    access.join_team("ads", [])
    access.subjects.settle(VOLUME, "dgx")
    access.subjects.settle(OTHER, "aks")
    return access


DGX, AKS = Agent(site="dgx", user="root"), Agent(site="aks", user="root")


def test_an_agent_reports_for_its_own_site_alone(embedded: LocalHub, guarded: AccessStore) -> None:
    Guarded(embedded, guarded, DGX).links.report(VOLUME, report())
    assert link(embedded, target="dgx").transfers == 1
    with pytest.raises(NotAllowedError, match="for the agent of the site 'aks' alone"):
        Guarded(embedded, guarded, AKS).links.report(VOLUME, report())
    with pytest.raises(NotAllowedError, match="needs the role engineer"):
        Guarded(embedded, guarded, Person(user="eve", role=Role.SCIENTIST)).links.report(VOLUME, report())


def test_residency_refuses_a_ticket_that_was_good(embedded: LocalHub, guarded: AccessStore, ready: Version) -> None:
    asking, serving = (Guarded(embedded, guarded, agent).links for agent in (AKS, DGX))
    granted = Guarded(embedded, guarded, AKS).fills.claim(OTHER, ready, holder())
    assert isinstance(granted, Granted)
    (peer,) = asking.holders(granted.fill_id, granted.token, LAKE).peers
    assert peer.site == "dgx"
    assert serving.ticketed(VOLUME, peer.ticket).for_volume_id == OTHER
    guarded.set_policy(DatasetPolicy(dataset=ready.dataset, sites=("dgx",)))
    with pytest.raises(ForebayError, match="may be at dgx") as refusal:
        asking.holders(granted.fill_id, granted.token, LAKE)
    assert isinstance(refusal.value, NotAllowedError)
    with pytest.raises(NotAllowedError, match="good for nothing"):
        serving.ticketed(VOLUME, peer.ticket)


def test_a_stolen_ticket_is_refused_and_audited(embedded: LocalHub, guarded: AccessStore, ready: Version) -> None:
    granted = Guarded(embedded, guarded, AKS).fills.claim(OTHER, ready, holder())
    assert isinstance(granted, Granted)
    (peer,) = Guarded(embedded, guarded, AKS).links.holders(granted.fill_id, granted.token, LAKE).peers
    with pytest.raises(NotAllowedError, match="good for nothing"):
        Guarded(embedded, guarded, AKS).links.ticketed(OTHER, peer.ticket)
    with pytest.raises(NotAllowedError, match="somebody else holds it"):
        Guarded(embedded, guarded, Person(user="ed", role=Role.ENGINEER)).links.holders(
            granted.fill_id, granted.token, LAKE
        )
    lines = guarded.audit(AuditQuery(outcome=Outcome.REFUSED)).records
    assert [line.call for line in lines] == ["links.holders", "links.ticketed"]
    assert not [line for line in lines if peer.ticket in repr(line)]


def test_PRIVATE_links_show_what_visible_datasets_saw(embedded: LocalHub, guarded: AccessStore) -> None:
    new_version(embedded, "secret")
    guarded.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    embedded.links.report(VOLUME, report())
    alone = link(embedded, target="dgx")
    embedded.links.report(VOLUME, report(dataset="secret", moved_bytes=1))
    embedded.links.report(VOLUME, report(dataset="secret", source="s3://secret-lake"))
    embedded.links.declare("s3://other-secret-lake", "dgx", price_byte=1.0)
    embedded.links.declare("aks", "dgx", price_byte=1.0)
    seen = Guarded(embedded, guarded, Person(user="vera", role=Role.VIEWER)).links.all()
    assert [item.source for item in seen] == ["aks", LAKE]
    assert seen[1] == alone
    insider = Person(user="ada", role=Role.VIEWER, teams=frozenset({"ads"}))
    assert "s3://secret-lake" in [item.source for item in Guarded(embedded, guarded, insider).links.all()]
