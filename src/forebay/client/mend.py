"""Recover as a person asks for it: also of a volume that belongs to another forebay, or that is really lost."""

from __future__ import annotations

from forebay.cache.recover import Recovered
from forebay.cache.volume import open_volume, take_over
from forebay.client.session import Session
from forebay.errors import ConflictError, UnavailableError
from forebay.fsio import Disk


def mend(session: Session, *, dry_run: bool = False, force: bool = False, adopt: bool = False) -> Recovered:
    """Bring records and volume together again. `adopt` takes over a foreign volume; `force` gives up a lost one.

    DamagedError `brake`; what opening the volume raises.
    """
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
        _give_up_volume(session)
        cache = session.cache
    return cache.recover(force=force, dry_run=dry_run)


def _give_up_volume(session: Session) -> None:
    """The folder of a known volume is empty for good: a new volume begins there, and the old one's records go."""
    root = session.settings.volume_root.absolute()
    lost = session.hub.volumes.at(str(root), session.host)
    open_volume(root, session.hub.owner, Disk(), now=session.clock.now())
    if lost is None:
        return
    for fill in session.hub.fills.open_fills(lost.volume_id):
        session.hub.fills.abandon(fill.fill_id)
    for replica in session.hub.replicas.all(lost.volume_id):
        version = session.hub.catalog.resolve(replica.ref)
        session.hub.replicas.forget(lost.volume_id, version, "its volume was lost (recover --force)")
    session.hub.volumes.set_used_bytes(lost.volume_id, 0)
