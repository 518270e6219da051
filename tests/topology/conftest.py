"""The topology for a test. Where it can't be had it is skipped, loudly; what could be installed must be there in CI."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from forebay.testing.link import LinkMissingError
from forebay.testing.servers import PartMissingError, Postgres, SeaweedFS
from tests.conftest import IN_CI, MISSING_PART
from tests.topology.stage import Topology, topology
from tests.topology.volumes import LoopVolume


class Stage(Protocol):
    """Opens a topology with so many hubs, and with this hold."""

    def __call__(self, *, hubs: int = 1, hold: str = "60s") -> AbstractContextManager[Topology]: ...


@pytest.fixture
def loop_volume(tmp_path: Path) -> Iterator[LoopVolume]:
    with contextlib.ExitStack() as stack:
        with _brought():
            made = stack.enter_context(LoopVolume.make(tmp_path))
        yield made


@pytest.fixture
def stage(tmp_path: Path, s3_server: SeaweedFS, postgres_server: Postgres, loop_volume: LoopVolume) -> Stage:
    """The near site's volume is an XFS of its own."""
    volumes = {"near": loop_volume.point, "far": tmp_path / "far-volume", "farthest": tmp_path / "farthest-volume"}

    @contextlib.contextmanager
    def open_stage(*, hubs: int = 1, hold: str = "60s") -> Iterator[Topology]:
        with contextlib.ExitStack() as stack:
            with _brought():
                team = stack.enter_context(
                    topology(tmp_path, s3_server, postgres_server, volumes, hubs=hubs, hold=hold)
                )
            yield team

    return open_stage


@pytest.fixture
def day() -> Mapping[str, bytes]:
    """The objects of a small dataset."""
    chance = random.Random(7)
    return {f"day_{number}": chance.randbytes(200_000 + number) for number in range(4)}


@contextlib.contextmanager
def _brought() -> Iterator[None]:
    try:
        yield
    except (PartMissingError, LinkMissingError) as missing:
        may = os.geteuid() == 0 and all(Path(f"/dev/{name}").exists() for name in ("loop-control", "net/tun"))
        reason = f"{MISSING_PART}{missing}"
        pytest.fail(reason) if IN_CI and may else pytest.skip(reason)
