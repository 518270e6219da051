"""What was used, moved and saved, by whatever it is asked for, on both databases."""

from __future__ import annotations

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import FillDone, LedgerKey, Progress, Savings
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import VOLUME, new_version
from tests.contract.hub.test_fills import claim

DAY = 86400.0


def fill(hub: Hub, version: Version, *, moved_bytes: int, seconds: float) -> None:
    granted = claim(hub, version)
    done = FillDone(added_bytes=moved_bytes, moved_bytes=moved_bytes, present_bytes=0, seconds=seconds, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def use(hub: Hub, version: Version, times: int = 1) -> None:
    for _ in range(times):
        hub.leases.release(hub.leases.take(VOLUME, version, holder()).lease_id)


def ledger(hub: Hub, by: LedgerKey) -> dict[str, Savings]:
    found = hub.volumes.savings(VOLUME, by)
    assert all(item.by is by for item in found)
    assert [item.key for item in found] == sorted(item.key for item in found)
    return {item.key: item for item in found}


def test_what_a_dead_fill_had_moved_counts_whoever_clears_up_after_it(
    hub: Hub, version: Version, clock: FakeClock
) -> None:
    granted = claim(hub, version)
    hub.fills.renew(granted.fill_id, granted.token, Progress(total_bytes=100, moved_bytes=60, again_bytes=7))
    clock.pass_by(11)

    hub.fills.abandon(granted.fill_id)

    assert ledger(hub, LedgerKey.VERSION)[version.ref].moved_bytes == 67
    fill(hub, version, moved_bytes=100, seconds=1.0)
    assert ledger(hub, LedgerKey.VERSION)[version.ref].moved_bytes == 167


def test_it_adds_up_by_version_dataset_team_and_month(hub: Hub, version: Version, clock: FakeClock) -> None:
    other = new_version(hub, "views", 50)
    hub.catalog.set_team("clicks", "ads")
    fill(hub, version, moved_bytes=100, seconds=2.0)
    fill(hub, other, moved_bytes=50, seconds=5.0)
    use(hub, version, 3)
    clock.pass_by(40 * DAY)
    use(hub, other, 2)

    by_dataset = ledger(hub, LedgerKey.DATASET)
    clicks, views = by_dataset["clicks"], by_dataset["views"]
    assert (clicks.uses, clicks.conventional_bytes, clicks.moved_bytes, clicks.saved_bytes) == (3, 300, 100, 200)
    assert clicks.seconds_saved == pytest.approx(3 * 2.0 - 2.0), "three downloads of 2 s, less the fill"
    assert views.seconds_saved == pytest.approx(2 * 5.0 - 5.0)
    assert ledger(hub, LedgerKey.VERSION).keys() == {"clicks@v1", "views@v1"}
    by_team = ledger(hub, LedgerKey.TEAM)
    assert {team: item.uses for team, item in by_team.items()} == {"": 2, "ads": 3}
    by_month = ledger(hub, LedgerKey.MONTH)
    assert [item.uses for item in by_month.values()] == [3, 2]
    assert next(iter(by_month.values())).moved_bytes == 150
    for found in (by_team, by_month):
        assert sum(item.seconds_saved for item in found.values()) == pytest.approx(9.0)


def test_what_was_is_not_rewritten_when_a_dataset_changes_its_team(hub: Hub, version: Version) -> None:
    fill(hub, version, moved_bytes=100, seconds=2.0)
    use(hub, version)
    hub.catalog.set_team("clicks", "ads")
    use(hub, version)
    assert {team: item.uses for team, item in ledger(hub, LedgerKey.TEAM).items()} == {"": 1, "ads": 1}


def test_a_version_whose_fill_told_little_goes_by_the_volumes_latest_fills(
    hub: Hub, version: Version, clock: FakeClock
) -> None:
    other = new_version(hub, "views", 50)
    fill(hub, version, moved_bytes=100, seconds=2.0)
    assert hub.volumes.get(VOLUME).bandwidth_bytes_s == pytest.approx(50)
    fill(hub, other, moved_bytes=0, seconds=3.0)
    use(hub, other)
    assert ledger(hub, LedgerKey.DATASET)["views"].seconds_saved == pytest.approx(1.0)
    clock.pass_by(30 * DAY)
    third = new_version(hub, "third", 100)
    fill(hub, third, moved_bytes=100, seconds=10.0)
    assert hub.volumes.get(VOLUME).bandwidth_bytes_s == pytest.approx(10, rel=1e-3), "what was long ago has faded"


def test_nothing_is_claimed_while_no_fill_has_told_how_fast_the_lake_is(hub: Hub, version: Version) -> None:
    hub.replicas.adopt(VOLUME, version, 7, 1.0)
    use(hub, version)
    (found,) = hub.volumes.savings(VOLUME)
    assert (found.uses, found.saved_bytes, found.seconds_saved) == (1, 100, 0.0)


def test_what_a_broken_fill_moved_counts_and_takes_time(hub: Hub, version: Version) -> None:
    fill(hub, new_version(hub, "views", 50), moved_bytes=50, seconds=1.0)
    granted = claim(hub, version)
    hub.fills.renew(granted.fill_id, granted.token, Progress(moved_bytes=25))
    hub.fills.fail(granted.fill_id, granted.token, "the lake is away", 0)
    found = ledger(hub, LedgerKey.DATASET)["clicks"]
    assert (found.uses, found.moved_bytes) == (0, 25)
    assert found.seconds_saved == pytest.approx(-0.5)


def test_the_uses_come_back_in_their_order(hub: Hub, version: Version, clock: FakeClock) -> None:
    fill(hub, version, moved_bytes=100, seconds=2.0)
    began = clock.now()
    use(hub, version)
    clock.pass_by(10)
    use(hub, version)
    assert [(item.ref, item.size_bytes, item.at - began) for item in hub.volumes.uses(VOLUME)] == [
        ("clicks@v1", 100, 0.0),
        ("clicks@v1", 100, 10.0),
    ]
    assert len(hub.volumes.uses(VOLUME, since=began + 5)) == 1
    assert hub.volumes.uses("another") == []
