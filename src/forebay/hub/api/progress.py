"""Live progress of a volume's fills, as server-sent events.

Every event holds a fill's whole state, and its id says what the reader knows by then: whoever comes back with the last
id, to this hub or to another one of the same database, gets what has changed meanwhile and no more.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Request, Response
from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool

from forebay.errors import ForebayError
from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.streams import Ending, Told, described, event, stream_of
from forebay.wire.cache import OpenFill, ReplicaState
from forebay.wire.codec import to_json
from forebay.wire.http import error_to_json
from forebay.wire.hub import Hub

router = resource("fills", once=False)

_PAUSE_SECONDS = 0.5
_LONGEST_ID = 8000
_EVENTS = described(
    "`fill`: a fill's state, as in the list of fills. `ended`: its id, its replica and that one's state. `error`: the "
    "error that ended the stream."
)

Known = dict[str, tuple[str, str]]
"""By fill: what its state was told to be, in short, and its replica."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A fill that is no more, and what became of its replica."""

    fill_id: str
    ref: str
    state: ReplicaState


@router.get("/volumes/{volume_id}/fills/stream", response_class=Response, responses=_EVENTS)
async def stream(
    hub: Acting,
    volume_id: str,
    request: Request,
    last_event_id: Annotated[str | None, Header(max_length=_LONGEST_ID)] = None,
) -> EventSourceResponse:
    """Follow the fills on a volume."""
    await run_in_threadpool(hub.volumes.get, volume_id)
    known = _known(last_event_id)
    return stream_of(request, lambda ending: _told(hub, volume_id, known, ending))


async def _told(hub: Hub, volume_id: str, known: Known, ending: Ending) -> Told:
    while not ending.is_over:
        try:
            fills = await run_in_threadpool(hub.fills.open_fills, volume_id)
            changed = [fill for fill in fills if known.get(fill.fill_id) != _short(fill)]
            ended = [fill_id for fill_id in known if fill_id not in {fill.fill_id for fill in fills}]
            states = await run_in_threadpool(_states, hub, volume_id) if ended else {}
        except ForebayError as error:
            yield _event("error", error_to_json(error)["error"], known)
            return
        for fill in changed:
            known[fill.fill_id] = _short(fill)
            yield _event("fill", to_json(fill), known)
        for fill_id in ended:
            _, ref = known.pop(fill_id)
            end = Ended(fill_id=fill_id, ref=ref, state=states.get(ref, ReplicaState.ABSENT))
            yield _event("ended", to_json(end), known)
        await ending.pause(_PAUSE_SECONDS)


def _states(hub: Hub, volume_id: str) -> Mapping[str, ReplicaState]:
    return {replica.ref: replica.state for replica in hub.replicas.all(volume_id)}


def _short(fill: OpenFill) -> tuple[str, str]:
    progress = fill.progress
    numbers = (fill.token, int(fill.live), progress.done_bytes, progress.total_bytes, progress.moved_files)
    return ".".join(map(str, numbers)), fill.ref


def _event(name: str, data: Any, known: Known) -> Mapping[str, str]:
    """An id that grew too long for a header is left out: a reader that comes back with an older one is told more."""
    told = base64.urlsafe_b64encode(json.dumps(known, separators=(",", ":")).encode()).decode()
    return event(name, data, "" if len(told) > _LONGEST_ID else told)


def _known(last_event_id: str | None) -> Known:
    """What the reader knows; nothing where the id is none of ours: then it is told everything."""
    try:
        found = json.loads(base64.urlsafe_b64decode(last_event_id or ""))
        return {str(fill_id): (str(short), str(ref)) for fill_id, (short, ref) in found.items()}
    except (ValueError, AttributeError, TypeError):
        return {}
