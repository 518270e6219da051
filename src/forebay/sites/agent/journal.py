"""What an agent of this machine remembers over its own death: the attempts it has begun, and how they ended.

One folder a site, on this machine's own disk, and one agent at a time in it (`alone`). A note is written before its
work is begun and goes when nobody asks for it any more; each appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import ConflictError, NotAllowedError
from forebay.fsio import Disk
from forebay.log import get_logger
from forebay.sites.agent.state import Held, Phase
from forebay.wire.codec import from_json, to_json
from forebay.wire.sites import Order, Report, TaskKey

_log = get_logger("agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An attempt that was begun; with a report, one that has ended."""

    order: Order
    report: Report | None = None


class Journal:
    """The notes in one folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._notes = folder / "tasks"
        self._disk = disk
        try:
            self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise NotAllowedError(
                "home-read-only",
                f"cannot write to the agent's folder {folder}: {error.strerror}",
                todo="Give write permission there, or set FOREBAY_HOME to another folder.",
            ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """ConflictError `agent-runs` while another agent of this machine has the folder."""
        with (self._folder / "lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConflictError(
                    "agent-runs",
                    f"An agent of this site runs on this machine already: it has {self._folder}.",
                    todo="End that one first, or give this one another --site or --home.",
                ) from error
            yield

    def note(self, note: Note) -> None:
        """Remember, durably."""
        self._disk.write_json(self._path(note.order), to_json(note))

    def forget(self, order: Order) -> None:
        """Idempotent."""
        self._disk.unlink(self._path(order))

    def held(self) -> dict[TaskKey, Held]:
        """All that is remembered, as the machine begins with it; what can't be read is passed over, and said."""
        found = (_held(note) for note in map(self._read, sorted(self._notes.glob("*.json"))) if note is not None)
        return {held.key: held for held in found}

    def _path(self, order: Order) -> Path:
        # An id is the hub's own, and still no path is made of it unread.
        name = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in order.task_id)[:200]
        return self._notes / f"{name}.{order.token}.json"

    def _read(self, path: Path) -> Note | None:
        try:
            return from_json(Note, json.loads(path.read_bytes()))
        except (OSError, ValueError) as error:
            _log.warning("note-unreadable", path=str(path), error=str(error))
            return None


def _held(note: Note) -> Held:
    phase = Phase.WAITING if note.report is None else Phase.ENDED
    return Held(order=note.order, phase=phase, begun=True, report=note.report, is_wanted=False)
