"""Watch a run from afar, until it has ended: what changes, and what it prints, through all its attempts.

The hub holds a question back while nothing changes, so that nobody asks without need. Nothing of the run rests on who
watches it: a watcher that leaves comes back to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from forebay.wire.hub import Hub
from forebay.wire.runs import LogPiece, Run

PIECE_BYTES = 256 << 10
"""So much of a log is asked for at once."""

WAIT_S = 1.0
"""So late at most is what a run prints; its log's growth is no change of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Onlooker:
    """Who is told: `changed` of each change, `printed` of what an attempt (by number) has printed since."""

    changed: Callable[[Run], object] = bool
    printed: Callable[[int, LogPiece], object] | None = None


def follow(hub: Hub, run_id: str, onlooker: Onlooker, *, attempt: int = 1) -> Run:
    """The run once it has ended and its log from this attempt on is told. NotFoundError `run-not-found`."""
    run = hub.runs.get(run_id)
    onlooker.changed(run)
    offset = 0
    while True:
        attempt, offset, is_more = _tell_log(hub, run, onlooker, attempt, offset)
        if is_more:
            continue
        if run.state.is_final and (onlooker.printed is None or attempt > _newest(run)):
            return run
        known = run.revision
        # What has ended may still lack the last of its log, which the agent brings after it.
        run = hub.runs.get(run.run_id, after=known, wait_s=WAIT_S)
        if run.revision != known:
            onlooker.changed(run)


def log_of(hub: Hub, run_id: str, attempt: int = 0) -> Iterator[tuple[int, LogPiece]]:
    """What an attempt (0: the newest) has printed so far, in pieces; none where nothing was begun yet."""
    run = hub.runs.get(run_id)
    number, offset = attempt or _newest(run), 0
    while number:
        piece = hub.runs.log(run.run_id, number, offset, PIECE_BYTES)
        if piece.next_offset <= offset:
            return
        yield number, piece
        offset = piece.next_offset


def exit_code_of(run: Run) -> int | None:
    """The exit code of its last attempt; None where it never got one."""
    return run.attempts[-1].exit_code if run.attempts else None


def _tell_log(hub: Hub, run: Run, onlooker: Onlooker, attempt: int, offset: int) -> tuple[int, int, bool]:
    """The place after what was told, and whether there is more at once."""
    if onlooker.printed is None or attempt > _newest(run):
        return attempt, offset, False
    piece = hub.runs.log(run.run_id, attempt, offset, PIECE_BYTES)
    if piece.next_offset > offset:
        onlooker.printed(attempt, piece)
        return attempt, piece.next_offset, True
    if piece.is_whole:
        return attempt + 1, 0, True
    return attempt, offset, False


def _newest(run: Run) -> int:
    return run.attempts[-1].number if run.attempts else 0
