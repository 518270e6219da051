"""Rules, on both databases and by both faces: a tag moves, the new version comes first, then the old one may go."""

from __future__ import annotations

from typing import cast

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.why import why
from forebay.errors import ConflictError, ForebayError, NotFoundError
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.sites.tasks import LONGEST_BACKOFF_S
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version, holder
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from forebay.wire.rules import NewRule, PlaceState, Rule
from forebay.wire.sites import SiteState, TaskKind, TaskState
from tests.contract.hub.conftest import new_version
from tests.contract.hub.sited import Agent, Behind, reading, ready

DAY_S = 86400.0

# Each database and each face once: the four together would say little more.
pytestmark = pytest.mark.parametrize(
    ("database_url", "hub"), [("sqlite", "embedded"), ("postgresql", "remote")], indirect=True
)


@pytest.fixture
def hub(hub: Hub, embedded: LocalHub) -> LocalHub:
    """Both faces of it, with the scheduler and the database that are behind them."""
    return cast(LocalHub, Behind(hub, embedded))


@pytest.fixture
def dgx(hub: LocalHub) -> Agent:
    return Agent(hub=hub, site="dgx", labels="gpu=8").attach()


@pytest.fixture
def aks(hub: LocalHub) -> Agent:
    return Agent(hub=hub, site="aks", labels="gpu=1").attach()


@pytest.fixture
def criteo(hub: LocalHub) -> Version:
    first = new_version(hub, "criteo")
    hub.catalog.tag("criteo", "prod", 1, "ada")
    return first


def next_version(hub: LocalHub, dataset: str = "criteo", *, tag: str = "") -> Version:
    size_bytes = 100 + len(hub.catalog.versions(dataset))
    manifest = Manifest.registered([Entry(path=f"{dataset}.tsv", size_bytes=size_bytes)])
    added = add_version(hub, dataset, manifest, "file:///lake")
    if tag:
        hub.catalog.tag(dataset, tag, added.number, "ada")
        hub.scheduler.tick()
    return added


def keep(hub: LocalHub, ref: str, at: str = "gpu>=4", **more: object) -> Rule:
    return hub.rules.add(NewRule(ref=ref, at=at, owner="ana", **more))  # type: ignore[arg-type]


def stands(hub: LocalHub, rule: Rule) -> dict[str, tuple[str, PlaceState]]:
    """By site, what is wanted there and how that is."""
    return {place.site: (place.ref, place.state) for place in hub.rules.get(rule.rule_id).places}


def is_kept(hub: LocalHub, agent: Agent, version: Version) -> bool:
    """Whether no eviction may begin; one that does is taken back."""
    try:
        granted = hub.replicas.begin_evict(agent.volume_id, version, "a test asks")
    except ConflictError as error:
        if error.kind != "pinned":
            raise
        return True
    hub.replicas.cancel_evict(agent.volume_id, version, granted.token, "it was ready", damaged=False)
    return False


def fill(hub: LocalHub, agent: Agent) -> None:
    agent.fill(agent.order(TaskKind.FILL))
    hub.scheduler.tick()


def test_what_a_tag_names_is_filled_and_kept_where_the_labels_are(
    hub: LocalHub, dgx: Agent, aks: Agent, criteo: Version, clock: FakeClock
) -> None:
    rule = keep(hub, "criteo@prod", message="nightly")
    order = dgx.order(TaskKind.FILL)
    assert (order.ref, order.reason) == ("criteo@v1", "dgx has been told")
    (task,) = hub.sites.tasks()
    assert (task.site, task.asked_by) == ("dgx", f"rule {rule.rule_id}"), "the other site has too few GPUs"
    assert stands(hub, rule) == {"dgx": ("criteo@v1", PlaceState.FILLING)}
    fill(hub, dgx)
    assert stands(hub, rule) == {"dgx": ("criteo@v1", PlaceState.SATISFIED)}
    replica = hub.replicas.get(dgx.volume_id, criteo)
    assert replica is not None
    assert (replica.pinned_by, replica.pin_reason) == (f"rule {rule.rule_id}", "criteo@prod at gpu>=4, by ana")
    with pytest.raises(ConflictError, match=f"kept by rule {rule.rule_id}") as caught:
        hub.replicas.begin_evict(dgx.volume_id, criteo, "by hand")
    assert f"forebay rule rm {rule.rule_id}" in caught.value.todo
    shown = hub.rules.get(rule.rule_id)
    assert (shown.ref, shown.at, shown.owner, shown.message) == ("criteo@prod", "gpu>=4", "ana", "nightly")
    assert [item.rule_id for item in hub.rules.all()] == [rule.rule_id]


def test_when_the_tag_moves_the_new_version_comes_first_then_the_old_one_may_go(
    hub: LocalHub, dgx: Agent, criteo: Version
) -> None:
    rule = keep(hub, "criteo@prod")
    fill(hub, dgx)
    newer = next_version(hub, tag="prod")
    assert stands(hub, rule) == {"dgx": ("criteo@v2", PlaceState.FILLING)}
    assert hub.rules.get(rule.rule_id).places[0].keeps == ("criteo@v1",)
    assert is_kept(hub, dgx, criteo), "the new one is not there yet"
    fill(hub, dgx)
    assert stands(hub, rule) == {"dgx": ("criteo@v2", PlaceState.SATISFIED)}
    assert not is_kept(hub, dgx, criteo)
    assert is_kept(hub, dgx, newer)


def test_a_tag_that_moves_on_before_its_version_came_leaves_no_fill_behind(
    hub: LocalHub, dgx: Agent, criteo: Version
) -> None:
    keep(hub, "criteo@prod")
    fill(hub, dgx)
    next_version(hub, tag="prod")
    order = dgx.order(TaskKind.FILL)
    last = next_version(hub, tag="prod")
    assert {item.ref: item.stop for item in dgx.orders().values()} == {"criteo@v2": True, "criteo@v3": False}
    dgx.tell(order, TaskState.CANCELLED)
    assert is_kept(hub, dgx, criteo)
    fill(hub, dgx)
    assert not is_kept(hub, dgx, criteo)
    assert is_kept(hub, dgx, last)


def test_a_rule_is_over_at_its_time_or_when_it_is_removed(
    hub: LocalHub, dgx: Agent, criteo: Version, clock: FakeClock
) -> None:
    ready(hub, dgx.volume_id, criteo)
    short, longer = keep(hub, "criteo", until=clock.now() + DAY_S), keep(hub, "criteo@v1")
    clock.pass_by(DAY_S)
    assert hub.rules.get(short.rule_id).ended
    assert is_kept(hub, dgx, criteo), "by the other rule"
    removed = hub.rules.remove(longer.rule_id)
    assert (removed.ref, removed.owner) == ("criteo@v1", "ana")
    assert not is_kept(hub, dgx, criteo)
    hub.scheduler.tick()
    assert hub.rules.get(short.rule_id).places == ()
    with pytest.raises(NotFoundError, match="no rule"):
        hub.rules.get(longer.rule_id)


def test_a_removed_rule_s_fill_is_told_to_end_unless_a_person_wants_it(
    hub: LocalHub, dgx: Agent, criteo: Version
) -> None:
    other = new_version(hub, "other")
    rules = [keep(hub, "criteo"), keep(hub, "other")]
    hub.sites.ask("dgx", TaskKind.FILL, other.ref, "for me", by="bob")
    for rule in rules:
        hub.rules.remove(rule.rule_id)
    assert {item.ref: item.stop for item in dgx.orders().values()} == {"criteo@v1": True, "other@v1": False}


def test_a_fill_that_a_run_asked_for_is_the_rule_s_too(hub: LocalHub, dgx: Agent, criteo: Version) -> None:
    run = hub.runs.submit(reading("criteo@v1"))
    rule = keep(hub, "criteo@prod")
    hub.runs.cancel(run.run_id)
    hub.scheduler.tick()
    (task,) = hub.sites.tasks()
    assert task.asked_by == f"rule {rule.rule_id}"
    assert not dgx.order(TaskKind.FILL).stop


def test_one_site_that_is_down_or_fails_holds_up_no_other(
    hub: LocalHub, dgx: Agent, aks: Agent, criteo: Version, clock: FakeClock
) -> None:
    hub.sites.set_state("aks", SiteState.DRAINING, "new disks")
    other = new_version(hub, "other")
    rule, second = keep(hub, "criteo@prod", at=""), keep(hub, "other", at="site=dgx")
    (place,) = [item for item in hub.rules.get(rule.rule_id).places if item.site == "aks"]
    assert (place.state, place.reason, place.unblock) == (
        PlaceState.WAITING,
        "aks is draining: new disks",
        "aks is up again",
    )
    orders = {order.ref: order for order in dgx.orders().values()}
    dgx.tell(orders["criteo@v1"], TaskState.FAILED, detail="there is no room", todo="make some")
    dgx.fill(orders["other@v1"])
    hub.scheduler.tick()
    assert stands(hub, second) == {"dgx": ("other@v1", PlaceState.SATISFIED)}
    assert is_kept(hub, dgx, other)
    (place,) = [item for item in hub.rules.get(rule.rule_id).places if item.site == "dgx"]
    assert (place.state, place.attempts, place.last_error) == (PlaceState.WAITING, 1, "there is no room")
    assert place.next_try_at > clock.now()
    told = [item for item in why(hub, "criteo@v1", "dgx") if item.what == "rule"]
    assert [(item.state, item.last_error) for item in told] == [("waiting", "there is no room")]
    assert [item.site for item in why(hub, rule.rule_id)] == ["aks", "dgx"]


def test_what_can_not_be_filled_is_tried_again_and_not_at_once(
    hub: LocalHub, dgx: Agent, criteo: Version, clock: FakeClock
) -> None:
    rule = keep(hub, "criteo@prod")
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="no such bucket", retryable=False)
    hub.scheduler.tick()
    (place,) = hub.rules.get(rule.rule_id).places
    assert (place.state, place.last_error) == (PlaceState.WAITING, "no such bucket")
    assert dgx.orders() == {}
    assert place.next_try_at == clock.now() + LONGEST_BACKOFF_S
    clock.pass_by(LONGEST_BACKOFF_S)
    dgx.attach()
    assert dgx.order(TaskKind.FILL).ref == "criteo@v1"


def test_residency_holds_for_rules(hub: LocalHub, embedded: LocalHub, dgx: Agent, aks: Agent, criteo: Version) -> None:
    access = AccessStore(embedded.engine, FakeClock())
    access.set_policy(DatasetPolicy(dataset="criteo", sites=("dgx",)))
    rule = keep(hub, "criteo@prod", at="")
    assert [task.site for task in hub.sites.tasks()] == ["dgx"]
    (place,) = [item for item in hub.rules.get(rule.rule_id).places if item.site == "aks"]
    assert (place.ref, place.state, place.reason) == ("", PlaceState.WAITING, "criteo may never be at aks")


def test_a_tag_that_is_gone_takes_nothing_away(hub: LocalHub, dgx: Agent, criteo: Version) -> None:
    rule = keep(hub, "criteo@prod")
    fill(hub, dgx)
    hub.catalog.untag("criteo", "prod", "ada")
    hub.scheduler.tick()
    (place,) = hub.rules.get(rule.rule_id).places
    assert (place.ref, place.state, place.keeps) == ("", PlaceState.WAITING, ("criteo@v1",))
    assert place.reason == "criteo has no tag prod any more"
    assert is_kept(hub, dgx, criteo)
    hub.catalog.tag("criteo", "prod", 1, "ada")
    hub.scheduler.tick()
    assert stands(hub, rule) == {"dgx": ("criteo@v1", PlaceState.SATISFIED)}


def test_a_version_that_was_forgotten_and_a_dataset_that_was_are_told(
    hub: LocalHub, dgx: Agent, criteo: Version
) -> None:
    hub.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    next_version(hub)
    rule, newest = keep(hub, "criteo@v2"), keep(hub, "criteo")
    hub.catalog.remove_version("criteo", 2)
    hub.scheduler.tick()
    assert hub.rules.get(rule.rule_id).places[0].reason == "criteo@v2 is retired, or no more"
    assert stands(hub, newest) == {"dgx": ("criteo@v1", PlaceState.WAITING)}
    hub.catalog.untag("criteo", "prod", "ada")
    hub.catalog.remove_dataset("criteo")
    hub.scheduler.tick()
    assert hub.rules.get(rule.rule_id).places[0].reason == "there is no dataset criteo any more"


def test_every_new_version_goes_to_the_sites_that_used_the_last_one(
    hub: LocalHub, dgx: Agent, aks: Agent, criteo: Version
) -> None:
    for agent in (dgx, aks):
        ready(hub, agent.volume_id, criteo)
    hub.leases.release(hub.leases.take(aks.volume_id, criteo, holder()).lease_id)
    rule = keep(hub, "criteo", at="used-last")
    assert stands(hub, rule) == {}, "nobody used a version before the first one"
    next_version(hub)
    hub.scheduler.tick()
    assert stands(hub, rule) == {"aks": ("criteo@v2", PlaceState.FILLING)}
    fill(hub, aks)
    next_version(hub)
    hub.scheduler.tick()
    assert stands(hub, rule) == {"aks": ("criteo@v3", PlaceState.FILLING)}, "of v2, which nobody used, it is v1's"


def test_a_tag_says_what_was_before_and_when_it_is_gone_what_is_there_stays(
    hub: LocalHub, dgx: Agent, aks: Agent, criteo: Version
) -> None:
    for agent, version in ((dgx, criteo), (aks, next_version(hub))):
        ready(hub, agent.volume_id, version)
        hub.leases.release(hub.leases.take(agent.volume_id, version, holder()).lease_id)
    rule = keep(hub, "criteo@prod", at="used-last")
    last = next_version(hub, tag="prod")
    assert stands(hub, rule) == {"dgx": ("criteo@v3", PlaceState.FILLING)}, "v2 never was prod"
    fill(hub, dgx)
    hub.catalog.untag("criteo", "prod", "ada")
    hub.scheduler.tick()
    assert hub.rules.get(rule.rule_id).places[0].keeps == (last.ref,)
    assert is_kept(hub, dgx, last)


def test_a_rule_on_all_datasets_with_a_tag(hub: LocalHub, dgx: Agent, criteo: Version) -> None:
    """`--new-versions`: the tag only says of which datasets."""
    hub.catalog.tag("criteo", "daily", 1, "ada")
    new_version(hub, "other")
    tagged, newest = keep(hub, "*@daily"), keep(hub, "*@daily", newest=True)
    assert stands(hub, tagged) == stands(hub, newest) == {"dgx": ("criteo@v1", PlaceState.FILLING)}
    next_version(hub)
    hub.catalog.tag("other", "daily", 1, "ada")
    hub.scheduler.tick()
    wanted = {rule.rule_id: [place.ref for place in rule.places] for rule in hub.rules.all()}
    assert wanted == {tagged.rule_id: ["criteo@v1", "other@v1"], newest.rule_id: ["criteo@v2", "other@v1"]}
    hub.catalog.untag("criteo", "daily", "ada")
    hub.scheduler.tick()
    assert [place.ref for place in hub.rules.get(newest.rule_id).places] == ["other@v1"]


def test_a_person_s_pin_and_a_rule_s_keep_each_stand_alone(hub: LocalHub, dgx: Agent, criteo: Version) -> None:
    ready(hub, dgx.volume_id, criteo)
    hub.replicas.pin(dgx.volume_id, criteo, "bob", "mine", 0.0)
    rule = keep(hub, "criteo@prod")
    assert hub.replicas.unpin(dgx.volume_id, criteo).pinned_by == f"rule {rule.rule_id}"
    hub.replicas.pin(dgx.volume_id, criteo, "bob", "mine", 0.0)
    hub.rules.remove(rule.rule_id)
    replica = hub.replicas.get(dgx.volume_id, criteo)
    assert replica is not None
    assert (replica.state, replica.pinned_by) == (ReplicaState.READY, "bob")


def test_what_can_be_no_rule_is_refused(hub: LocalHub, dgx: Agent, criteo: Version) -> None:
    refused = [
        (NewRule(ref="nothing@prod"), "dataset-not-found"),
        (NewRule(ref="criteo@stable"), "tag-not-found"),
        (NewRule(ref="criteo@v7"), "version-not-found"),
        (NewRule(ref="criteo@v1", newest=True), "bad-rule"),
        (NewRule(ref="criteo", until=1.0), "bad-rule"),
        (NewRule(ref="criteo", role="king"), "bad-rule"),
        (NewRule(ref="criteo", at="cpu>=4"), "bad-labels"),
        (NewRule(ref="criteo", at="gpu>>4"), "bad-labels"),
        (NewRule(ref="*"), "bad-name"),
        (NewRule(ref="*@v1"), "bad-name"),
    ]
    for new, kind in refused:
        with pytest.raises(ForebayError) as caught:
            hub.rules.add(new)
        assert caught.value.kind == kind
    assert hub.rules.all() == []


def test_why_tells_of_a_rule_without_a_place_of_its_beginning_and_of_a_site(
    hub: LocalHub, dgx: Agent, criteo: Version, clock: FakeClock
) -> None:
    nowhere = keep(hub, "criteo@prod", at="gpu>=64")
    (told,) = why(hub, nowhere.rule_id[:8])
    assert (told.what, told.state, told.site) == ("rule", "nowhere", "")
    assert told.reason == "no site matches: dgx has gpu=8, asked for gpu>=64"
    assert told.unblock

    begins_at = clock.now() + 3600
    hub.downtimes.plan("dgx", begins_at, begins_at + 60, "new disks")
    (site,) = why(hub, "dgx", now=clock.now())
    assert (site.what, site.thing, site.state) == ("site", "dgx", "up")
    assert "it will be down for new disks" in site.reason
    hub.sites.set_state("dgx", SiteState.DRAINING, "new disks")
    (site,) = why(hub, "dgx", now=clock.now())
    assert (site.reason.partition(";")[0], site.unblock) == (
        "new disks",
        "somebody wants it up again: forebay sites up dgx",
    )

    new_version(hub, nowhere.rule_id[:2])
    assert {item.what for item in why(hub, nowhere.rule_id[:2])} == {"replica"}, "a whole name before a beginning"

    with pytest.raises(NotFoundError, match="rule, site or version 'dgy'") as caught:
        why(hub, "dgy")
    assert "dgx" in caught.value.todo


def test_why_of_a_version_that_is_coming_does_not_say_that_nobody_brought_it(
    hub: LocalHub, dgx: Agent, criteo: Version
) -> None:
    assert why(hub, "criteo@v1")[0].reason.startswith("nobody has brought it there")
    keep(hub, "criteo@prod")
    hub.scheduler.tick()
    dgx.tell(dgx.order(TaskKind.FILL), TaskState.FAILED, detail="a is gone\nb is gone")
    replica, fill, *_ = why(hub, "criteo@v1")
    assert replica.reason == "it is still to be brought there"
    assert (fill.reason, fill.last_error) == ("it failed once: a is gone", "a is gone\nb is gone")
