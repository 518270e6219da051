"""What to do after a fit that was lost: where rounds are kept on disk, the advice must not be one that deletes them.

Without `--resume` the same command begins anew, and takes the last checkpoint away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from forebay.ctr.models.checkpoints import CheckpointFolder
from forebay.ctr.models.protocol import Checkpoints
from forebay.errors import CapacityError, ForebayError, UnavailableError

_FIRST: Final[Mapping[str, str]] = {
    "scheduler-lost": "See that the scheduler runs.",
    "no-workers": "Start workers.",
    "worker-lost": "Look at its machine's log: the kernel may have ended it for its memory.",
}
"""By kind, what to do before the next try; of other kinds the error's own advice says it."""


@contextmanager
def resumable(checkpoints: Checkpoints) -> Iterator[None]:
    """UnavailableError and CapacityError of the block name `--resume` where `checkpoints` outlive this process."""
    try:
        yield
    except (UnavailableError, CapacityError) as error:
        rounds = _kept_rounds(checkpoints)
        if not rounds:
            raise
        raise advised(error, rounds) from error


def advised(error: ForebayError, rounds: int) -> ForebayError:
    """The same error, for whom `rounds` are kept."""
    first = _FIRST.get(error.kind, error.todo)
    told = f"{rounds} rounds are kept: give the same command with --resume, and it goes on after them."
    return type(error)(error.kind, error.message, todo=f"{first} {told}".strip())


def _kept_rounds(checkpoints: Checkpoints) -> int:
    """0 also where what is there can't be gone on from."""
    if not isinstance(checkpoints, CheckpointFolder):
        return 0
    try:
        last = checkpoints.last()
    except ForebayError:
        return 0
    return last.rounds if last else 0
