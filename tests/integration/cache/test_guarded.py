"""The cache's engine on a hub that is guarded: whoever may do a thing can do all of it, and nobody else any of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from forebay.cache.engine import Cache
from forebay.errors import ForebayError, NotAllowedError, NotFoundError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent, Person, Principal
from forebay.hub.access.store import AccessStore
from forebay.testing.cached import World
from forebay.testing.cached.world import holder
from forebay.wire.access import AuditQuery, DatasetPolicy, Outcome, Role
from forebay.wire.cache import FillDone, HealthReport, Progress, Sign, VolumeState
from forebay.wire.catalog import NewVersion, Version

FILES = {"part-0": b"0" * 1000, "part-1": b"1" * 1000}

VIEWER = Person(user="vera", role=Role.VIEWER)
SCIENTIST = Person(user="eve", role=Role.SCIENTIST)
ENGINEER = Person(user="ed", role=Role.ENGINEER)
ADMIN = Person(user="root", role=Role.ADMIN)
AGENT = Agent(site="dgx", user="root")
STRANGER = Agent(site="aks", user="root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A world whose hub is reached through the gate."""

    world: World
    access: AccessStore

    def hub(self, principal: Principal) -> Guarded:
        return Guarded(self.world.hub, self.access, principal)

    def cache(self, principal: Principal) -> Cache:
        return self.world.cache(hub=self.hub(principal))

    def refusals(self) -> list[tuple[str, str]]:
        lines = self.access.audit(AuditQuery(outcome=Outcome.REFUSED)).records
        return [(line.user, line.call) for line in reversed(lines)]

    def deeds(self, user: str) -> list[str]:
        lines = self.access.audit(AuditQuery(user=user, outcome=Outcome.ALLOWED)).records
        return [line.call for line in reversed(lines)]


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    world = World(tmp_path)
    access = AccessStore(world.hub.engine, world.clock)
    for team in ("ads", "maps"):
        access.join_team(team, [])
    return Guard(world=world, access=access)


@pytest.fixture
def clicks(guard: Guard) -> Version:
    return guard.world.add("clicks", FILES)


@pytest.mark.parametrize("principal", [SCIENTIST, ENGINEER, ADMIN], ids=lambda item: item.role)
def test_a_volume_of_no_site_is_worked_on_by_people(guard: Guard, clicks: Version, principal: Person) -> None:
    cache = guard.cache(principal)
    warmed = cache.warm(clicks, holder())
    assert (warmed.moved_bytes, warmed.path.joinpath("part-1").read_bytes()) == (2000, FILES["part-1"])
    with cache.lease(clicks, holder()) as leased:
        assert leased.warmed.path == warmed.path
        (lease,) = guard.world.hub.leases.live(cache.volume_id)
        assert lease.holder.user == principal.user, "nobody holds anything in another's name"
    (results, marked) = cache.verify([clicks], guard.world.root / "memo", force=False)
    assert (len(results), marked) == (1, [])
    assert not cache.recover().failed
    (replica,) = cache.replicas()
    assert cache.evictor.evict(replica, "asked").error is None
    assert cache.volume().used_bytes == 0, "and the account is right"
    assert guard.refusals() == []
    deeds = guard.deeds(principal.user)
    assert deeds == [
        "volumes.add",
        "fills.claim",
        "fills.finish",
        "leases.take",
        "volumes.set_used_bytes",
        "replicas.begin_evict",
        "replicas.finish_evict",
    ]


def test_a_viewer_looks_and_moves_nothing(guard: Guard, clicks: Version) -> None:
    guard.cache(SCIENTIST).warm(clicks, holder())
    cache = guard.cache(VIEWER)
    assert [item.ref for item in cache.replicas()] == ["clicks@v1"]
    for act in (lambda: cache.lease(clicks, holder()), lambda: cache.warm(guard.world.add("new", FILES), holder())):
        with pytest.raises(NotAllowedError, match="needs the role scientist"):
            act()
    assert guard.refusals() == [("vera", "leases.take"), ("vera", "fills.claim")]


def test_a_site_s_agent_keeps_its_volume_and_people_open_what_is_there(guard: Guard, clicks: Version) -> None:
    agent = guard.cache(AGENT)
    agent.warm(clicks, holder())
    volume = guard.world.hub.volumes.get(agent.volume_id)
    with guard.world.cache(hub=guard.hub(SCIENTIST), limit_bytes=5).lease(clicks, holder()) as leased:
        assert leased.warmed.path.joinpath("part-0").read_bytes() == FILES["part-0"]
    after = guard.world.hub.volumes.get(agent.volume_id)
    assert after.limit_bytes == volume.limit_bytes, "who opens something there does not say how large it is"
    cache = guard.cache(SCIENTIST)
    (replica,) = cache.replicas()
    error = cache.evictor.evict(replica, "asked").error
    assert isinstance(error, NotAllowedError)
    with pytest.raises(NotAllowedError):
        cache.warm(guard.world.add("new", FILES), holder())
    guard.hub(SCIENTIST).volumes.report_health(cache.volume_id, HealthReport(sign=Sign.BAD, reason="so they say"))
    assert guard.world.hub.volumes.get(cache.volume_id).state is VolumeState.NORMAL
    assert guard.cache(ENGINEER).evictor.evict(replica, "asked").error is None
    assert guard.deeds("agent:dgx") == ["volumes.add", "volumes.add", "fills.claim", "fills.finish"]
    first = guard.access.audit(AuditQuery(user="agent:dgx")).records[-1]
    assert first.detail == f"volume {cache.volume_id} becomes the site's"


def test_a_stolen_token_is_of_no_use_at_another_site(guard: Guard, clicks: Version) -> None:
    cache = guard.cache(AGENT)
    cache.warm(clicks, holder())
    with pytest.raises(NotAllowedError, match="for the agent of the site 'aks' alone"):
        guard.cache(STRANGER)
    assert guard.refusals() == [("agent:aks", "volumes.get")]
    assert guard.access.subjects.place(cache.volume_id).site == "dgx"
    assert guard.hub(STRANGER).volumes.at(str(guard.world.volume)) is None


def test_an_agent_puts_back_only_what_the_hub_once_counted(guard: Guard, clicks: Version) -> None:
    hub = guard.hub(AGENT)
    new = NewVersion(
        dataset="clicks",
        manifest_digest=clicks.manifest_digest,
        origin="registered",
        lake_url=clicks.lake_url,
        created_by="ada",
    )
    assert hub.catalog.restore_version(new, 1) == clicks
    for unknown in (lambda: hub.catalog.restore_version(new, 2), lambda: hub.catalog.add_version(new)):
        with pytest.raises(NotAllowedError):
            unknown()
    with pytest.raises(NotAllowedError, match="an engineer recovers"):
        hub.catalog.restore_version(replace(new, dataset="views"), 1)
    put_back = guard.hub(ENGINEER).catalog.restore_version(new, 2)
    assert (put_back.number, put_back.created_by) == (2, "ed")


def test_residency_bytes_never_come_where_they_may_not_be(guard: Guard, clicks: Version) -> None:
    agent = guard.cache(AGENT)
    guard.access.set_policy(DatasetPolicy(dataset="clicks", sites=("aks",)))
    with pytest.raises(NotFoundError):
        agent.warm(clicks, holder())
    for person in (ENGINEER, ADMIN):
        with pytest.raises(NotAllowedError, match="its bytes may be at aks, not at the site 'dgx'"):
            guard.cache(person).warm(clicks, holder())
    guard.access.set_policy(DatasetPolicy(dataset="clicks", sites=("aks", "dgx")))
    agent.warm(clicks, holder())
    guard.access.set_policy(DatasetPolicy(dataset="clicks", sites=("aks",)))
    with pytest.raises(NotAllowedError):
        guard.cache(SCIENTIST).lease(clicks, holder())
    (replica,) = agent.replicas()
    assert agent.evictor.evict(replica, "residency").error is None, "what may not be there any more can go"
    with pytest.raises(NotFoundError):
        agent.resolve("clicks")


def test_what_somebody_fills_nobody_else_ends(guard: Guard, clicks: Version) -> None:
    hub, volume_id = guard.hub(SCIENTIST), guard.cache(SCIENTIST).volume_id
    hub.fills.claim(volume_id, clicks, holder())
    (seen,) = guard.hub(ENGINEER).fills.open_fills(volume_id)
    other = guard.hub(Person(user="ben", role=Role.SCIENTIST))
    done = FillDone(added_bytes=0, moved_bytes=0, present_bytes=0, seconds=0.0, seal_digest="")
    acts: list[Callable[[Guarded], object]] = [
        lambda by: by.fills.finish(seen.fill_id, seen.token, done),
        lambda by: by.fills.renew(seen.fill_id, seen.token, Progress()),
        lambda by: by.fills.reserve(seen.fill_id, seen.token, 1, 100),
    ]
    for act in acts:
        for by in (other, guard.hub(ADMIN)):
            with pytest.raises(NotAllowedError, match="somebody else holds it"):
                act(by)
    assert other.fills.wishes(seen.fill_id, seen.token, 0) == []
    hub.fills.fail(seen.fill_id, seen.token, "enough", 0)
    assert hub.fills.open_fills(volume_id) == []


def test_a_lease_is_its_holder_s(guard: Guard, clicks: Version) -> None:
    cache = guard.cache(SCIENTIST)
    cache.warm(clicks, holder())
    lease = guard.hub(SCIENTIST).leases.take(cache.volume_id, clicks, holder())
    other = guard.hub(Person(user="ben", role=Role.SCIENTIST))
    for act in (other.leases.renew, other.leases.release):
        with pytest.raises(NotAllowedError, match="somebody else holds it"):
            act(lease.lease_id)
    assert guard.hub(SCIENTIST).leases.renew(lease.lease_id).holder.user == "eve"
    guard.access.set_policy(DatasetPolicy(dataset="clicks", sites=("dgx",)))
    with pytest.raises(NotAllowedError):
        guard.hub(SCIENTIST).leases.renew(lease.lease_id)
    guard.hub(SCIENTIST).leases.release(lease.lease_id)
    assert guard.world.hub.leases.live(cache.volume_id) == [], "what one may not use one may still let go"


def test_PRIVATE_no_fill_tells_what_a_hidden_dataset_holds(guard: Guard) -> None:
    """The same objects, hidden and mine: they are moved again, as if the ones that are there were not."""
    member = Person(user="ann", role=Role.SCIENTIST, teams=frozenset({"ads"}))
    hidden = guard.world.add("secret", FILES)
    guard.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    guard.cache(member).warm(guard.world.hub.catalog.resolve("secret"), holder())
    mine = guard.world.register("mine", {"a": "secret/part-0", "b": "secret/part-1"})
    warmed = guard.cache(SCIENTIST).warm(mine, holder())
    assert (warmed.moved_bytes, warmed.present_bytes) == (2000, 0)
    again = guard.world.register("again", {"c": "secret/part-0", "d": "secret/part-1"})
    assert guard.cache(SCIENTIST).warm(again, holder()).moved_bytes == 0, "of one access group it is there already"
    assert hidden.group != guard.world.hub.catalog.resolve("secret").group


def test_a_version_that_was_read_before_its_group_moved_is_refused(guard: Guard, clicks: Version) -> None:
    guard.access.set_policy(DatasetPolicy(dataset="clicks", read=("ads",)))
    with pytest.raises(ForebayError) as caught:
        guard.cache(ADMIN).warm(clicks, holder())
    assert caught.value.kind == "group-moved"
    guard.cache(ADMIN).warm(guard.world.hub.catalog.resolve("clicks"), holder())


def test_names_in_records_are_those_of_who_asked(guard: Guard, clicks: Version) -> None:
    hub = guard.hub(SCIENTIST)
    new = NewVersion(
        dataset="mine",
        manifest_digest=clicks.manifest_digest,
        origin="registered",
        lake_url="file:///other",
        created_by="root",
    )
    assert hub.catalog.add_version(new).version.created_by == "eve"
    assert hub.catalog.dataset("mine").owner == "eve"
    assert hub.catalog.tag("mine", "prod", 1, "root").moved_by == "eve"
    assert hub.catalog.untag("mine", "prod", "root").moved_by == "eve"
    cache = guard.cache(SCIENTIST)
    cache.warm(clicks, holder())
    assert hub.replicas.pin(cache.volume_id, clicks, "root", "mine", 0.0).pinned_by == "eve"


def test_quotas_are_of_one_s_own_teams(guard: Guard, clicks: Version) -> None:
    volume_id = guard.cache(ADMIN).volume_id
    admin = guard.hub(ADMIN)
    admin.volumes.set_quota(volume_id, "ads", 1)
    admin.volumes.set_quota(volume_id, "maps", 2)
    member = guard.hub(Person(user="ann", role=Role.SCIENTIST, teams=frozenset({"maps"})))
    assert [item.team for item in member.volumes.quotas(volume_id)] == ["maps"]
    assert len(admin.volumes.quotas(volume_id)) == 2
    with pytest.raises(NotAllowedError):
        member.volumes.set_quota(volume_id, "maps", 1000)
    with pytest.raises(NotAllowedError, match="only a member of the team 'ads'"):
        member.catalog.set_team("clicks", "ads")
