"""A site is filled from a near one rather than from its far lake; one that dies in mid-file costs no byte."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from forebay.lake.location import lake_place
from forebay.testing.link import NEAR
from forebay.wire.runs import RunState
from tests.topology.checks import check_ONCE, check_ONE_FILL_at, check_VERIFIED, diaries, reading
from tests.topology.conftest import Stage
from tests.topology.stage import Topology

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(900)]

OBJECT_BYTES = 24 << 20
HELD_AT_BYTES = 8 << 20


def test_a_site_fills_from_the_near_one_and_goes_on_at_the_lake_where_that_one_dies_in_the_middle_of_a_file(
    stage: Stage, tmp_path: Path
) -> None:
    chance = random.Random(11)
    kept = diaries(tmp_path, 4, "run")
    objects = {
        name: {f"part_{number}": chance.randbytes(OBJECT_BYTES + number) for number in range(2)}
        for name in ("clicks", "views")
    }
    size_bytes = _size(objects["views"])
    with stage() as team:
        refs = {name: team.add_dataset(name, found) for name, found in objects.items()}
        first = [reading(diary, ref, site="near") for diary, ref in zip(kept[:2], refs.values(), strict=True)]
        done = [team.submit(new) for new in first]
        _wait(team, *(run.run_id for run in done))
        with team.serving("near", "farthest", NEAR) as peer:
            # Measured on a busy machine, the near link may look no faster than the lake's: egress is dear as well.
            team.hub.links.declare(_lake_of(team, "farthest"), "farthest", price_byte=1e-9)
            whole = team.submit(reading(kept[2], refs["clicks"], site="farthest"))
            _wait(team, whole.run_id)
            assert team.asked("farthest") == [], "all of it came from the near site"
            assert peer.given_bytes >= _size(objects["clicks"])
            peer.holds_at = peer.given_bytes + HELD_AT_BYTES
            broken = team.submit(reading(kept[3], refs["views"], site="farthest"))
            assert peer.held.wait(120.0)
            team.sites["near"].end_agent(signal.SIGKILL)
            peer.let_end()
            _wait(team, broken.run_id)
        moved = _moved_to(team, "farthest")
        from_lake = sum((one.end or team.sizes[one.path]) - one.start for one in team.asked("farthest"))
        assert 0 < from_lake < size_bytes, moved
        assert moved["near"] - _size(objects["clicks"]) + from_lake == size_bytes, "no byte came twice"
        check_ONE_FILL_at(team, "near", "farthest")
        check_VERIFIED(team, [*done, whole, broken])
        check_ONCE(kept)


def _lake_of(team: Topology, site: str) -> str:
    """What links call the lake as that site reaches it."""
    at = team.sites[site]
    return lake_place(f"s3://{team.bucket}", f"http://{at.link.host}:{at.lake.port}")


def _wait(team: Topology, *run_ids: str) -> None:
    for run_id in run_ids:
        team.wait_run(run_id, RunState.SUCCEEDED, RunState.FAILED)


def _moved_to(team: Topology, site: str) -> dict[str, int]:
    return {item.source: item.moved_bytes for item in team.hub.links.all() if item.target == site}


def _size(objects: dict[str, bytes]) -> int:
    return sum(map(len, objects.values()))
