"""A node of a site, in a guest: uses one cache volume on NFS with other nodes, and a hub in PostgreSQL; does as told.

The host says what to do, one thing at a time; what can be held up (a fill at one of its effects) runs beside the talk.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from forebay.cache.leased import Leased
from forebay.cache.machine import Terms
from forebay.errors import ForebayError
from forebay.fsio import Disk
from forebay.testing.cached import FailingDisk, World
from forebay.testing.cached.invariants import (
    assert_all,
    assert_BRAKE,
    assert_CRASH,
    assert_FITS,
    assert_IN_USE,
    assert_ONE_FILL,
    assert_VERIFIED,
)
from forebay.testing.cached.world import Node as Host
from forebay.testing.cached.world import holder
from forebay.testing.guest.inside import DISK, listen, run, say
from forebay.testing.guest.nfs import mount_nfs
from forebay.wire.catalog import Version

HOLD_SECONDS = 8.0


def main(order: dict[str, Any]) -> None:
    mount_nfs(order["source"], order["address"], DISK)
    node = Node(site(order["address"], order["database_url"]))
    say("ready", machine=Path("/proc/sys/kernel/random/boot_id").read_text())
    while (told := listen())["said"] != "off":
        node.do(told)


def site(host: str, database_url: str) -> World:
    """Lake and volume on NFS, the volume at a path of this node's own; the hub in PostgreSQL, nothing else shared."""
    root = Path("/run/site")
    for name, place in (("lake", "lake"), ("volume", f"seen-by-{host}")):
        (DISK / name).mkdir(exist_ok=True)
        (root / place).mkdir(parents=True)
        run("mount", "--bind", str(DISK / name), str(root / place))
    return World(root, terms=Terms(hold_seconds=HOLD_SECONDS), node=Host(host=host, database_url=database_url))


class Node:
    def __init__(self, world: World) -> None:
        self.world = world
        self.leases: list[Leased] = []
        self.gate = threading.Event()

    def do(self, told: dict[str, Any]) -> None:
        match told["said"]:
            case "add":
                files = {name: bytes([65 + number]) * size for number, (name, size) in enumerate(told["files"].items())}
                say("added", ref=self.world.add(told["dataset"], files).ref)
            case "warm":
                threading.Thread(target=self._warm, args=(told,), daemon=True).start()
            case "go on":
                self.gate.set()
            case "lease":
                self.leases.append(self.world.cache().lease(self._version(told), holder()))
                say("leased")
            case "close":
                self.leases.pop().close()
                say("closed")
            case "evict":
                say("evicted", **self._evict(self._version(told)))
            case "damage":
                victim = self.world.cache().path(self._version(told)) / told["file"]
                size_bytes = victim.stat().st_size
                victim.chmod(0o644)
                victim.write_bytes(b"x" * size_bytes)
                say("damaged")
            case "verify":
                memo = Path("/run/tmp/memo")
                _, bad = self.world.cache().verify([self._version(told)], memo, force=True)
                say("verified", damaged=[replica.ref for replica in bad])
            case "recover":
                say("recovered", failed=len(self.world.cache().recover(force=told["force"]).failed))
            case "judge":
                self._judge(quiet=told["quiet"])
            case word:
                raise ValueError(word)

    def _version(self, told: dict[str, Any]) -> Version:
        return self.world.hub.catalog.resolve(told["ref"])

    def _warm(self, told: dict[str, Any]) -> None:
        """Fill or wait; held up before the effect with a number, until told to go on."""
        self.gate.clear()
        waits = threading.Event()

        def told_of(_progress: object, other: str) -> None:
            if other and not waits.is_set():
                waits.set()
                say("waiting")

        try:
            cache = self.world.cache(disk=self._disk(told.get("hold_at", 0)))
            warmed = cache.warm(self._version(told), holder(), told_of)
        except ForebayError as error:
            say("warmed", error=error.kind)
        else:
            names = sorted(path.name for path in warmed.path.iterdir() if not path.name.startswith("."))
            say("warmed", moved=warmed.moved_bytes, waited=warmed.waited, names=names)

    def _disk(self, hold_at: int) -> Disk:
        def hold(_name: str, number: int) -> int:
            if number == hold_at:
                say("held")
                self.gate.wait()
            return 0

        return FailingDisk(hold) if hold_at else Disk()

    def _evict(self, version: Version) -> dict[str, Any]:
        cache = self.world.cache()
        replica = next(item for item in cache.replicas() if item.ref == version.ref)
        evicted = cache.evictor.evict(replica, "asked")
        return {"error": evicted.error.kind if evicted.error else "", "freed": evicted.freed_bytes}

    def _judge(self, *, quiet: bool) -> None:
        """Every invariant by name; `quiet`: nobody died since the last recover, so that the account is exact."""
        hub, cache = self.world.hub, self.world.cache()
        assert_VERIFIED(hub, cache)
        assert_CRASH(hub, cache)
        assert_FITS(hub, cache)
        assert_IN_USE(hub, cache)
        assert_ONE_FILL(hub, cache)
        if quiet:
            assert_all(hub, cache)
            assert_BRAKE(cache)
        say("judged", states={replica.ref: replica.state for replica in cache.replicas()})
