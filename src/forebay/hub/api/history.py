"""A volume's history and its ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Key, Page, Paging, Wanted, cursor_of, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Signed
from forebay.wire.cache import CacheEvent, LedgerKey, Savings, Use

router = resource("history", "/volumes/{volume_id}")


@dataclass(frozen=True, kw_only=True)
class Happened:
    """A line for a volume's history."""

    ref: str
    event: str
    reason: str
    size_bytes: Signed


@router.post("/events", status_code=204)
def record_event(hub: Acting, volume_id: str, line: Happened) -> None:
    """Add a line to the volume's history."""
    hub.volumes.record(volume_id, line.ref, line.event, line.reason, line.size_bytes)


@router.get("/events")
def list_events(hub: Acting, volume_id: str, paging: Paging) -> Page[CacheEvent]:
    """The volume's history, newest first."""
    return _page_of_events(lambda count: hub.volumes.events(volume_id, count), paging)


@router.get("/savings")
def list_savings(
    hub: Acting, volume_id: str, paging: Paging, by: Annotated[LedgerKey, Query()] = LedgerKey.VERSION
) -> Page[Savings]:
    """What the cache saved against a download per use."""
    return page(hub.volumes.savings(volume_id, by), lambda item: (item.key,), paging)


@router.get("/uses")
def list_uses(
    hub: Acting, volume_id: str, paging: Paging, since: Annotated[float, Query(allow_inf_nan=False)] = 0.0
) -> Page[Use]:
    """Every use since a moment, oldest first."""
    numbered = list(enumerate(hub.volumes.uses(volume_id, since)))
    found = page(numbered, lambda pair: (pair[0],), paging)
    return Page(items=[use for _, use in found.items], next=found.next)


def _page_of_events(newest: Callable[[int], Sequence[CacheEvent]], wanted: Wanted) -> Page[CacheEvent]:
    """A history may be long: only its newest lines are read, until they hold the page.

    A cursor says how many were shown, and the last of them: what came since moves that one further back.
    """
    start, reach = 0, wanted.limit + 1
    if wanted.after is not None:
        start, reach = _place(newest, wanted)
    events = newest(reach)
    shown = events[start : start + wanted.limit]
    is_more = len(events) > start + wanted.limit
    return Page(items=list(shown), next=cursor_of((start + len(shown), *_marks(shown[-1]))) if is_more else None)


def _place(newest: Callable[[int], Sequence[CacheEvent]], wanted: Wanted) -> tuple[int, int]:
    """Where the page begins, and how many lines it takes to see it and one more."""
    assert wanted.after is not None
    count, *marks = wanted.after
    if not isinstance(count, int) or count < 1:
        raise wanted.refused()
    reach = count + wanted.limit + 1
    while True:
        events = newest(reach)
        for at, event in enumerate(events[count - 1 :], count):
            if list(_marks(event)) == marks:
                return at, at + wanted.limit + 1
        if len(events) < reach:
            raise wanted.refused()
        reach *= 2


def _marks(event: CacheEvent) -> Key:
    return (event.at, event.ref, event.event, event.size_bytes)
