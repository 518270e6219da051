"""Disks that fail on demand: one that refuses, one that kills its process, one without hard links."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forebay.fsio import Disk

EFFECTS = (
    "create",
    "create_over",
    "append",
    "write",
    "write_at",
    "preallocate",
    "make_directories",
    "rename",
    "link",
    "copy",
    "unlink",
    "remove_directory",
    "set_mode",
    "sync",
    "sync_directory",
    "sync_file_system",
)

OPENING = ("create", "create_over", "append")
"""The effects that give a descriptor."""

OnEffect = Callable[[str, int], object]
"""Called with an effect's name and its number, counted from 1."""


class _WatchedDisk(Disk):
    """Calls `before` ahead of every effect and `after` behind it, also when it was refused."""

    def __init__(self, before: OnEffect, after: OnEffect) -> None:
        self._before = before
        self._after = after
        self.count = 0
        self._counting = threading.Lock()

    def __getattribute__(self, name: str) -> Any:
        effect = super().__getattribute__(name)
        if name not in EFFECTS:
            return effect

        def watched(*given: Any) -> Any:
            with self._counting:
                self.count += 1
                number = self.count
            self._before(name, number)
            done = None
            try:
                done = effect(*given)
            finally:
                try:
                    self._after(name, number)
                except BaseException:
                    # Nobody got the descriptor, and the dead have none open: NFS keeps a name for each.
                    if name in OPENING and done is not None:
                        os.close(done)
                    raise
            return done

        return watched


class KillingDisk(_WatchedDisk):
    """Kills its own process at the effect with this number: before it (`after` False) or right after it."""

    def __init__(self, number: int, *, after: bool) -> None:
        def kill(_name: str, count: int) -> None:
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def nothing(_name: str, _count: int) -> None:
            pass

        super().__init__(nothing if after else kill, kill if after else nothing)


class FailingDisk(_WatchedDisk):
    """Refuses effects while `failing` says so: an OSError with the number it gives, none for 0."""

    def __init__(self, failing: Callable[[str, int], int] = lambda name, number: 0) -> None:
        self.failing = failing

        def refuse(name: str, number: int) -> None:
            if code := self.failing(name, number):
                raise OSError(code, os.strerror(code))

        super().__init__(refuse, lambda name, number: None)


class CopyingDisk(Disk):
    """A file system that knows no hard links."""

    def link(self, source: Path, target: Path) -> None:
        if not source.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(target))


class NfsDisk(Disk):
    """An NFS mount: what is removed while this machine has it open keeps a name, `.nfs...`, until it is closed."""

    def __init__(self) -> None:
        self._open: dict[int, Path] = {}
        self._kept: dict[Path, Path] = {}

    def create(self, path: Path) -> int:
        return self._opened(super().create(path), path)

    def append(self, path: Path) -> int:
        return self._opened(super().append(path), path)

    def close(self, descriptor: int) -> None:
        super().close(descriptor)
        path = self._open.pop(descriptor, None)
        if path is not None and path in self._kept and path not in self._open.values():
            super().unlink(self._kept.pop(path))

    def unlink(self, path: Path) -> None:
        """As NFS does, it tells nobody that the file is still there, and refuses to remove the name that it gave."""
        if path in self._kept.values():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        if path in self._open.values() and path.exists():
            self._kept[path] = path.with_name(f".nfs{path.stat().st_ino:016x}")
            self.rename(path, self._kept[path])
        else:
            super().unlink(path)

    def _opened(self, descriptor: int, path: Path) -> int:
        self._open[descriptor] = path
        return descriptor
