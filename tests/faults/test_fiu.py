"""Real calls of a real process fail (libfiu, by LD_PRELOAD), its database's among them: never a wrong `ready`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.cached.process import Task
from tests.conftest import IN_CI, MISSING_PART
from tests.faults.stage import ACTIONS, Scene, Snapshot, judge

LIBRARY = "fiu_posix_preload.so"
POINTS = {
    "writes": "posix/io/rw/*",
    "directories": "posix/io/dir/*",
    "opening": "posix/io/oc/*",
    "syncs": "posix/io/sync/*",
    "everything": "posix/io/*",
}


@pytest.fixture
def fiu() -> str:
    found = shutil.which("fiu-run")
    if found is None:
        reason = f"{MISSING_PART}fiu-run. scripts/test_parts.sh installs fiu-utils from Debian"
        pytest.fail(reason) if IN_CI else pytest.skip(reason)
    return found or ""


@pytest.mark.parametrize("points", POINTS)
def test_VERIFIED_real_calls_that_fail(root: Path, points: str, fiu: str) -> None:
    control = shutil.which("fiu-ctrl")
    assert control is not None
    scene = Scene(root / "world", ACTIONS["fill"][0], FakeClock(time.time()))
    snapshot = Snapshot(scene.world, scene.clock)
    for probability in (0.02, 0.2):
        snapshot.restore()
        scene.world.hub.close()
        task = json.dumps(asdict(Task(do="warm", ref=scene.version.ref)))
        pipes = root / "fiu"
        command = [fiu, "-x", "-f", str(pipes), sys.executable, "-m", "forebay.testing.cached.process"]
        with subprocess.Popen(
            [*command, str(scene.world.root), task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # Python writes its compiled modules in one call and believes in it.
            env={**os.environ, "TMPDIR": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
        ) as filling:
            assert filling.stdout is not None
            assert json.loads(filling.stdout.readline())["said"] == "begin"
            enable = f"enable_random name={POINTS[points]},probability={probability}"
            subprocess.run([control, "-f", str(pipes), "-c", enable, str(filling.pid)], check=True, timeout=20)
            try:
                filling.communicate("go\n", timeout=20)
            except subprocess.TimeoutExpired:
                # It tries on and on; a person would end it, and so it must not matter.
                filling.kill()
                filling.communicate()
        scene.clock.pass_by(3600.0)
        judge(scene.world, [scene.version, scene.other], recover=probability > 0.1)
