"""CRASH: a machine loses power in the middle of a fill, a repair, an eviction, a recovery, a publication; for real.

A User-Mode Linux guest is killed: its page cache is gone, the image keeps what was written to it. The next guest
mounts the image (its journal is replayed), asserts every invariant by name, recovers, fills; and is killed in its turn.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.guest import Guest, make_image
from forebay.testing.guest.cuts import Cut, planned
from forebay.testing.guest.images import FILE_SYSTEMS
from tests.soak.bring import brought

SEED = int(os.environ.get("FOREBAY_SOAK_SEED") or time.time_ns() % 1_000_000)
CUTS = int(os.environ.get("FOREBAY_SOAK_CUTS") or 18)
"""In each of the four chains."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(CUTS * 120 + 600)]


@pytest.mark.parametrize("records", ["beside", "elsewhere"])
@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
def test_CRASH_power_cuts(tmp_path: Path, file_system: str, records: str) -> None:
    """`FOREBAY_SOAK_SEED` makes the same plan again; what the disk has at the cut is up to the guest's kernel, too."""
    seed = f"{SEED} {file_system} {records}"
    print(f"FOREBAY_SOAK_SEED={SEED}")  # noqa: T201 - shown by pytest when the test fails
    chain = Chain(tmp_path, file_system, elsewhere=records == "elsewhere")
    for number in range(CUTS):
        cut = planned(seed, number)
        try:
            chain.live(cut)
        except Exception as error:
            error.add_note(f"FOREBAY_SOAK_SEED={SEED}, records {records}: in the life after {chain.last}")
            raise
    chain.live(None)
    assert chain.cuts == CUTS
    print(f"{chain.cuts} cuts on {file_system}, records {records}, seed {SEED}: {dict(chain.came)}")  # noqa: T201


class Chain:
    """One disk, and the machines that use it one after another."""

    def __init__(self, folder: Path, file_system: str, *, elsewhere: bool) -> None:
        self.file_system = file_system
        self.elsewhere = elsewhere
        self.cuts = 0
        self.came: Counter[str] = Counter()
        self.last: Cut | None = None
        self._boot = 0
        self._done: list[dict[str, Any]] = []
        self._image = folder / "disk"
        self._lent = folder / "lent"
        self._lent.mkdir()
        with brought():
            make_image(self._image, file_system)

    def live(self, cut: Cut | None) -> None:
        """One machine: judges what is there, begins the action and loses power; without a cut it only judges."""
        order = {
            "file_system": self.file_system,
            "elsewhere": self.elsewhere,
            "boot": self._boot,
            "last": self.last and asdict(self.last),
            "done": self._done,
            "next": cut and asdict(cut),
        }
        with brought(), Guest.start("tests.soak.powered", order, lent=self._lent, disks=[self._image]) as guest:
            if cut is None:
                guest.until("finished")
                return
            guest.until("begin")
            self._done = self._cut(guest, cut)
        self._boot += 1
        self.cuts += 1
        self.last = cut
        self.came[f"{cut.action}: {self._done[-1]['said'] if self._done else 'in the middle'}"] += 1

    def _cut(self, guest: Guest, cut: Cut) -> list[dict[str, Any]]:
        """Let it come to the moment; what it said until then."""
        told: list[dict[str, Any]] = []
        if cut.at_effect:
            while not told or told[-1]["said"] not in ("cut", "done"):
                told.append(guest.until("cut", "published", "done"))
            guest.cut_power()
            return told
        end = time.monotonic() + cut.after_seconds
        while (heard := guest.hear(end - time.monotonic())) is not None:
            told.append(heard)
        guest.cut_power()
        return told
