"""Sites as their users look at them: each with its volume's account, and how many versions and tasks it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.wire.cache import ReplicaState, Volume
from forebay.wire.hub import Hub
from forebay.wire.sites import SiteRecord, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOverview:
    """`volume` None: the hub has no account of it (yet). `ready` versions are there whole."""

    site: SiteRecord
    volume: Volume | None
    ready: int
    tasks: tuple[Task, ...]


def site_overviews(hub: Hub) -> list[SiteOverview]:
    """All sites, by name."""
    tasks = hub.sites.tasks()
    return [_overview(hub, record, tasks) for record in hub.sites.all()]


def site_overview(hub: Hub, site: str) -> SiteOverview:
    """One site; NotFoundError `site-not-found`."""
    return _overview(hub, hub.sites.get(site), hub.sites.tasks(site))


def _overview(hub: Hub, record: SiteRecord, tasks: list[Task]) -> SiteOverview:
    try:
        volume = hub.volumes.get(record.volume_id)
        states = Counter(item.state for item in hub.replicas.all(record.volume_id))
    except NotFoundError:
        volume, states = None, Counter()
    own = tuple(item for item in tasks if item.site == record.name)
    return SiteOverview(site=record, volume=volume, ready=states[ReplicaState.READY], tasks=own)
