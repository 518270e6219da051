"""Leases: who uses a replica now."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.hub.api.acting import Acting, Asking
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.versioned import OfVersion
from forebay.wire.cache import Holder, Lease

router = resource("leases")


@dataclass(frozen=True, kw_only=True)
class NewLease(OfVersion):
    """Somebody wants to use a ready replica."""

    holder: Holder


@router.post("/volumes/{volume_id}/leases", status_code=201)
async def take_lease(asker: Asking, volume_id: str, wanted: NewLease) -> Lease:
    """Use a ready replica."""
    return await asker.does(lambda hub: hub.leases.take(volume_id, wanted.found(hub), wanted.holder), to_write=True)


@router.get("/volumes/{volume_id}/leases")
def list_leases(hub: Acting, volume_id: str, paging: Paging) -> Page[Lease]:
    """Leases that have not expired, the oldest first."""
    return page(hub.leases.live(volume_id), lambda item: (item.granted_at, item.lease_id), paging)


@router.get("/volumes/{volume_id}/leases/lapsed")
def list_lapsed_leases(hub: Acting, volume_id: str, paging: Paging) -> Page[Lease]:
    """Leases that ran out within the last week and were never given back, the oldest first."""
    return page(hub.leases.lapsed(volume_id), lambda item: (item.granted_at, item.lease_id), paging)


@router.put("/leases/{lease_id}")
async def renew_lease(asker: Asking, lease_id: str) -> Lease:
    """Heartbeat."""
    return await asker.does(lambda hub: hub.leases.renew(lease_id), to_write=True)


@router.delete("/leases/{lease_id}", status_code=204)
async def release_lease(asker: Asking, lease_id: str) -> None:
    """End a lease. Idempotent."""
    await asker.does(lambda hub: hub.leases.release(lease_id), to_write=True)
