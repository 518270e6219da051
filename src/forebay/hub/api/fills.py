"""Fills: who moves a version to a volume, and the room for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Signed
from forebay.hub.api.versioned import OfVersion
from forebay.wire.cache import (
    FillDone,
    Granted,
    Holder,
    NoRoom,
    OpenFill,
    Progress,
    Ready,
    Replica,
    Reserved,
    Waiting,
    Wish,
)

router = resource("fills")

AClaim = Annotated[Ready | Granted | Waiting, Field(discriminator="answer")]
Room = Annotated[Reserved | NoRoom, Field(discriminator="answer")]


@dataclass(frozen=True, kw_only=True)
class NewClaim(OfVersion):
    """Somebody asks for a replica; `dead_token` is the token of a holder that was seen dead."""

    holder: Holder
    dead_token: Count = 0


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """The bytes a fill needs, and what its holder sees: what the file system has left, what its team would hold."""

    token: Count
    need_bytes: Count
    free_bytes: Signed
    team_bytes: Count = 0


@dataclass(frozen=True, kw_only=True)
class Beat:
    """A holder's heartbeat."""

    token: Count
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A holder's report: the files are in place."""

    token: Count
    done: FillDone


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A holder's report: it gives up; `kept_bytes` stay for the next try."""

    token: Count
    reason: str
    kept_bytes: Count
    damaged: bool = False


@dataclass(frozen=True, kw_only=True)
class NewWishes(OfVersion):
    """Entries of the manifest that readers wait for."""

    entries: list[Count]


@dataclass(frozen=True, kw_only=True)
class Abandoned:
    """The bytes that an abandoned fill left."""

    left_bytes: int


@router.post("/volumes/{volume_id}/claims")
def claim(hub: Acting, volume_id: str, wanted: NewClaim) -> AClaim:
    """Ask for a replica: it is ready, or you may fill it, or there is somebody to wait for."""
    version = wanted.found(hub)
    return hub.fills.claim(volume_id, version, wanted.holder, dead_token=wanted.dead_token)


@router.get("/volumes/{volume_id}/claims")
def look(
    hub: Acting,
    volume_id: str,
    dataset: str,
    number: Annotated[int, Query(ge=1, le=2**31 - 1)],
    subset: Annotated[str, Query(max_length=200)] = "",
) -> AClaim | None:
    """The same without claiming; null when nobody holds it."""
    return hub.fills.look(volume_id, OfVersion(dataset=dataset, number=number, subset=subset).found(hub))


@router.get("/volumes/{volume_id}/fills")
def list_fills(hub: Acting, volume_id: str, paging: Paging) -> Page[OpenFill]:
    """Fills under way, and failed ones that left something, in the order in which they were granted."""
    return page(hub.fills.open_fills(volume_id), lambda item: (item.token, item.fill_id), paging)


@router.post("/volumes/{volume_id}/wishes", status_code=204)
def prefer(hub: Acting, volume_id: str, wishes: NewWishes) -> None:
    """Readers wait for these entries: whoever fills the version shall move them next."""
    hub.fills.prefer(volume_id, wishes.found(hub), wishes.entries)


@router.put("/fills/{fill_id}/reservation")
def reserve(hub: Acting, fill_id: str, wanted: Reservation) -> Room:
    """Set bytes aside, in place of what the fill had set aside before."""
    return hub.fills.reserve(fill_id, wanted.token, wanted.need_bytes, wanted.free_bytes, wanted.team_bytes)


@router.put("/fills/{fill_id}/progress", status_code=204)
def renew_fill(hub: Acting, fill_id: str, beat: Beat) -> None:
    """Heartbeat with progress."""
    hub.fills.renew(fill_id, beat.token, beat.progress)


@router.post("/fills/{fill_id}/done")
def finish(hub: Acting, fill_id: str, finished: Finished) -> Replica:
    """The files are in place and marked complete."""
    return hub.fills.finish(fill_id, finished.token, finished.done)


@router.post("/fills/{fill_id}/failure", status_code=204)
def fail(hub: Acting, fill_id: str, failed: Failed) -> None:
    """Give up."""
    hub.fills.fail(fill_id, failed.token, failed.reason, failed.kept_bytes, damaged=failed.damaged)


@router.get("/fills/{fill_id}/wishes")
def list_wishes(
    hub: Acting, fill_id: str, token: Annotated[Count, Query()], paging: Paging, after: Annotated[Count, Query()] = 0
) -> Page[Wish]:
    """For the holder: the wishes behind number `after`, oldest first."""
    return page(hub.fills.wishes(fill_id, token, after), lambda item: (item.number,), paging)


@router.delete("/fills/{fill_id}")
def abandon(hub: Acting, fill_id: str) -> Abandoned:
    """End a fill whose holder is gone."""
    return Abandoned(left_bytes=hub.fills.abandon(fill_id))
