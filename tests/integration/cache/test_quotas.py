"""Teams and their quotas on a real volume: a team pays with its own, what is in use holds, errors name the way."""

from __future__ import annotations

import pytest

from forebay.client.forecast import forecast
from forebay.client.keep import decide, explain
from forebay.client.session import Session
from forebay.errors import CapacityError
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage, assert_mended, assert_unpublished

SHARED = b"s" * 40_000


def _own(name: str, size: int = 60_000) -> dict[str, bytes]:
    return {"own": name.encode()[:1] * size, "shared": SHARED}


def _of_team(stage: Stage, name: str, team: str) -> Version:
    version = stage.add(name, _own(name))
    stage.session().hub.catalog.set_team(name, team)
    return version


def _held(session: Session) -> dict[str, int]:
    return {item.quota.team: item.held_bytes for item in session.cache.evictor.team_uses()}


def _here(session: Session) -> set[str]:
    return {item.dataset for item in session.cache.replicas()}


def _quota(session: Session, team: str, limit_bytes: int) -> None:
    session.hub.volumes.set_quota(session.cache.volume_id, team, limit_bytes)


def test_a_fill_over_the_quota_costs_the_team_its_own_and_nobody_else_anything(stage: Stage) -> None:
    session = stage.session()
    foreign = _of_team(stage, "zebra", "maps")
    session.warm(foreign, "test")
    versions = [_of_team(stage, name, "ads") for name in ("alpha", "beta", "gamma")]
    # Nobody has learned what these hold before their first fill: until then they are taken to share nothing.
    _quota(session, "ads", 200_000)
    session.warm(versions[0], "test")
    session.warm(versions[1], "test")
    assert _held(session) == {"ads": 160_000}, "what two of them share counts once"
    assert _here(session) == {"alpha", "beta", "zebra"}
    planned = forecast(session, versions[2])
    assert planned.over_quota_bytes == 0
    # Which one it is depends on how fast each of them came.
    (goes,) = [item.candidate.replica.dataset for item in planned.evicts]
    assert goes in ("alpha", "beta")
    session.warm(versions[2], "test")
    assert _here(session) == {"alpha", "beta", "gamma", "zebra"} - {goes}
    events = session.hub.volumes.events(session.cache.volume_id, 10)
    (told,) = [item.reason for item in events if item.event == "evicted"]
    assert told.startswith("the team ads holds 156.2 KiB of its 195.3 KiB, a fill lacks 58.6 KiB, and this is worth")
    assert_mended(session)


def test_what_two_teams_share_counts_for_both(stage: Stage) -> None:
    session = stage.session()
    one, two = _of_team(stage, "alpha", "ads"), _of_team(stage, "zebra", "maps")
    for team in ("ads", "maps"):
        _quota(session, team, 100_000)
    session.warm(one, "test")
    assert session.warm(two, "test").moved_bytes == 100_000, "nobody knew its digests before"
    assert _held(session) == {"ads": 100_000, "maps": 100_000}
    _quota(session, "ads", 0)
    (goes,) = session.cache.decisions().going
    assert goes.candidate.replica.dataset == "alpha"
    assert goes.frees_bytes == 60_000, "the volume still holds what maps shares"
    session.cache.sweep()
    assert _held(session) == {"ads": 0, "maps": 100_000}


@pytest.mark.parametrize("kept", ["pinned", "in use"])
def test_IN_USE_holds_against_a_quota_and_the_error_names_it(stage: Stage, kept: str) -> None:
    session = stage.session()
    one, two = _of_team(stage, "alpha", "ads"), _of_team(stage, "beta", "ads")
    _quota(session, "ads", 120_000)
    leased = session.lease(one, "test")
    if kept == "pinned":
        session.hub.replicas.pin(session.cache.volume_id, one, "ada", "the paper", 0.0)
        leased.close()
    with pytest.raises(CapacityError) as caught:
        session.warm(two, "test")
    assert caught.value.kind == "over-quota"
    assert "the quota of the team ads here (117.2 KiB)" in caught.value.message
    assert "forebay cache quota set ads SIZE" in caught.value.todo
    assert _here(session) == {"alpha"}
    assert_unpublished(session, two)
    if kept == "pinned":
        session.hub.replicas.unpin(session.cache.volume_id, one)
    leased.close()
    session.warm(two, "test")
    assert _here(session) == {"beta"}


def test_what_the_quota_can_never_hold_costs_nothing(stage: Stage) -> None:
    session = stage.session()
    one = _of_team(stage, "alpha", "ads")
    large = stage.add("beta", _own("beta", 200_000))
    session.hub.catalog.set_team("beta", "ads")
    _quota(session, "ads", 120_000)
    session.warm(one, "test")
    with pytest.raises(CapacityError) as caught:
        session.warm(large, "test")
    assert caught.value.kind == "over-quota"
    assert _here(session) == {"alpha"}, "nothing was evicted in vain"


def test_what_is_asked_for_by_name_frees_what_is_shared_once(stage: Stage) -> None:
    session = stage.session()
    versions = [stage.add(name, _own(name)) for name in ("alpha", "beta")]
    for version in versions:
        session.warm(version, "test")
    asked = decide(session, versions)
    assert [item.frees_bytes for item in asked] == [60_000, 100_000]
    assert [item.rule.value for item in asked] == ["asked", "asked"]
    assert all(item.refill_seconds > 0 for item in asked)
    assert session.cache.volume().used_bytes >= 160_000
    _quota(session, "ads", 50_000)
    for name in ("alpha", "beta"):
        session.hub.catalog.set_team(name, "ads")
    assert explain(session, versions[0]).reason.startswith("the team ads holds 156.2 KiB of its 48.8 KiB, and this is")
