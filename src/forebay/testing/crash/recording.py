"""What one process did to a folder, and when its hub's records changed: a trace, in the order in which it happened.

The effects are carried out for real and noted when they succeeded; one that was refused changed nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forebay.fsio import Disk

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One effect. `file` numbers a descriptor's file; `data` are the bytes written at `offset` (-1: at its end)."""

    effect: str
    path: Path | None = None
    target: Path | None = None
    file: int = -1
    data: bytes = b""
    offset: int = -1
    mode: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The hub's records have changed: its whole database as it is from now on."""

    call: str
    database: bytes


@dataclass(slots=True)
class Trace:
    """All that happened."""

    events: list[Done | Recorded] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, event: Done | Recorded) -> None:
        with self.lock:
            self.events.append(event)


class RecordingDisk(Disk):
    """Notes every effect. Composites are noted as the effects they are made of."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._files: dict[int, int] = {}
        self._opened = 0

    def create(self, path: Path) -> int:
        return self._open("create", path, super().create(path))

    def create_over(self, path: Path) -> int:
        return self._open("create_over", path, super().create_over(path))

    def append(self, path: Path) -> int:
        return self._open("append", path, super().append(path))

    def write(self, descriptor: int, data: Buffer) -> None:
        super().write(descriptor, data)
        self._note(effect="write", file=self._files[descriptor], data=bytes(data))

    def write_at(self, descriptor: int, data: Buffer, offset: int) -> None:
        super().write_at(descriptor, data, offset)
        self._note(effect="write", file=self._files[descriptor], data=bytes(data), offset=offset)

    def make_directories(self, path: Path) -> None:
        missing = [folder for folder in (path, *path.parents) if not folder.exists()]
        super().make_directories(path)
        for folder in reversed(missing):
            self._note(effect="make_directory", path=folder)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self._note(effect="rename", path=source, target=target)

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self._note(effect="link", path=source, target=target)

    def copy(self, source: Path, target: Path) -> None:
        super().copy(source, target)
        self._note(effect="copy", target=target, data=target.read_bytes())

    def unlink(self, path: Path) -> None:
        there = path.is_symlink() or path.exists()
        super().unlink(path)
        if there:
            self._note(effect="remove", path=path)

    def remove_directory(self, path: Path) -> None:
        super().remove_directory(path)
        self._note(effect="remove", path=path)

    def set_mode(self, path: Path, mode: int) -> None:
        super().set_mode(path, mode)
        self._note(effect="set_mode", path=path, mode=mode)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self._note(effect="sync", file=self._files[descriptor])

    def sync_directory(self, path: Path) -> None:
        super().sync_directory(path)
        self._note(effect="sync_directory", path=path)

    def sync_file_system(self, path: Path, witness: int | None = None) -> None:
        super().sync_file_system(path, witness)
        self._note(effect="sync_file_system", path=path)

    def _open(self, effect: str, path: Path, descriptor: int) -> int:
        self._opened += 1
        self._files[descriptor] = self._opened
        self._note(effect=effect, path=path, file=self._opened)
        return descriptor

    def _note(self, **facts: Any) -> None:
        self._trace.add(Done(**facts))


class RecordedHub:
    """A hub (or a part of one) whose every change is noted, as the database it leaves."""

    def __init__(self, part: Any, trace: Trace, database: Path) -> None:
        self._part = part
        self._trace = trace
        self._database = database
        self._seen = read_database(database)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if isinstance(found, str):
            return found
        if not callable(found):
            return RecordedHub(found, self._trace, self._database)
        return self._asked(name, found)

    def _asked(self, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*given: Any, **named: Any) -> Any:
            before = read_database(self._database)
            result = found(*given, **named)
            after = read_database(self._database)
            if after != before:
                self._trace.add(Recorded(call=name, database=after))
            return result

        return asked


def read_database(file: Path) -> bytes:
    """All that is committed to an SQLite file, its log included, as one file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.serialize()
