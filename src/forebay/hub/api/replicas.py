"""Replicas: what is on a volume, what is kept, what goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.errors import NotFoundError
from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Finite, Signed
from forebay.hub.api.versioned import Addressed
from forebay.wire.cache import EvictGrant, Replica

router = resource("replicas", "/volumes/{volume_id}/replicas")

_ONE = "/{dataset}/{number}"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """Who keeps a replica, why, and until when (0: until told otherwise)."""

    by: str
    reason: str
    until: Finite


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why it goes."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Held:
    """The fencing token of an eviction's holder, or of the replica that is meant."""

    token: Count


@dataclass(frozen=True, kw_only=True)
class Cancelled(Held):
    """Nothing could be moved away."""

    reason: str
    damaged: bool


@dataclass(frozen=True, kw_only=True)
class Gone(Held):
    """The files are gone."""

    freed_bytes: Signed


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file does not match its digest. With a `token` only the replica that has it is meant."""

    reason: str
    token: Count = 0


@dataclass(frozen=True, kw_only=True)
class Adopted(Held):
    """A complete tree was found that the records did not know."""

    fill_seconds: Finite


@router.get("")
def list_replicas(hub: Acting, volume_id: str, paging: Paging) -> Page[Replica]:
    """All replicas that are not absent, by dataset and number."""
    return page(hub.replicas.all(volume_id), lambda item: (item.dataset, item.number, item.subset), paging)


@router.get(_ONE)
def get_replica(hub: Acting, volume_id: str, version: Addressed) -> Replica:
    """One replica; 404 `not-cached` while it is absent."""
    found = hub.replicas.get(volume_id, version)
    if found is None:
        raise NotFoundError("not-cached", f"{version.ref} is not on this volume")
    return found


@router.put(_ONE)
def adopt(hub: Acting, volume_id: str, version: Addressed, adopted: Adopted) -> Replica:
    """Recover: put a replica into the records that the volume has."""
    return hub.replicas.adopt(volume_id, version, adopted.token, adopted.fill_seconds)


@router.delete(_ONE, status_code=204)
def forget(
    hub: Acting,
    volume_id: str,
    version: Addressed,
    reason: Annotated[str, Query(max_length=2000)],
    token: Annotated[Count, Query()] = 0,
) -> None:
    """Recover: take a replica out of the records that the volume has not."""
    hub.replicas.forget(volume_id, version, reason, token=token)


@router.put(_ONE + "/pin")
def pin(hub: Acting, volume_id: str, version: Addressed, pin: Pin) -> Replica:
    """Keep it."""
    return hub.replicas.pin(volume_id, version, pin.by, pin.reason, pin.until)


@router.delete(_ONE + "/pin")
def unpin(hub: Acting, volume_id: str, version: Addressed) -> Replica:
    """Take the pin away."""
    return hub.replicas.unpin(volume_id, version)


@router.put(_ONE + "/lake-confirmation", status_code=204)
def confirm_lake(hub: Acting, volume_id: str, version: Addressed) -> None:
    """The lake was seen, now, to hold every object."""
    hub.replicas.confirm_lake(volume_id, version)


@router.put(_ONE + "/verification", status_code=204)
def mark_verified(hub: Acting, volume_id: str, version: Addressed, held: Held) -> None:
    """Every file was found to be what the manifest says."""
    hub.replicas.mark_verified(volume_id, version, held.token)


@router.put(_ONE + "/damage")
def mark_damaged(hub: Acting, volume_id: str, version: Addressed, damage: Damage) -> Replica:
    """A file does not match its digest: no new lease until it is filled again."""
    return hub.replicas.mark_damaged(volume_id, version, damage.reason, token=damage.token)


@router.post(_ONE + "/eviction")
def begin_evict(hub: Acting, volume_id: str, version: Addressed, reason: Reason) -> EvictGrant:
    """Mark it `evicting`."""
    return hub.replicas.begin_evict(volume_id, version, reason.reason)


@router.put(_ONE + "/eviction", status_code=204)
def renew_evict(hub: Acting, volume_id: str, version: Addressed, held: Held) -> None:
    """Heartbeat of an eviction."""
    hub.replicas.renew_evict(volume_id, version, held.token)


@router.post(_ONE + "/eviction/abandonment", status_code=204)
def abandon_evict(hub: Acting, volume_id: str, version: Addressed, held: Held) -> None:
    """The holder can't go on half way: whoever comes next may at once."""
    hub.replicas.abandon_evict(volume_id, version, held.token)


@router.post(_ONE + "/eviction/cancellation", status_code=204)
def cancel_evict(hub: Acting, volume_id: str, version: Addressed, cancelled: Cancelled) -> None:
    """Nothing could be moved: it is ready (or damaged) again."""
    token, reason = cancelled.token, cancelled.reason
    hub.replicas.cancel_evict(volume_id, version, token, reason, damaged=cancelled.damaged)


@router.post(_ONE + "/eviction/done", status_code=204)
def finish_evict(hub: Acting, volume_id: str, version: Addressed, gone: Gone) -> None:
    """The files are gone."""
    hub.replicas.finish_evict(volume_id, version, gone.token, gone.freed_bytes)
