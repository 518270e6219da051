"""Real calls of a real process fail (libfiu, by LD_PRELOAD), its database's among them: never a wrong `ready`."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.cached import FakeClock
from forebay.testing.cached.process import Task
from tests.conftest import IN_CI, MISSING_PART
from tests.faults.failing import NOTHING_FAILS
from tests.faults.stage import ACTIONS, Scene, Snapshot, judge

LOAD_SECONDS, TRIES = 20, 6
FAILING = Path(__file__).with_name("failing.py")
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
    scene = Scene(root / "world", ACTIONS["fill"][0], FakeClock(time.time()))
    snapshot = Snapshot(scene.world, scene.clock)
    for probability in (0.02, 0.2):
        snapshot.restore()
        scene.world.hub.close()
        task = json.dumps(asdict(Task(do="warm", ref=scene.version.ref)))
        command = [fiu, "-x", "-f", "", sys.executable, str(FAILING), POINTS[points], str(probability)]
        with _begun([*command, str(scene.world.root), task], root) as filling:
            try:
                filling.communicate("go\n", timeout=20)
            except subprocess.TimeoutExpired:
                # It tries on and on; a person would end it, and so it must not matter.
                filling.kill()
                filling.communicate()
        assert filling.returncode != NOTHING_FAILS, f"libfiu refuses nothing of {points}"
        scene.clock.pass_by(3600.0)
        judge(scene.world, [scene.version, scene.other], recover=probability > 0.1)


def _begun(command: list[str], root: Path) -> subprocess.Popen[str]:
    """The process, when it has loaded everything."""
    env = {
        **os.environ,
        "TMPDIR": str(root),
        # Python writes its compiled modules in one call and believes in it.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Arrow's allocator starts a thread while Arrow is loaded, and each waits for the other under a preload.
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    for _ in range(TRIES):
        process = subprocess.Popen(command, env=env, text=True, **pipes)
        assert process.stdout is not None
        if select.select([process.stdout], [], [], LOAD_SECONDS)[0]:
            assert json.loads(process.stdout.readline())["said"] == "begin"
            return process
        process.kill()
        process.communicate()
    pytest.fail(f"libfiu let no process begin in {TRIES} tries of {LOAD_SECONDS} s")
