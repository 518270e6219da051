"""A run's states and its log as server-sent events, until it has ended.

An event's id says what the reader has: who comes back with the last one, to this hub or to another of the same
database, goes on behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Request, Response
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from forebay.errors import ForebayError, NotFoundError
from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.streams import Ending, Told, described, event, stream_of
from forebay.hub.api.watching import Watcher, watcher_for
from forebay.hub.api.watching import run as run_topic
from forebay.hub.watched import WatchedHub
from forebay.wire.codec import to_json
from forebay.wire.http import error_to_json
from forebay.wire.runs import LOG_PIECE_BYTES, Run, RunState

router = resource("runs", "/runs/{run_id}", once=False)

_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 5.0
_STATES = described("`run`: the run, whenever it has changed; the last one has ended. `error`: what ended the stream.")
_LOG = described(
    "`log`: what came since, of which attempt, and where the next begins. `ended`: the run's last state and exit code. "
    "`error`: what ended the stream."
)

LastId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNews:
    """What an attempt has printed since the last event."""

    attempt: int
    text: str
    next_offset: int
    dropped_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run has ended."""

    run_id: str
    state: RunState
    exit_code: int | None


@router.get("/stream", response_class=Response, responses=_STATES)
async def stream_run(hub: Acting, run_id: str, request: Request, last_event_id: LastId = None) -> EventSourceResponse:
    """Follow a run's states."""
    run = await run_in_threadpool(hub.runs.get, run_id)
    watcher = watcher_for(request, hub.revisions)
    known = int(last_event_id) if re.fullmatch(r"[0-9]{1,18}", last_event_id or "") and last_event_id else 0
    return stream_of(request, lambda ending: _states(hub, run, known, watcher, ending))


@router.get("/log/stream", response_class=Response, responses=_LOG)
async def stream_log(hub: Acting, run_id: str, request: Request, last_event_id: LastId = None) -> EventSourceResponse:
    """Follow what a run prints, through all its attempts."""
    run = await run_in_threadpool(hub.runs.get, run_id)
    await run_in_threadpool(_require_log, hub, run.run_id)
    found = re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,18})", last_event_id or "")
    attempt, offset = (int(found[1]), int(found[2])) if found else (1, 0)
    return stream_of(request, lambda ending: _pieces(hub, run.run_id, attempt, offset, ending))


def _require_log(hub: WatchedHub, run_id: str) -> None:
    """Refuse whoever may not read it before the stream begins, also while there is nothing to read yet."""
    try:
        hub.runs.log(run_id, 0, 0, 1)
    except NotFoundError as error:
        if error.kind != "attempt-not-found":
            raise


async def _states(hub: WatchedHub, run: Run, known: int, watcher: Watcher, ending: Ending) -> Told:
    try:
        while not ending.is_over:
            if run.revision > known:
                known = run.revision
                yield event("run", to_json(run), str(known))
            if run.state.is_final:
                return
            await watcher.news(run_topic(run.run_id), known, _LOOK_SECONDS)
            run = await run_in_threadpool(hub.runs.get, run.run_id)
    except ForebayError as error:
        yield event("error", error_to_json(error)["error"])


async def _pieces(hub: WatchedHub, run_id: str, attempt: int, offset: int, ending: Ending) -> Told:
    try:
        while not ending.is_over:
            run = await run_in_threadpool(hub.runs.get, run_id)
            newest = run.attempts[-1].number if run.attempts else 0
            if attempt > newest:
                if run.state.is_final:
                    yield event("ended", to_json(_end_of(run)))
                    return
                await ending.pause(_PAUSE_SECONDS)
                continue
            piece = await run_in_threadpool(hub.runs.log, run_id, attempt, offset, LOG_PIECE_BYTES)
            if piece.text or piece.next_offset > offset:
                offset = piece.next_offset
                news = LogNews(attempt=attempt, text=piece.text, next_offset=offset, dropped_bytes=piece.dropped_bytes)
                yield event("log", to_json(news), f"{attempt}.{offset}")
            elif piece.is_whole:
                attempt, offset = attempt + 1, 0
            else:
                await ending.pause(_PAUSE_SECONDS)
    except ForebayError as error:
        yield event("error", error_to_json(error)["error"])


def _end_of(run: Run) -> RunEnd:
    exit_code = run.attempts[-1].exit_code if run.attempts else None
    return RunEnd(run_id=run.run_id, state=run.state, exit_code=exit_code)
