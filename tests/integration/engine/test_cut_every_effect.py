"""A fill of a cut subset that takes chunks from another replica, and its eviction, ended at every few effects."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forebay.cache.selection import Selection
from forebay.client.session import Session
from forebay.client.subset import resolve
from forebay.testing.cached import CopyingDisk, FakeClock, World
from forebay.testing.cached.world import holder
from forebay.wire.catalog import Version
from tests.faults.stage import Action, Scene, evict, fill, from_then_on

STEPS = [7, pytest.param(1, marks=pytest.mark.soak)]
ROWS = 3000


def clicks() -> bytes:
    table = pa.table(
        {
            "label": pa.array([row % 2 for row in range(ROWS)]),
            "price": pa.array([float(row) for row in range(ROWS)]),
            "text": pa.array([f"{row:050}" for row in range(ROWS)]),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=1000, compression="none", use_dictionary=False)
    return sink.getvalue()


class CutScene(Scene):
    """The label is here; the action concerns the label and the price of the same version."""

    def __init__(self, root: Path, before: str) -> None:
        self.clock = FakeClock()
        self.world = World(root, clock=self.clock)
        self.data = clicks()
        self.world.add("clicks", {"day_0.parquet": self.data, "readme": b"x" * 10})
        self.cache = self.world.cache()
        self.cache.warm(self.declared(root, "label"), holder())
        self.version = self.declared(root, "label", "price")
        if before == "ready":
            self.cache.warm(self.version, holder())

    def declared(self, root: Path, *columns: str) -> Version:
        with Session.start({"home": root / "home", "volume": root / "volume"}) as session:
            return resolve(session, "clicks@v1", Selection.of(columns=columns))

    def mend(self, *, recover: bool, force: bool = False) -> None:
        super().mend(recover=recover, force=force)
        found = (self.cache.path(self.version) / "day_0.parquet").read_bytes()
        assert pq.read_table(io.BytesIO(found)).equals(pq.read_table(io.BytesIO(self.data), columns=["label", "price"]))


ACTIONS: dict[str, tuple[str, Action]] = {"fill": ("absent", fill), "evict": ("ready", evict)}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("action", ACTIONS)
def test_CRASH_a_death_at_any_effect_is_mended(root: Path, action: str, step: int) -> None:
    before, act = ACTIONS[action]
    number, came = 0, True
    while came:
        number += step
        scene = CutScene(root / str(number), before)
        came = scene.die(act, number, after=number % 2 == 0)
        scene.mend(recover=number % 3 == 0)
        scene.world.hub.close()
    assert number > 10


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_refuses_at_any_effect(root: Path, step: int) -> None:
    number = 1
    while True:
        scene = CutScene(root / str(number), "absent")
        error, _ = scene.refuse(fill, from_then_on(number, errno.ENOSPC))
        scene.mend(recover=number % 2 == 0)
        scene.world.hub.close()
        if error is None:
            break
        assert error.kind == "disk-full"
        number += step
    assert number > 10


def test_a_volume_without_hard_links_takes_nothing_over_and_works(root: Path) -> None:
    scene = CutScene(root, "absent")
    copying = scene.world.cache(disk=CopyingDisk())
    warmed = copying.warm(scene.version, holder())
    assert warmed.moved_bytes > 0
    scene.mend(recover=True)
