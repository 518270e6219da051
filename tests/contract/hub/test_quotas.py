"""Teams, their quotas, and how long a dataset's replicas may be idle, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from forebay.errors import ConflictError, InputError, NotFoundError
from forebay.wire.cache import NoRoom, Quota, Reserved
from forebay.wire.catalog import NewVersion, Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import LIMIT_BYTES, VOLUME, new_version
from tests.contract.hub.test_fills import claim

PLENTY = 10 * LIMIT_BYTES


def test_quotas_are_set_changed_and_taken_away(hub: Hub) -> None:
    assert hub.volumes.quotas(VOLUME) == []
    hub.volumes.set_quota(VOLUME, "maps", 5)
    hub.volumes.set_quota(VOLUME, "ads", 10)
    assert hub.volumes.set_quota(VOLUME, "ads", 20) == Quota(volume_id=VOLUME, team="ads", limit_bytes=20)
    assert [(item.team, item.limit_bytes) for item in hub.volumes.quotas(VOLUME)] == [("ads", 20), ("maps", 5)]
    hub.volumes.remove_quota(VOLUME, "maps")
    assert [item.team for item in hub.volumes.quotas(VOLUME)] == ["ads"]
    with pytest.raises(NotFoundError) as caught:
        hub.volumes.remove_quota(VOLUME, "maps")
    assert caught.value.kind == "quota-not-found"
    with pytest.raises(InputError):
        hub.volumes.set_quota(VOLUME, "No Team", 5)
    with pytest.raises(InputError):
        hub.volumes.set_quota(VOLUME, "ads", -1)
    with pytest.raises(NotFoundError):
        hub.volumes.set_quota("nowhere", "ads", 5)


def test_FITS_of_a_team_its_fills_at_once_do_not_both_get_the_last_of_its_quota(hub: Hub, version: Version) -> None:
    other, foreign = new_version(hub, "views"), new_version(hub, "foreign")
    for dataset in ("clicks", "views"):
        hub.catalog.set_team(dataset, "ads")
    hub.volumes.set_quota(VOLUME, "ads", 250)
    first, second, third = claim(hub, version), claim(hub, other), claim(hub, foreign)
    assert isinstance(hub.fills.reserve(third.fill_id, third.token, 400, PLENTY, 400), Reserved), "no quota of theirs"
    assert isinstance(hub.fills.reserve(first.fill_id, first.token, 100, PLENTY, 150), Reserved)
    answer = hub.fills.reserve(second.fill_id, second.token, 100, PLENTY, 160)
    quota = Quota(volume_id=VOLUME, team="ads", limit_bytes=250)
    assert answer == NoRoom(missing_bytes=10, never=False, quota=quota)
    assert isinstance(hub.fills.reserve(second.fill_id, second.token, 100, PLENTY, 150), Reserved)
    hub.volumes.remove_quota(VOLUME, "ads")
    assert isinstance(hub.fills.reserve(second.fill_id, second.token, 100, PLENTY, 9999), Reserved)


def test_a_dataset_becomes_a_teams_and_no_other_teams_by_the_way(hub: Hub, version: Version) -> None:
    assert hub.catalog.dataset("clicks").team == ""
    new = NewVersion(
        dataset="clicks",
        manifest_digest=version.manifest_digest,
        origin="registered",
        lake_url="file:///other",
        team="ads",
    )
    added = hub.catalog.add_version(new).version
    assert hub.catalog.dataset("clicks").team == "ads"
    hub.catalog.add_version(replace(new, lake_url="file:///third", team=""))
    assert hub.catalog.dataset("clicks").team == "ads", "who names no team changes nothing"
    with pytest.raises(ConflictError) as caught:
        hub.catalog.add_version(replace(new, lake_url="file:///fourth", team="maps"))
    assert caught.value.kind == "other-team"
    assert hub.catalog.dataset("clicks").latest == 3
    assert hub.catalog.set_team("clicks", "maps").team == "maps"
    assert hub.catalog.set_team("clicks", "").team == ""
    for name in ("Not A Name", "x" * 200):
        with pytest.raises(InputError):
            hub.catalog.set_team("clicks", name)
    with pytest.raises(NotFoundError):
        hub.catalog.set_team("nobody", "ads")
    claim(hub, added)
    hub.catalog.set_team("clicks", "ads")
    (replica,) = hub.replicas.all(VOLUME)
    assert (replica.team, replica.stale_after_s) == ("ads", None)


def test_a_dataset_is_described(hub: Hub, version: Version) -> None:
    assert hub.catalog.dataset("clicks").description == ""
    assert hub.catalog.describe("clicks", " clicks of a day,\none line each\0 \ud800 ").description == (
        "clicks of a day,\none line each\\0 \\ud800"
    )
    assert hub.catalog.dataset("clicks").description.startswith("clicks of a day")
    with pytest.raises(InputError) as caught:
        hub.catalog.describe("clicks", "x" * 2001)
    assert caught.value.kind == "bad-description"
    assert hub.catalog.describe("clicks", "x" * 2000).description == "x" * 2000
    assert hub.catalog.describe("clicks", "  ").description == ""
    with pytest.raises(NotFoundError):
        hub.catalog.describe("nobody", "clicks")


def test_a_dataset_is_described_as_it_is_made(hub: Hub, version: Version) -> None:
    new = NewVersion(
        dataset="maps",
        manifest_digest=version.manifest_digest,
        origin="registered",
        lake_url="file:///maps",
        description=" streets of a town ",
    )
    with pytest.raises(InputError) as caught:
        hub.catalog.add_version(replace(new, description="x" * 2001))
    assert caught.value.kind == "bad-description"
    hub.catalog.add_version(new)
    assert hub.catalog.dataset("maps").description == "streets of a town"
    hub.catalog.add_version(replace(new, lake_url="file:///other", description="rivers"))
    assert hub.catalog.dataset("maps").description == "streets of a town", "one that is there keeps its own"
    hub.catalog.remove_dataset("maps")
    hub.catalog.add_version(replace(new, description="rivers"))
    assert hub.catalog.dataset("maps").description == "rivers", "made again"


def test_a_stale_age_of_its_own_reaches_the_replicas(hub: Hub, version: Version) -> None:
    claim(hub, version)
    for seconds in (86400.0, 0.0, None):
        assert hub.catalog.set_stale_after("clicks", seconds).stale_after_s == seconds
        assert [item.stale_after_s for item in hub.replicas.all(VOLUME)] == [seconds]
    for bad in (-1.0, float("inf"), float("nan")):
        with pytest.raises(InputError):
            hub.catalog.set_stale_after("clicks", bad)
