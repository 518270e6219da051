"""One node, in a guest: runs a part of the test suite on a cache volume on NFS, the hub's database in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from forebay.testing.guest.inside import DISK, say
from forebay.testing.guest.nfs import mount_nfs


def main(order: dict[str, Any]) -> None:
    mount_nfs(order["source"], order["address"], DISK)
    homes = Path("/run/homes")
    homes.mkdir()
    environment = os.environ | {
        "FOREBAY_FAULTS_ROOT": str(DISK),
        "FOREBAY_TEST_HOMES": str(homes),
        "HYPOTHESIS_STORAGE_DIRECTORY": "/run/tmp/hypothesis",
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-v",
        "--color=no",
        "--tb=short",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "--timeout=1800",
    ]
    ended = subprocess.run([*command, *order["tests"]], stdin=subprocess.DEVNULL, env=environment, check=False)
    say("tested", status=ended.returncode)
