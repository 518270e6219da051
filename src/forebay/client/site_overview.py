"""Sites as their users look at them: each with its volume's account, its links, and how much is there and to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from forebay.errors import NotFoundError
from forebay.wire.cache import ReplicaState, Volume
from forebay.wire.downtimes import Downtime
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
    downtimes: tuple[Downtime, ...] = ()


def site_overviews(hub: Hub) -> list[SiteOverview]:
    """All sites, by name."""
    tasks, links, downtimes = hub.sites.tasks(), hub.links.all(), hub.downtimes.all()
    return [_overview(hub, record, tasks, links, downtimes) for record in hub.sites.all()]


def site_overview(hub: Hub, site: str) -> SiteOverview:
    """One site; NotFoundError `site-not-found`."""
    return _overview(hub, hub.sites.get(site), hub.sites.tasks(site), hub.links.all(), hub.downtimes.all(site))


def _overview(
    hub: Hub, record: SiteRecord, tasks: list[Task], links: list[LinkRecord], downtimes: list[Downtime]
) -> SiteOverview:
    try:
        volume = hub.volumes.get(record.volume_id)
        states = Counter(item.state for item in hub.replicas.all(record.volume_id))
    except NotFoundError:
        volume, states = None, Counter()
    own = tuple(item for item in tasks if item.site == record.name)
    return SiteOverview(
        site=record,
        volume=volume,
        ready=states[ReplicaState.READY],
        tasks=own,
        links=tuple(sorted((item for item in links if item.target == record.name), key=_rank)),
        downtimes=tuple(item for item in downtimes if item.site == record.name),
    )


def _rank(link: LinkRecord) -> tuple[bool, bool, float, str]:
    return "://" not in link.source, not link.measured_at, -link.bandwidth_bytes_s, link.source
