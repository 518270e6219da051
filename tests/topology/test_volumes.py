"""A site's volume that is unmounted, and one that is lost for good: nothing is given up on poor evidence (BRAKE)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from forebay.wire.cache import ReplicaState
from forebay.wire.runs import NewRun, Run, RunState
from forebay.wire.sites import SiteState
from tests.e2e.serving import LIMIT_S
from tests.e2e.sites import wait_for
from tests.topology.checks import check_ONCE, check_VERIFIED, diaries, fills, reading
from tests.topology.conftest import Stage
from tests.topology.stage import Topology
from tests.topology.volumes import LoopVolume

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(900)]


def test_an_unmounted_volume_that_looks_empty_loses_nothing_BRAKE(
    stage: Stage, loop_volume: LoopVolume, day: Mapping[str, bytes], tmp_path: Path
) -> None:
    kept = diaries(tmp_path, 3, "run")
    with stage() as team:
        ref = team.add_dataset("clicks", day)
        first = _run(team, reading(kept[0], ref, site="near"))
        held = team.replicas("near")
        asked = len(team.asked("near"))
        loop_volume.unmount()
        _look_until(team, "near", SiteState.DOWN)
        assert team.replicas("near") == held, "an empty mount is no evidence"
        assert not any(loop_volume.point.iterdir()), "nothing is begun in the folder below the mount"
        elsewhere = _run(team, reading(kept[1], ref))
        assert elsewhere.site != "near"
        loop_volume.mount()
        _look_until(team, "near", SiteState.UP)
        again = _run(team, reading(kept[2], ref, site="near"))
        assert len(team.asked("near")) == asked, "all of it was still there"
        check_VERIFIED(team, [first, elsewhere, again])
        check_ONCE(kept)


def test_runs_of_a_site_whose_volume_is_lost_are_placed_elsewhere_and_its_replicas_are_damaged(
    stage: Stage, loop_volume: LoopVolume, day: Mapping[str, bytes], tmp_path: Path
) -> None:
    kept = diaries(tmp_path, 4, "run")
    with stage() as team:
        ref = team.add_dataset("clicks", day)
        first = _run(team, reading(kept[0], ref, site="near"))
        near = team.sites["near"]
        loop_volume.unmount()
        loop_volume.format()
        loop_volume.mount()
        # Nobody has noticed yet, and the data seem to be there: the first of them is given back by that site.
        moved = [_run(team, reading(diary, ref)) for diary in kept[1:3]]
        team.wait_site("near", SiteState.DOWN)
        assert all(run.site != "near" for run in moved)
        assert team.replicas("near")[ref].state is ReplicaState.READY, "nobody has said yet that it is lost"
        assert json.loads(near.call("cache", "recover", "--force", "--json"))["lost"] == [ref]
        lost = team.replicas("near")[ref]
        assert (lost.state, lost.reason) == (ReplicaState.DAMAGED, "its volume was lost (recover --force)")
        # The agent was there all the time, and sees a good volume again.
        _look_until(team, "near", SiteState.UP)
        again = _run(team, reading(kept[3], ref, site="near"))
        assert team.replicas("near")[ref].state is ReplicaState.READY
        assert fills(team, "near")[ref] == 2, "it came once to each of the two disks"
        check_VERIFIED(team, [first, *moved, again])
        check_ONCE(kept)


def _run(team: Topology, new: NewRun) -> Run:
    run = team.submit(new)
    return team.wait_run(run.run_id, RunState.SUCCEEDED, RunState.FAILED)


def _look_until(team: Topology, site: str, state: SiteState) -> None:
    """The agent looks after its volume once a minute; somebody who looks, too, spares us that."""

    def look() -> bool:
        process = team.sites[site].start("cache", "health")
        process.communicate(timeout=LIMIT_S)
        record = team.record(site)
        return record is not None and record.state is state

    wait_for(look)
