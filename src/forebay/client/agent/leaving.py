"""Sends the hub what an attempt leaves to be looked at: the files of its folder FOREBAY_REPORTS, during it and after.

While it runs, what has changed and then rested for a look goes, so that metrics can be followed. A file that the hub
will not have is left out, and a hub of an older release, which knows of none of this, has nothing sent: no run fails
for that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConflictError, ForebayError, UnavailableError
from forebay.log import get_logger
from forebay.runs.executors.protocol import JobKey
from forebay.wire.runs import KEEPSAKE_BYTES, MOST_KEEPSAKES, Runs

_log = get_logger("agent")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What tells that a file has changed."""

    inode: int
    size_bytes: int
    mtime_ns: int


class Leaving:
    """Of one job. What an agent before had sent goes again, which changes nothing."""

    def __init__(self, runs: Runs, key: JobKey, folder: Path) -> None:
        self._runs = runs
        self._key = key
        self._folder = folder
        self._done: dict[str, _Seen] = {}
        self._before: dict[str, _Seen] = {}
        self.is_refused = False

    def try_to_send(self) -> None:
        """What has changed and rested; where the hub is away, another time."""
        if self.is_refused:
            return
        now = self._look()
        rested = {name: seen for name, seen in now.items() if self._before.get(name) == seen}
        self._before = now
        try:
            self._send(rested)
        except UnavailableError as error:
            _log.warning("keepsake-waits", job=self._key.name, kind=error.kind)

    def send_all(self) -> None:
        """Whatever is there now, the command has ended. UnavailableError."""
        if not self.is_refused:
            self._send(self._look())

    def _send(self, files: dict[str, _Seen]) -> None:
        for name, seen in files.items():
            if self.is_refused or self._done.get(name) == seen:
                continue
            data = self._read(name)
            if data is not None:
                self._put(name, data)
            self._done[name] = seen

    def _put(self, name: str, data: bytes) -> None:
        key = self._key
        try:
            self._runs.keep(key.run_id, key.attempt, key.token, name, data)
        except UnavailableError:
            raise
        except ConflictError as error:
            _log.warning("keepsakes-refused", job=key.name, kind=error.kind)
            self.is_refused = True
        except ForebayError as error:
            _log.warning("keepsake-refused", job=key.name, name=name, kind=error.kind)
            self.is_refused = error.kind in _KNOWS_NONE

    def _read(self, name: str) -> bytes | None:
        """Never through a link: the agent may read what the run may not. None for what is gone or too long."""
        try:
            with self._opened() as folder:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            data = file.read(KEEPSAKE_BYTES + 1)
        if len(data) > KEEPSAKE_BYTES:
            _log.warning("keepsake-too-large", job=self._key.name, name=name)
            return None
        return data

    def _look(self) -> dict[str, _Seen]:
        """The plain files that lie in the folder itself, by name, a bounded number of them."""
        found: dict[str, _Seen] = {}
        try:
            with self._opened() as folder, os.scandir(folder) as entries:
                for entry in entries:
                    if len(found) >= MOST_KEEPSAKES:
                        break
                    if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                        known = entry.stat(follow_symlinks=False)
                        found[entry.name] = _Seen(known.st_ino, known.st_size, known.st_mtime_ns)
        except OSError:
            return found
        return dict(sorted(found.items()))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


_KNOWS_NONE = {"route-not-found", "method-not-allowed"}
"""What a hub says that has no such address."""
