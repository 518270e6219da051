"""Recover as a person asks for it: also of a volume that belongs to another forebay, or that is really lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from forebay.cache.recover import Recovered
from forebay.cache.repair import plan_loss
from forebay.cache.volume import open_volume, take_over
from forebay.client.session import Session
from forebay.errors import ConflictError, UnavailableError
from forebay.fsio import Disk
from forebay.wire.hub import Hub

_LOST = "its volume was lost (recover --force)"


def mend(session: Session, *, dry_run: bool = False, force: bool = False, adopt: bool = False) -> Recovered:
    """Bring records and volume together again. `adopt` takes over a foreign volume; `force` gives up a lost one.

    DamagedError `brake`; what opening the volume raises.
    """
    lost: list[str] = []
    try:
        cache = session.cache
    except ConflictError as error:
        if error.kind != "volume-foreign" or not adopt or dry_run:
            raise
        take_over(session.settings.volume_root, session.hub.owner, Disk())
        cache = session.cache
    except UnavailableError as error:
        if error.kind != "volume-away" or not force or dry_run:
            raise
        lost = _give_up_volume(session)
        cache = session.cache
    return replace(cache.recover(force=force, dry_run=dry_run), lost=lost)


def _give_up_volume(session: Session) -> list[str]:
    """The folder of a known volume is empty for good: the volume begins anew there.

    What was ready is damaged now; pins, quotas and history stay. Should the old disk come back, recover adopts it.
    """
    root = session.settings.volume_root.absolute()
    lost = session.hub.volumes.at(str(root), session.host)
    if lost is None:
        open_volume(root, session.hub.owner, Disk(), now=session.clock.now())
        return []
    for fill in session.hub.fills.open_fills(lost.volume_id):
        session.hub.fills.abandon(fill.fill_id)
    added_bytes = session.hub.volumes.get(lost.volume_id).added_bytes
    # Nothing is given up where no volume can begin.
    open_volume(root, session.hub.owner, Disk(), now=session.clock.now(), volume_id=lost.volume_id)
    damaged = _give_up_records(session.hub, lost.volume_id)
    session.hub.volumes.set_used_bytes(lost.volume_id, 0, added_bytes)
    return damaged


def _give_up_records(hub: Hub, volume_id: str) -> list[str]:
    """The refs that are damaged now. What somebody fills anew meanwhile is left alone."""
    loss = plan_loss(hub.replicas.all(volume_id))
    damaged: list[str] = []
    for replica in loss.damaged:
        with suppress(ConflictError):
            hub.replicas.mark_damaged(volume_id, hub.catalog.resolve(replica.ref), _LOST, token=replica.token)
            damaged.append(replica.ref)
    for replica in loss.forget:
        with suppress(ConflictError):
            hub.replicas.forget(volume_id, hub.catalog.resolve(replica.ref), _LOST, token=replica.token)
    return damaged
