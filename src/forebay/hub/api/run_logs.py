"""What runs print: read in pieces, and added to by the agents that run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count
from forebay.wire.runs import LOG_PIECE_BYTES, LogPiece

router = resource("runs", "/runs/{run_id}/log")

_Attempt = Annotated[int, Query(ge=0, le=2**31 - 1, description="0: the newest.")]


@dataclass(frozen=True, kw_only=True)
class NewText:
    """What an attempt has printed since `offset`."""

    attempt: Annotated[int, Field(ge=0, le=2**31 - 1)]
    token: Count
    offset: Count
    text: str
    dropped_bytes: Count = 0


@dataclass(frozen=True, kw_only=True)
class WantedNext:
    """The offset from which the hub wants what comes next."""

    next_offset: int


@router.get("")
def read_log(
    hub: Acting,
    run_id: str,
    attempt: _Attempt = 0,
    offset: Annotated[Count, Query()] = 0,
    limit: Annotated[int, Query(ge=1, le=LOG_PIECE_BYTES, description="At most so many bytes.")] = LOG_PIECE_BYTES,
) -> LogPiece:
    """A part of an attempt's log."""
    return hub.runs.log(run_id, attempt, offset, limit)


@router.put("")
def add_to_log(hub: Acting, run_id: str, new: NewText) -> WantedNext:
    """For an agent: what came since. Idempotent by offset."""
    wanted = hub.runs.add_log(run_id, new.attempt, new.token, new.offset, new.text, new.dropped_bytes)
    return WantedNext(next_offset=wanted)
