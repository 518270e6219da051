"""`forebay run --engine dask`: a real agent brings the data, and a real Dask cluster beside the command reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.sites.state import SiteTerms
from forebay.testing.served import ServedHubs
from tests.e2e.sites import Team, team_with

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

PROGRAM = """
import os, pathlib, sys
from distributed import Client

def sizes_of(folder):
    return sorted(path.stat().st_size for path in pathlib.Path(folder).glob("day_*"))

if __name__ == "__main__":
    answers = Client().run(sizes_of, sys.argv[1])
    print(len(answers), "workers see", *answers.values())
"""


@pytest.fixture
def team(served_hubs: ServedHubs, tmp_path: Path) -> Iterator[Team]:
    with team_with(served_hubs, tmp_path, SiteTerms(hold_s=120.0, beat_s=1.0)) as team:
        yield team


def test_every_worker_sees_the_replica_at_its_plain_path(team: Team, days: Path) -> None:
    member = team.program("member")
    (member.folder / "program.py").write_text(PROGRAM)
    member("dataset", "register", "criteo", days.as_uri())
    # Where the run's python3 is, with Dask; a site's own, or that of --env, in life.
    path = f"PATH={Path(sys.executable).parent}:{os.environ['PATH']}"
    team.agent(team.program("dgx"), "dgx")
    given = ("--data", "criteo", "--engine", "dask", "--cpus", "2", "--var", path)
    done = member.process("run", *given, "--", "python3", "program.py", "{criteo}", limit_s=240)
    assert "1 workers see [1000, 2000, 3000]" in done.out, done.err
    (run_id,) = member("runs", "ls", "-q").ids
    assert "a Dask cluster" in member("runs", "show", run_id).out
    assert member("runs", "show", run_id, "--json").json["new"]["command"] == ["python3", "program.py", "{criteo}"]
