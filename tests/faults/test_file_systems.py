"""The core of the suite on XFS with reflinks and on ext4, each in a loop file of its own; in `make soak` all of it.

Where this process may mount (root, with loop devices) it must be possible; elsewhere it is skipped, loudly.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.cached.forked import Forks
from forebay.testing.cached.process import Task
from tests.conftest import IN_CI, MISSING_PART
from tests.faults.checks import CHECKS
from tests.faults.stage import ACTIONS, Scene, Snapshot, chance, judge

MAKE = {"xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"], "ext4": ["mkfs.ext4", "-q"]}
SIZE_BYTES = 1 << 30
"""Sparse; a big object that goes on after a kill is there twice for a while."""


@pytest.fixture(scope="module", params=MAKE)
def mounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a file system of this kind."""
    kind: str = request.param
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip(f"{MISSING_PART}loop devices. Nobody may mount here; the suite ran on one file system only")
    if shutil.which(MAKE[kind][0]) is None:
        reason = f"{MISSING_PART}{MAKE[kind][0]}. scripts/test_parts.sh installs it"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    place = tmp_path_factory.mktemp(kind)
    image, point = place / "image", place / "mounted"
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    subprocess.run([*MAKE[kind], str(image)], check=True, capture_output=True)
    point.mkdir()
    done = subprocess.run(["mount", "-t", kind, "-o", "loop", str(image), str(point)], capture_output=True, text=True)
    if done.returncode:
        # A container may be root and have the device, and still may not mount: then nothing could, here or in CI.
        pytest.skip(f"{MISSING_PART}a mount of {kind}: {done.stderr.strip()}. Run this where mounting is allowed")
    try:
        yield point
    finally:
        # Lazily: a world that a failed test left behind may have its database open.
        subprocess.run(["umount", "--lazy", str(point)], check=True)
        image.unlink()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_core_on_another_file_system(mounted: Path, check: Callable[[Path], None]) -> None:
    check(mounted / check.__name__)


@pytest.mark.parametrize("name", ["fill", "evict"])
def test_CRASH_kills_on_another_file_system(mounted: Path, name: str) -> None:
    random = chance(f"kill {name} on {mounted.parent.name}")
    scene = Scene(mounted / f"killed-{name}", ACTIONS[name][0], FakeClock(1_795_600_000.0))
    snapshot = Snapshot(scene.world, scene.clock)
    with Forks() as forks:
        for number in random.sample(range(1, 28 if name == "evict" else 75), 8):
            snapshot.restore()
            scene.world.hub.close()
            do = "warm" if name == "fill" else "evict"
            forks.run(scene.world.root, Task(do=do, ref=scene.version.ref, kill_at=number, kill_after=True))
            scene.clock.pass_by(3600.0)
            judge(scene.world, [scene.version, scene.other], recover=random.random() < 0.5)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_the_whole_suite_on_another_file_system(mounted: Path) -> None:
    """Everything beside this file, in a run of its own."""
    here = Path(__file__)
    files = sorted(str(path) for path in here.parent.glob("test_*.py") if path != here)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses=0", "-p", "no:cacheprovider", *files]
    environment = {**kept, "FOREBAY_FAULTS_ROOT": str(mounted)}
    done = subprocess.run(
        command, env=environment, cwd=here.parents[2], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
