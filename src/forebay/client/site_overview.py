"""Sites as their users look at them: each with its volume's account, its links, and how much is there and to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.wire.cache import ReplicaState, Volume
from forebay.wire.hub import Hub
from forebay.wire.links import LinkRecord
from forebay.wire.sites import SiteRecord, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOverview:
    """`volume` None: the hub has no account of it (yet). `ready` versions are there whole.

    `links` lead to it, the one to tell of first at the head: a lake's before a site's, measured before declared, the
    fastest. Only what the asker may know of is among them.
    """

    site: SiteRecord
    volume: Volume | None
    ready: int
    tasks: tuple[Task, ...]
    links: tuple[LinkRecord, ...] = ()


def site_overviews(hub: Hub) -> list[SiteOverview]:
    """All sites, by name."""
    tasks, links = hub.sites.tasks(), hub.links.all()
    return [_overview(hub, record, tasks, links) for record in hub.sites.all()]


def site_overview(hub: Hub, site: str) -> SiteOverview:
    """One site; NotFoundError `site-not-found`."""
    return _overview(hub, hub.sites.get(site), hub.sites.tasks(site), hub.links.all())


def _overview(hub: Hub, record: SiteRecord, tasks: list[Task], links: list[LinkRecord]) -> SiteOverview:
    try:
        volume = hub.volumes.get(record.volume_id)
        states = Counter(item.state for item in hub.replicas.all(record.volume_id))
    except NotFoundError:
        volume, states = None, Counter()
    own = tuple(item for item in tasks if item.site == record.name)
    leading = tuple(sorted((item for item in links if item.target == record.name), key=_rank))
    return SiteOverview(site=record, volume=volume, ready=states[ReplicaState.READY], tasks=own, links=leading)


def _rank(link: LinkRecord) -> tuple[bool, bool, float, str]:
    return "://" not in link.source, not link.measured_at, -link.bandwidth_bytes_s, link.source
