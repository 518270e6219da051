"""What boosting has done so far, on disk: one file, replaced whole, so that a death at any moment leaves the last one.

The file also holds a key of all that the fit depends on: a checkpoint of another fit is refused, never mixed in.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from forebay.ctr.files import new_file
from forebay.ctr.models.protocol import Checkpoint
from forebay.errors import ConflictError, DamagedError

CHECKPOINT_FILE: Final = "checkpoint.ubj"


class CheckpointFolder:
    """Checkpoints in `folder` (made when absent) of the fit that `key` describes (JSON)."""

    def __init__(self, folder: Path, key: Any, *, resume: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / CHECKPOINT_FILE
        self._key = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        if not resume:
            self._path.unlink(missing_ok=True)

    def last(self) -> Checkpoint | None:
        """None where there is none; ConflictError where it is of another fit; DamagedError where it is none at all."""
        if not self._path.is_file():
            return None
        data = self._path.read_bytes()
        try:
            line, _, booster = data.partition(b"\n")
            head = json.loads(line)
            if hashlib.sha256(booster).hexdigest() != head["sha256"]:
                raise ValueError("its digest is another")
            key, found = head["key"], Checkpoint(rounds=head["rounds"], losses=tuple(head["losses"]), booster=booster)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                "bad-checkpoint", f"{self._path} cannot be read: {error}", todo="train without --resume"
            ) from error
        if key != self._key:
            raise ConflictError(
                "other-checkpoint",
                f"{self._path} is of a fit with other options or features",
                todo="give the options of that fit, or train without --resume",
            )
        return found

    def keep(self, checkpoint: Checkpoint) -> None:
        """Replace the last one."""
        head = {
            "key": self._key,
            "rounds": checkpoint.rounds,
            "losses": checkpoint.losses,
            "sha256": hashlib.sha256(checkpoint.booster).hexdigest(),
        }
        with new_file(self._path) as file:
            file.write(json.dumps(head, sort_keys=True).encode() + b"\n" + checkpoint.booster)


class InMemory:
    """Checkpoints of a fit that keeps none on disk: enough to go on after the loss of a worker."""

    def __init__(self) -> None:
        self._last: Checkpoint | None = None

    def last(self) -> Checkpoint | None:
        return self._last

    def keep(self, checkpoint: Checkpoint) -> None:
        self._last = checkpoint
