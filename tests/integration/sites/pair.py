"""Two volumes of one hub and a lake that counts: the first one is filled from there and served to the second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.cache.engine import Cache
from forebay.cache.pace import FillSettings
from forebay.cache.policy import Policy
from forebay.client.session import Session
from forebay.fsio import Disk
from forebay.sites.nearby import PeerManners, peers_of
from forebay.testing.awkward import AwkwardOrigin, Seen
from forebay.wire.cache import Savings
from forebay.wire.catalog import Version
from tests.integration.cache.stage import Stage

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

FOREBAY = Path(sys.executable).parent / "forebay"
MANNERS = PeerManners(read_s=0.5, rest_s=600.0)


class TellingDisk(Disk):
    """Calls `then` once so many bytes were written to temp files."""

    def __init__(self, at_bytes: int, then: Callable[[], object]) -> None:
        self._left = at_bytes
        self._then = then

    def write_at(self, descriptor: int, data: Buffer, offset: int) -> None:
        super().write_at(descriptor, data, offset)
        before, self._left = self._left, self._left - memoryview(data).nbytes
        if before > 0 >= self._left:
            self._then()


class Pair(Stage):
    """A context manager. `serve` starts the first volume's blob server."""

    def __init__(self, origin: AwkwardOrigin) -> None:
        super().__init__(origin)
        self.far = self.root / "volume-far"
        self._served: list[subprocess.Popen[str]] = []

    def close(self) -> None:
        for process in self._served:
            process.kill()
            process.send_signal(signal.SIGCONT)
            process.communicate()
        super().close()

    @cached_property
    def near_session(self) -> Session:
        return self.session()

    @cached_property
    def far_session(self) -> Session:
        return self.session(volume=str(self.far))

    def filled(self, files: Mapping[str, bytes], dataset: str = "clicks") -> Version:
        """A version that is ready on the first volume, whose digests are known; the lake forgets what it sent."""
        version = self.add(dataset, files)
        self.near_session.warm(version, "test")
        return self.near_session.hub.catalog.resolve(version.ref)

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """The first volume's server, a process of its own, once it answers."""
        command = [str(FOREBAY), "link", "serve", "-q", *arguments]
        own = {"FOREBAY_HOME": self.settings["home"], "FOREBAY_VOLUME": str(self.volume)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        process = subprocess.Popen(command, env={**kept, **own}, stdout=subprocess.PIPE, text=True)
        self._served.append(process)
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()
        assert self.url, "the server ended"
        return process

    def far_cache(self, disk: Disk | None = None, *, streams: int = 2, manners: PeerManners = MANNERS) -> Cache:
        """The second volume's cache, which knows of peers."""
        session = self.far_session
        return Cache(
            session.hub,
            self.far,
            limit_bytes=1 << 40,
            policy=Policy(grace_s=0.0),
            open_lake=session.open_lake,
            confirm_lake=session.confirm_lake,
            disk=disk or Disk(),
            clock=session.clock,
            fill_settings=FillSettings(streams=streams),
            open_nearby=peers_of(session.hub, session.clock, manners),
        )

    @property
    def serving(self) -> subprocess.Popen[str]:
        """The server that was started last."""
        return self._served[-1]

    def sightings(self, name: str, dataset: str = "clicks") -> list[Seen]:
        """What the lake was asked for an object's bytes."""
        assert self.origin is not None
        return list(self.origin.seen(self.object(dataset, name), method="GET"))

    def near_blob(self, version: Version, name: str) -> Path:
        """The first volume's blob of a file."""
        inode = (self.near_session.cache.path(version) / name).stat().st_ino
        blobs = self.near_session.cache.layout.blobs(version.group)
        (found,) = [path for path in blobs.rglob("*") if path.stat().st_ino == inode]
        return found

    def sent(self, dataset: str = "clicks", name: str = "") -> int:
        """The bytes of objects that the lake ever sent, of one of them or of all."""
        assert self.origin is not None
        path = f"/lake/{dataset}/{name}"
        return sum(seen.sent_bytes for seen in self.origin.seen(method="GET") if seen.path.startswith(path))

    def far_ledger(self) -> Savings:
        (found,) = self.far_session.hub.volumes.savings(self.far_cache().volume_id)
        return found

    def links(self) -> dict[str, Any]:
        """What is known of the links to the second volume, by source."""
        target = self.far_cache().volume_id
        return {item.source: item for item in self.far_session.hub.links.all() if item.target == target}
