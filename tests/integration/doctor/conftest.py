"""A machine to examine, with a home, a volume and a lake of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest

from forebay.clock import Clock, SystemClock
from forebay.doctor.checks import run
from forebay.doctor.finding import Examined, Finding, Severity
from forebay.doctor.patient import Thresholds
from forebay.fsio import Disk
from forebay.testing.cached import World
from forebay.testing.cached.world import holder

HOST = "here"
PATIENT = Thresholds(sync_s=30.0, bad_sync_s=60.0, write_bytes_s=1.0)
"""A loaded machine's disk is no fault here; the tests of slowness have thresholds of their own."""


class Machine:
    """`world` has a hub in its home, a lake, and a volume that `HOST` has."""

    def __init__(self, world: World) -> None:
        self.world = world
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        self.env = {
            **kept,
            "FOREBAY_HOME": str(world.home),
            "FOREBAY_VOLUME": str(world.volume),
            "XDG_CONFIG_HOME": str(world.root / "config"),
        }

    def examine(
        self,
        env: Mapping[str, str] | None = None,
        *,
        clock: Clock | None = None,
        disk: Disk | None = None,
        thresholds: Thresholds = PATIENT,
        limit_s: float = 60.0,
    ) -> Examined:
        with mock.patch.dict(os.environ, {**self.env, **(env or {})}, clear=True):
            return run(
                {},
                folder=self.world.root,
                host=HOST,
                clock=clock or SystemClock(),
                disk=disk,
                thresholds=thresholds,
                limit_s=limit_s,
            )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """With one dataset in use, and nothing wrong."""
    world = World(tmp_path)
    version = world.add("clicks", {"day_0": b"0" * 1000})
    cache = world.cache(limit_bytes=1 << 20)
    cache.warm(version, holder())
    world.hub.volumes.add(cache.volume_id, str(world.volume), 1 << 20, HOST)
    yield Machine(world)
    world.hub.close()


def only(examined: Examined, kind: str, severity: Severity = Severity.FAULT) -> Finding:
    """The one thing that was found, which says how to mend it."""
    assert [(item.kind, item.severity) for item in examined.findings] == [(kind, severity)], examined.findings
    (found,) = examined.findings
    assert found.message
    assert found.mend
    assert examined.healthy == (severity is not Severity.FAULT)
    return found
