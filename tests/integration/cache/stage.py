"""Where these tests play: sessions as users have them, one home, one volume, and a lake that counts, or a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from forebay.cache.engine import Cache
from forebay.cache.recover import Recovered
from forebay.client.register import register
from forebay.client.session import Session
from forebay.fsio import Disk
from forebay.testing.awkward import AwkwardOrigin
from forebay.testing.cached import World
from forebay.testing.cached.invariants import assert_all
from forebay.wire.catalog import Version

PATIENCE_SECONDS = 60.0
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
Found = TypeVar("Found")


class Stage:
    """A folder with lake/, home/ and volume/, in memory (these tests sync a lot); goes with its sessions."""

    def __init__(self, origin: AwkwardOrigin | None = None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="forebay-stage-", dir=MEMORY))
        world = World(self.root)
        world.hub.close()
        self.lake, self.volume = world.lake, world.volume
        self.origin = origin
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        assert not Disk().remove_tree(self.root)

    def close(self) -> None:
        """End the sessions."""
        self._stack.close()

    @cached_property
    def settings(self) -> dict[str, Any]:
        settings = {"home": str(self.root / "home"), "volume": str(self.volume), "grace": "0s", "streams": 2}
        if self.origin is None:
            return settings
        keys = {"access_key_id": "anybody", "secret_access_key": "nobody", "region": "us-east-1"}
        return {**settings, "profile": "origin", "profiles": {"origin": {"endpoint": self.origin.url, **keys}}}

    def session(self, **settings: object) -> Session:
        """A session that never worked here before."""
        session = Session.start({**self.settings, **settings})
        self._stack.callback(session.close)
        return session

    def cache_on(self, disk: Disk) -> Cache:
        """The cache of a process of its own whose disk is this one."""
        world = World(self.root)
        self._stack.callback(world.hub.close)
        return world.cache(disk=disk)

    def put(self, dataset: str, name: str, data: bytes) -> None:
        """An object of the dataset."""
        if self.origin is not None:
            self.origin.put(self.object(dataset, name), data)
            return
        path = self.lake / dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def add(self, dataset: str, files: Mapping[str, bytes]) -> Version:
        """Put files into the lake under the dataset's name and register them."""
        for name, data in files.items():
            self.put(dataset, name, data)
        root = self.lake.as_uri() if self.origin is None else "s3://lake"
        return register(self.session(), dataset, [f"{root}/{dataset}/"]).version

    def object(self, dataset: str, name: str) -> str:
        """The origin's path of an object."""
        return f"/lake/{dataset}/{name}"

    def gets(self, dataset: str, name: str) -> int:
        """How often the origin was asked for an object's bytes."""
        assert self.origin is not None
        return len(self.origin.seen(self.object(dataset, name), method="GET"))


def until(ask: Callable[[], Found], what: str) -> Found:
    """Ask again until the answer is true; a bounded wait for somebody else."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)
    return answer


def contents(tree: Path) -> dict[str, bytes]:
    """The files of a tree by path, forebay's own records aside."""
    paths = [path for path in tree.rglob("*") if path.is_file() and ".forebay" not in path.relative_to(tree).parts]
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in paths}


def assert_unpublished(session: Session, version: Version) -> None:
    """Nothing of a version can be seen, and the account answers for what lies in incoming/."""
    assert not session.cache.path(version).exists()
    assert not [item for item in session.cache.replicas() if item.ref == version.ref and item.state == "ready"]
    assert_all(session.hub, session.cache)


def assert_mended(session: Session) -> None:
    """Recover finds nothing to do, nothing is left in incoming/, the invariants hold, the account is exact."""
    assert not mends(session.cache.recover())
    assert not list(session.cache.layout.incoming.iterdir())
    assert_all(session.hub, session.cache)


def mends(recovered: Recovered) -> dict[str, object]:
    """All that a recover had to do."""
    repairs = recovered.repairs
    return {name: value for name in repairs.__slots__ if (value := getattr(repairs, name))}


def without_privileges() -> list[str]:
    """The start of a command line that runs the rest as an ordinary owner of its files.

    Root passes by all modes; without these capabilities it does not. Another user would not do: it may not reach the
    interpreter, which can lie in root's home.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "setpriv (util-linux) is needed to test as an ordinary user"
    dropped = "-dac_override,-dac_read_search,-fowner,-sys_admin"
    return [setpriv, f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
