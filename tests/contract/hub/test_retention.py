"""Retention on both databases and both faces: what is retired is not used any more, stays on record and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.retention import DAY_S, GRACE_S
from forebay.client.why import why
from forebay.errors import ConflictError, ForebayError, InputError, NotFoundError
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.hub.retention import BY_POLICY, EVERY_S, LOOK_S, RetentionStore
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version, holder, store_manifest
from forebay.wire.access import AuditQuery
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import NewSubset, NewVersion, ParentVersion, Version
from forebay.wire.hub import Hub
from forebay.wire.retention import Keep, RetentionPolicy
from forebay.wire.rules import NewRule
from forebay.wire.runs import DataUse, NewRun
from forebay.wire.sites import Hello, TaskKind
from tests.contract.hub.conftest import VOLUME

KEEP_2 = RetentionPolicy(dataset="clicks", keep_last=2)


def made(hub: Hub, count: int, dataset: str = "clicks") -> list[Version]:
    return [one(hub, number, dataset) for number in range(count)]


def one(hub: Hub, content: int, dataset: str = "clicks", *parents: Version) -> Version:
    manifest = Manifest.registered([Entry(path="part", size_bytes=100, etag=str(content))])
    if not parents:
        return add_version(hub, dataset, manifest, "file:///lake")
    new = NewVersion(
        dataset=dataset,
        manifest_digest=store_manifest(hub, manifest),
        origin="registered",
        lake_url="file:///lake",
        parents=tuple(ParentVersion(dataset=item.dataset, number=item.number) for item in parents),
    )
    return hub.catalog.add_version(new).version


def filled(hub: Hub, version: Version) -> None:
    granted = hub.fills.claim(VOLUME, version, holder())
    assert isinstance(granted, Granted)
    done = FillDone(added_bytes=100, moved_bytes=100, present_bytes=0, seconds=1.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def numbers(versions: list[Version]) -> list[int]:
    return [version.number for version in versions]


def kinds(*calls: Callable[[], object]) -> set[str]:
    found = set()
    for call in calls:
        with pytest.raises(ForebayError) as caught:
            call()
        found.add(caught.value.kind)
    return found


def test_a_retired_version_is_hidden_and_stays_on_record(hub: Hub, clock: FakeClock) -> None:
    versions = made(hub, 3)
    child = one(hub, 100, "features", versions[2])
    done = hub.retention.retire("clicks", 3, "wrong labels", "ada")
    assert (done.retired_by, done.retired_reason, done.release_at) == ("ada", "wrong labels", clock.now() + GRACE_S)
    assert numbers(hub.catalog.versions("clicks")) == [2, 1]
    assert numbers(hub.catalog.versions("clicks", retired=True)) == [3, 2, 1]
    assert hub.catalog.resolve("clicks").number == 2, "the latest is never a retired one"
    assert (hub.catalog.dataset("clicks").latest, hub.catalog.dataset("clicks").versions) == (2, 2)
    there = hub.catalog.resolve("clicks@v3")
    assert (there.manifest_digest, there.is_retired) == (versions[2].manifest_digest, True)
    assert [edge.child for edge in hub.catalog.lineage("clicks", 3).downstream] == [child.ref]
    assert one(hub, 50).number == 4, "numbers are never used twice"
    manifest = Manifest.registered([Entry(path="part", size_bytes=100, etag="2")])
    assert add_version(hub, "clicks", manifest, "file:///lake", 3) == there, "recover brings nothing back that went"
    part = NewVersion(
        dataset="clicks",
        manifest_digest=there.manifest_digest,
        origin="registered",
        lake_url="file:///lake",
        subset="part",
        selection="{}",
    )
    assert hub.catalog.restore_version(part, 3).is_retired, "nor a subset of it"


def test_a_retired_version_is_not_used_and_the_error_says_how_to_have_it_back(hub: Hub) -> None:
    first, _ = made(hub, 2)
    filled(hub, first)
    hub.retention.retire("clicks", 1, "old")
    hub.sites.attach(Hello(site="dgx", volume_id=VOLUME, gpus=1))
    run = NewRun(command=("train",), data=(DataUse(name="data", ref="clicks@v1"),))
    part = NewSubset(dataset="clicks", number=1, subset="part", selection="{}", manifest_digest=first.manifest_digest)
    assert kinds(
        lambda: hub.leases.take(VOLUME, first, holder()),
        lambda: hub.fills.claim(VOLUME, first, holder()),
        lambda: hub.replicas.pin(VOLUME, first, "ada", "mine", 0.0),
        lambda: hub.catalog.tag("clicks", "prod", 1, "ada"),
        lambda: hub.catalog.add_subset(part),
        lambda: hub.runs.submit(run),
        lambda: hub.runs.explain(run),
        lambda: hub.sites.ask("dgx", TaskKind.FILL, "clicks@v1", "why"),
    ) == {"version-retired"}
    with pytest.raises(ConflictError) as caught:
        hub.leases.take(VOLUME, first, holder())
    assert (caught.value.message, caught.value.todo) == (
        "clicks@v1 is retired.",
        "Bring it back: forebay dataset restore clicks@v1",
    )


def test_why_tells_that_a_version_is_retired_and_how_to_have_it_back(hub: Hub, embedded: LocalHub) -> None:
    first, _ = made(hub, 2)
    filled(hub, first)
    hub.sites.attach(Hello(site="dgx", volume_id=VOLUME, gpus=1))
    done = hub.retention.retire("clicks", 1, "wrong labels", "ada")
    embedded.replicas.mark_damaged(VOLUME, first, "its bytes are others")
    retired, replica = why(hub, "clicks@v1")
    assert (retired.what, retired.state, retired.since) == ("version", "retired", done.retired_at)
    assert "ada: wrong labels; its replicas go from 20" in retired.reason
    assert retired.unblock == "somebody brings it back: forebay dataset restore clicks@v1"
    assert "cache warm" not in replica.unblock
    assert "forebay dataset restore clicks@v1" in replica.unblock
    hub.retention.restore("clicks", 1)
    (replica,) = why(hub, "clicks@v1")
    assert "cache warm" in replica.unblock


def test_restored_it_is_as_it_was(hub: Hub, clock: FakeClock) -> None:
    first, _ = made(hub, 2)
    filled(hub, first)
    hub.retention.retire("clicks", 1, "old")
    clock.pass_by(GRACE_S)
    (replica,) = hub.replicas.all(VOLUME)
    assert replica.release_at == clock.now(), "the sweep takes it from now on"
    restored = hub.retention.restore("clicks", 1)
    assert restored == first == hub.retention.restore("clicks", 1)
    assert hub.replicas.all(VOLUME)[0].release_at == 0.0
    hub.leases.take(VOLUME, first, holder())


def test_what_is_named_or_used_is_not_retired_by_hand(hub: Hub, clock: FakeClock) -> None:
    first, second, third, fourth, fifth, sixth = made(hub, 6)
    rule = hub.rules.add(NewRule(ref=sixth.ref, at="", owner="ada"))
    hub.catalog.tag("clicks", "prod", 1, "ada")
    filled(hub, second)
    lease = hub.leases.take(VOLUME, second, holder())
    filled(hub, third)
    hub.replicas.pin(VOLUME, third, "ada", "mine", 0.0)
    hub.fills.claim(VOLUME, fourth, holder())
    run = hub.runs.submit(NewRun(command=("train",), data=(DataUse(name="data", ref="clicks@v5"),)))
    assert kinds(*(lambda n=n: hub.retention.retire("clicks", n, "old") for n in range(1, 7))) == {"version-held"}
    assert [fate.keep for fate in hub.retention.plan("clicks", KEEP_2).fates] == [
        Keep.RULE,
        Keep.RUN,
        Keep.FILLING,
        Keep.PINNED,
        Keep.IN_USE,
        Keep.TAGGED,
    ]
    hub.catalog.untag("clicks", "prod", "ada")
    hub.leases.release(lease.lease_id)
    hub.runs.cancel(run.run_id)
    hub.rules.remove(rule.rule_id)
    for version in (first, second, fifth, sixth):
        assert hub.retention.retire("clicks", version.number, "old").is_retired
    assert kinds(lambda: hub.rules.add(NewRule(ref=sixth.ref, at="", owner="ada"))) == {"version-retired"}
    with pytest.raises(ConflictError) as caught:
        hub.runs.retry(run.run_id)
    assert caught.value.kind == "version-retired"


def test_a_policy_is_planned_declared_and_carried_out(hub: Hub, clock: FakeClock) -> None:
    made(hub, 6)
    assert hub.retention.policy("clicks").keeps_all
    clock.pass_by(30 * DAY_S)
    planned = hub.retention.plan("clicks", KEEP_2)
    assert [fate.number for fate in planned.retiring] == [4, 3, 2, 1]
    assert planned.waits == "4 of 6 versions would go at once"
    assert numbers(hub.catalog.versions("clicks")) == [6, 5, 4, 3, 2, 1], "a plan changes nothing"
    set_ = hub.retention.set_policy(KEEP_2, "ada")
    assert (set_.keep_last, set_.keep_days, set_.set_by, set_.set_at) == (2, None, "ada", clock.now())
    done = hub.retention.apply("clicks", "ada")
    assert [fate.number for fate in done.retiring] == [4, 3, 2, 1]
    assert numbers(hub.catalog.versions("clicks")) == [6, 5]
    assert (
        hub.catalog.resolve("clicks@v1").retired_reason
        == "older than the newest 2, made 30 days ago; kept are the newest 2"
    )
    assert hub.retention.apply("clicks", "ada").retiring == ()
    off = hub.retention.set_policy(RetentionPolicy(dataset="clicks"))
    assert off.keeps_all
    assert hub.retention.policy("clicks") == RetentionPolicy(dataset="clicks")


def test_a_plan_counts_what_the_replicas_hold(hub: Hub, clock: FakeClock) -> None:
    first, second, _, _ = made(hub, 4)
    for version in (first, second):
        filled(hub, version)
    clock.pass_by(30 * DAY_S)
    planned = hub.retention.plan("clicks", KEEP_2)
    assert ([fate.number for fate in planned.retiring], planned.replica_bytes) == ([2, 1], 200)


def test_what_a_tagged_version_was_made_from_stays(hub: Hub, clock: FakeClock) -> None:
    first, second, *_ = made(hub, 4)
    middle = one(hub, 100, "features", first)
    last = one(hub, 101, "models", middle)
    one(hub, 102, "features", second)
    hub.catalog.tag("models", "prod", last.number, "ada")
    clock.pass_by(30 * DAY_S)
    fates = {fate.number: fate.keep for fate in hub.retention.plan("clicks", KEEP_2).fates}
    assert fates == {4: Keep.LAST, 3: Keep.LAST, 2: Keep.NOTHING, 1: Keep.LINEAGE}


def test_use_keeps_a_version_for_a_while(hub: Hub, clock: FakeClock) -> None:
    first, *_ = made(hub, 3)
    clock.pass_by(30 * DAY_S)
    filled(hub, first)
    clock.pass_by(DAY_S)
    hub.leases.release(hub.leases.take(VOLUME, first, holder()).lease_id)
    clock.pass_by(GRACE_S - 10)
    assert hub.retention.plan("clicks", KEEP_2).retiring == ()
    clock.pass_by(20)
    assert [fate.number for fate in hub.retention.plan("clicks", KEEP_2).retiring] == [1]


def test_an_added_version_pushes_the_oldest_out(hub: Hub, embedded: LocalHub, clock: FakeClock) -> None:
    made(hub, 2)
    hub.retention.set_policy(KEEP_2)
    clock.pass_by(30 * DAY_S)
    one(hub, 77)
    assert numbers(hub.catalog.versions("clicks")) == [3, 2]
    (line,) = AccessStore(embedded.engine, clock).audit(AuditQuery(user=BY_POLICY)).records
    assert (line.call, line.ref, line.detail) == (
        "retention.apply",
        "clicks@v1",
        "retired: older than the newest 2, made 30 days ago",
    )


def test_a_hub_does_what_is_due_once_whichever_looks(embedded: LocalHub, clock: FakeClock) -> None:
    """Several hubs of one database: each version is retired, and written down, by one of them."""
    made(embedded, 4)
    embedded.retention.set_policy(RetentionPolicy(dataset="clicks", keep_days=60))
    clock.pass_by(61 * DAY_S)
    others = [RetentionStore(embedded.engine, clock) for _ in range(3)]
    with ThreadPoolExecutor(len(others)) as pool:
        list(pool.map(RetentionStore.tend_due, others))
    assert numbers(embedded.catalog.versions("clicks")) == [4]
    assert retired_by_policy(embedded, clock) == ["clicks@v1", "clicks@v2", "clicks@v3"]


def test_a_served_hub_looks_every_hour(embedded: LocalHub, clock: FakeClock) -> None:
    made(embedded, 2)
    embedded.retention.set_policy(RetentionPolicy(dataset="clicks", keep_days=60))
    clock.pass_by(60 * DAY_S - EVERY_S)
    embedded.retention.tend_due()
    assert len(embedded.catalog.versions("clicks")) == 2, "too young"
    clock.pass_by(EVERY_S - 10)
    embedded.retention.tend_due()
    clock.pass_by(LOOK_S)
    embedded.retention.tend_due()
    assert numbers(embedded.catalog.versions("clicks")) == [2]


def test_the_thread_that_schedules_also_retires(embedded: LocalHub, clock: FakeClock) -> None:
    made(embedded, 2)
    embedded.retention.set_policy(RetentionPolicy(dataset="clicks", keep_days=60))
    clock.pass_by(61 * DAY_S)
    looked = threading.Event()
    embedded.scheduler.chores.append(looked.set)
    with embedded.scheduler.running():
        assert looked.wait(60)
    assert numbers(embedded.catalog.versions("clicks")) == [2]


def test_BRAKE_many_wait_until_somebody_says_so(embedded: LocalHub, clock: FakeClock) -> None:
    made(embedded, 8)
    embedded.retention.set_policy(RetentionPolicy(dataset="clicks", keep_days=60))
    clock.pass_by(100 * DAY_S)  # a clock that was set wrong looks the same
    embedded.retention.tend_due()
    assert len(embedded.catalog.versions("clicks")) == 8
    assert embedded.retention.plan("clicks").waits == "7 of 8 versions would go at once"
    assert retired_by_policy(embedded, clock) == []
    embedded.retention.apply("clicks", "ada")
    assert numbers(embedded.catalog.versions("clicks")) == [8]


def test_IN_USE_of_a_lease_and_a_retirement_at_once_one_is_refused(embedded: LocalHub) -> None:
    """Whichever comes first: a version is never both retired and leased."""
    for number, version in enumerate(made(embedded, 8), start=1):
        filled(embedded, version)
        with ThreadPoolExecutor(2) as pool:
            lease = pool.submit(embedded.leases.take, VOLUME, version, holder())
            retired = pool.submit(embedded.retention.retire, "clicks", number, "old")
            errors = [item.exception() for item in (lease, retired)]
        assert sorted(error.kind for error in errors if isinstance(error, ForebayError)) in (
            ["version-held"],
            ["version-retired"],
        ), errors
        if errors[0] is None:
            embedded.leases.release(lease.result().lease_id)
        embedded.retention.restore("clicks", number)
        embedded.replicas.forget(VOLUME, version, "next")


def test_wrong_requests_are_refused(hub: Hub) -> None:
    made(hub, 1)
    with pytest.raises(InputError):
        hub.retention.set_policy(RetentionPolicy(dataset="clicks", keep_last=0))
    with pytest.raises(NotFoundError):
        hub.retention.plan("clocks")
    with pytest.raises(NotFoundError):
        hub.retention.retire("clicks", 9, "old")
    with pytest.raises(NotFoundError):
        hub.retention.restore("clicks", 9)


def retired_by_policy(hub: LocalHub, clock: FakeClock) -> list[str]:
    lines = AccessStore(hub.engine, clock).audit(AuditQuery(user=BY_POLICY)).records
    return sorted(line.ref for line in lines)
