"""Sends a run's log to the hub as it grows; how far it got is kept beside the log, for the next agent."""

from __future__ import annotations

import json
from pathlib import Path

from forebay.client.agent.log_text import Shipped, cut
from forebay.errors import ConflictError, UnavailableError
from forebay.fsio import Disk
from forebay.log import get_logger
from forebay.runs.executors.logs import read_log
from forebay.runs.executors.protocol import JobKey
from forebay.wire.codec import from_json, to_json
from forebay.wire.runs import Runs

PIECE_BYTES = 256 << 10
"""As text at most three times that, which one message may hold."""

_PIECES_A_TURN = 8

_log = get_logger("agent")


class LogShipper:
    """The log of one job. `is_refused`: the hub wants no more of it, since it has another attempt now."""

    def __init__(self, runs: Runs, key: JobKey, log_folder: Path, disk: Disk) -> None:
        self._runs = runs
        self._key = key
        self._folder = log_folder
        self._path = log_folder.parent / "shipped.json"
        self._disk = disk
        self._done = self._read()
        self.is_refused = False

    def ship(self, *, is_last: bool = False) -> bool:
        """Send what is there, a bounded part of it in one turn; whether all of it was. UnavailableError."""
        for _ in range(_PIECES_A_TURN):
            if self.is_refused:
                return True
            part = read_log(self._folder, self._done.read_bytes, PIECE_BYTES)
            whole = is_last and not read_log(self._folder, part.next_offset, 1).data
            piece = cut(self._done, part.data, part.missing_bytes, is_last=whole)
            if piece.after == self._done:
                return True
            self._send(piece.offset, piece.text, piece.dropped_bytes)
            self._done = piece.after
            self._disk.write_json(self._path, to_json(self._done))
        return False

    def try_to_ship(self) -> None:
        """The same, where it may wait for a hub that is away."""
        try:
            self.ship()
        except UnavailableError as error:
            _log.warning("log-waits", job=self._key.name, kind=error.kind)

    def _send(self, offset: int, text: str, dropped_bytes: int) -> None:
        key = self._key
        try:
            wanted = self._runs.add_log(key.run_id, key.attempt, key.token, offset, text, dropped_bytes)
            if wanted < offset:
                # It has lost what it had: that is gone here too.
                self._runs.add_log(key.run_id, key.attempt, key.token, offset, text, offset - wanted)
        except ConflictError as error:
            _log.warning("log-refused", job=key.name, kind=error.kind)
            self.is_refused = True

    def _read(self) -> Shipped:
        try:
            return from_json(Shipped, json.loads(self._path.read_bytes()))
        except (OSError, ValueError):
            return Shipped()
