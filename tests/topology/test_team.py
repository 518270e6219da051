"""Many runs of a team at three sites: each dataset comes once to each, whatever falls over on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from forebay.wire.cache import ReplicaState
from forebay.wire.runs import Run
from tests.e2e.sites import Diary, wait_for
from tests.topology.checks import check_FITS, check_ONCE, check_ONE_FILL, check_VERIFIED, diaries, fills, reading
from tests.topology.conftest import Stage
from tests.topology.stage import Topology

pytestmark = pytest.mark.integration


def kill_the_hub(team: Topology) -> None:
    team.kill_hub(0)
    team.start_hub(0)


def kill_one_of_two_hubs(team: Topology) -> None:
    """The other one goes on alone for a while."""
    assert all(team.door.passed[port] for port in team.hub_ports), "both have been asked"
    team.kill_hub(1)
    assert team.hub.catalog.datasets()
    team.start_hub(1)


def restart_the_database(team: Topology) -> None:
    team.postgres.restart()


def nothing(team: Topology) -> None:
    """All goes well."""


def _only_in_soak(happens: Callable[[Topology], None], hubs: int) -> object:
    return pytest.param(happens, hubs, marks=pytest.mark.soak)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("happens", "hubs"),
    [
        (kill_the_hub, 1),
        _only_in_soak(nothing, 1),
        _only_in_soak(restart_the_database, 1),
        _only_in_soak(kill_one_of_two_hubs, 2),
    ],
)
def test_40_runs_of_5_users_over_6_datasets(
    stage: Stage, tmp_path: Path, happens: Callable[[Topology], None], hubs: int
) -> None:
    with stage(hubs=hubs) as team:
        _check_team(team, tmp_path, happens, users=5, datasets=6, runs=40, again=10)


def _check_team(
    team: Topology,
    folder: Path,
    happens: Callable[[Topology], None],
    *,
    users: int,
    datasets: int,
    runs: int,
    again: int,
) -> None:
    chance = random.Random(runs)
    names = [f"user{number}" for number in range(users)]
    for name in names:
        team.add_user(name)
    refs = [team.add_dataset(f"data{number}", _objects(chance)) for number in range(datasets)]
    kept, sites = diaries(folder, runs, "first"), list(team.sites)
    submitted: list[Run] = []
    for number, diary in enumerate(kept):
        # Half of them go where it is best, the others see to it that every site has some.
        site = "" if number % 2 else sites[number // 2 % len(sites)]
        new = reading(diary, refs[number % datasets], site=site)
        submitted.append(team.submit(new, names[number % users]))
        if number == runs // 2:
            wait_for(lambda: any(diary.lines() for diary in kept))
            happens(team)
    _wait_for_all(team, submitted)
    check_VERIFIED(team, submitted)
    check_ONE_FILL(team)
    check_FITS(team)
    _check_later_runs_fill_nothing(team, folder, chance, again)
    check_ONCE(kept)


def _check_later_runs_fill_nothing(team: Topology, folder: Path, chance: random.Random, count: int) -> None:
    there = [
        (site, ref)
        for site in team.sites
        for ref, replica in team.replicas(site).items()
        if replica.state is ReplicaState.READY
    ]
    asked, filled = ({site: look(team, site) for site in team.sites} for look in (_asked, fills))
    kept: list[Diary] = diaries(folder, count, "later")
    submitted = []
    for diary in kept:
        site, ref = chance.choice(there)
        submitted.append(team.submit(reading(diary, ref, site=site)))
    _wait_for_all(team, submitted)
    check_VERIFIED(team, submitted)
    check_ONCE(kept)
    for site in team.sites:
        assert _asked(team, site) == asked[site], f"{site} asked the lake for what it has"
        assert fills(team, site) == filled[site]


def _asked(team: Topology, site: str) -> int:
    return len(team.asked(site))


def _wait_for_all(team: Topology, runs: Sequence[Run]) -> None:
    for run in runs:
        after = 0
        while not (done := team.hub.runs.get(run.run_id, after, 5.0)).state.is_final:
            after = done.revision


def _objects(chance: random.Random) -> dict[str, bytes]:
    return {f"part_{number}": chance.randbytes(chance.randrange(1, 600_000)) for number in range(5)}
