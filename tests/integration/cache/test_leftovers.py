"""What dead fills left makes room for live ones, whatever else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.fsio import used_bytes_below
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.invariants import assert_FITS
from forebay.testing.cached.world import holder
from forebay.wire.cache import Granted

MB = 1_000_000


def test_FITS_a_recover_while_leftovers_go_counts_them_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leftovers are deleted, recover counts what is there, and only then the hub is told that they are gone."""
    clock = FakeClock()
    world = World(tmp_path, clock=clock)
    cache = world.cache(limit_bytes=6 * MB)
    dead, kept, wanted = (world.add(name, {"part-0": name.encode() * MB}) for name in ("a", "bb", "ccc"))
    cache.warm(kept, holder())
    world.hub.replicas.pin(cache.volume_id, kept, "tester", "stays", 0.0)
    granted = world.hub.fills.claim(cache.volume_id, dead, holder(far=True))
    assert isinstance(granted, Granted)
    world.hub.fills.reserve(granted.fill_id, granted.token, MB, 1 << 40)
    left = cache.layout.fill(granted.fill_id) / str(granted.token) / "0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a" * MB)
    clock.pass_by(world.terms.hold_seconds + 1)

    volumes, tell = world.hub.volumes, world.hub.volumes.free_bytes
    seen: list[int] = []

    def recover_first(volume_id: str, freed_bytes: int, *more: str) -> None:
        if not left.exists():
            seen.append(cache.recover().used_bytes)
        tell(volume_id, freed_bytes, *more)

    monkeypatch.setattr(volumes, "free_bytes", recover_first)
    cache.warm(wanted, holder())

    assert seen, "nothing made room"
    layout = cache.layout
    assert cache.volume().used_bytes >= used_bytes_below(layout.roots, layout.incoming, layout.trash)
    assert_FITS(world.hub, cache)
