"""What an admin should look at, as the hub's records tell it; beside the doctor's findings on the hub's own machine.

For admins alone: findings name sites, volumes and counts of what is hidden from others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay import words
from forebay.catalog import schema as t
from forebay.hub.access.rules import Action, Whole, decide
from forebay.hub.board.sight import Sight
from forebay.wire.cache import ReplicaState, VolumeState
from forebay.wire.sites import SiteRecord, SiteState

FULL = 0.95
"""A volume that holds more of its limit is told of."""

SOON_S = 7 * 86400.0
"""An agent's token that ends within so long is told of."""

TRIES = 3
"""A task that failed so often is told of."""


class Severity(StrEnum):
    """A `fault` stops something from working; a `warning` will, or makes it slow; a `note` is good to know."""

    FAULT = "fault"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`check` is what was looked at, `kind` a stable word; `mend` says what to do. `href` is the page to look at."""

    check: str
    kind: str
    severity: Severity
    message: str
    mend: str
    href: str = ""


def findings(
    connection: Connection, sight: Sight, sites: Sequence[SiteRecord], release: str, now: float
) -> list[Finding]:
    """All of them, the worst first; `release` is the hub's own."""
    if not decide(sight.principal, Action.MANAGE, Whole()).allowed:
        return []
    found = [
        *of_sites(sites, release),
        *_volumes(connection),
        *_damaged(connection),
        *_tasks(connection),
        *_tokens(connection, now),
    ]
    order = list(Severity)
    return sorted(found, key=lambda item: (order.index(item.severity), item.check, item.message))


def of_sites(sites: Iterable[SiteRecord], release: str) -> list[Finding]:
    """Sites that are not up though they are wanted so, and agents of another release; pure."""
    found = []
    for site in sites:
        href = f"/sites/{site.name}"
        if site.state is not site.wanted and site.state in (SiteState.DOWN, SiteState.DEGRADED):
            severity = Severity.FAULT if site.state is SiteState.DOWN else Severity.WARNING
            mend = "Look at its agent and its volume: on its machine, forebay doctor"
            found.append(
                _finding(
                    "sites", f"site-{site.state}", severity, f"{site.name} is {site.state}: {site.reason}", mend, href
                )
            )
        if site.release and _minor(site.release) != _minor(release):
            mend = "Bring the older one up: the hub first, then the agents."
            message = f"the agent of {site.name} is of release {site.release}, this hub of {release}"
            found.append(_finding("agents", "release-skew", Severity.WARNING, message, mend, href))
    return found


def _volumes(connection: Connection) -> Iterable[Finding]:
    reserved = (
        sa.select(sa.func.coalesce(sa.func.sum(t.fill.c.reserved_bytes), 0))
        .where(t.fill.c.volume_id == t.volume.c.volume_id)
        .scalar_subquery()
        .label("reserved_bytes")
    )
    query = sa.select(t.volume, t.volume_site.c.site, reserved).outerjoin(
        t.volume_site, t.volume_site.c.volume_id == t.volume.c.volume_id
    )
    for row in connection.execute(query):
        place = row.site or row.volume_id
        href = f"/sites/{row.site}" if row.site else ""
        held = row.used_bytes + int(row.reserved_bytes)
        if row.state != VolumeState.NORMAL:
            severity = Severity.FAULT if row.state == VolumeState.DOWN else Severity.WARNING
            message = f"the volume of {place} is {row.state}: {row.state_reason}"
            yield _finding("volumes", f"volume-{row.state}", severity, message, "Look at its disk and its mount.", href)
        if row.limit_bytes > 0 and held > FULL * row.limit_bytes:
            message = f"the volume of {place} holds {held / row.limit_bytes:.0%} of {words.size(row.limit_bytes)}"
            mend = "What is pinned or in use stays: unpin some, or give it a higher limit."
            yield _finding("volumes", "volume-full", Severity.WARNING, message, mend, href)


def _damaged(connection: Connection) -> Iterable[Finding]:
    damaged = sa.select(sa.func.count()).select_from(t.replica).where(t.replica.c.state == ReplicaState.DAMAGED.value)
    number = int(connection.execute(damaged).scalar_one())
    if number:
        message = f"{words.count(number, 'replica')} with files that failed their digests"
        mend = "Each is filled again when somebody wants it; more than a few on one volume: look at its disk."
        yield _finding("replicas", "replicas-damaged", Severity.WARNING, message, mend, "/cache")


def _tasks(connection: Connection) -> Iterable[Finding]:
    query = (
        sa.select(t.task.c.site, sa.func.count(), sa.func.min(t.task.c.last_error))
        .where(t.task.c.open_key.is_not(None), t.task.c.failures >= TRIES)
        .group_by(t.task.c.site)
    )
    for site, number, error in connection.execute(query):
        message = (
            f"{words.count(int(number), 'task')} at {site} failed {TRIES} times or more: {error.partition(chr(10))[0]}"
        )
        mend = "The site's page has each with what would unblock it."
        yield _finding("tasks", "tasks-failing", Severity.WARNING, message, mend, f"/sites/{site}")


def _tokens(connection: Connection, now: float) -> Iterable[Finding]:
    """A site's agent whose last token that holds ends soon."""
    until = sa.func.max(sa.case((t.token.c.expires_at == 0, now + 10 * SOON_S), else_=t.token.c.expires_at))
    query = (
        sa.select(t.token.c.site, until)
        .join(t.site, sa.and_(t.site.c.name == t.token.c.site, t.site.c.removed_at == 0))
        .where(t.token.c.site != "", t.token.c.revoked_at == 0, t.token.c.last_used_at > 0)
        .group_by(t.token.c.site)
    )
    for site, ends_at in connection.execute(query):
        if ends_at <= now + SOON_S:
            told = f"ends in {words.duration(ends_at - now)}" if ends_at > now else "has ended"
            mend = f"Make the next one, and give it to that agent: forebay token make --site {site}"
            severity = Severity.WARNING if ends_at > now else Severity.FAULT
            yield _finding(
                "tokens", "token-ends", severity, f"the token of the agent of {site} {told}", mend, "/admin/tokens"
            )


def _finding(check: str, kind: str, severity: Severity, message: str, mend: str, href: str = "") -> Finding:
    return Finding(check=check, kind=kind, severity=severity, message=message, mend=mend, href=href)


def _minor(release: str) -> list[str]:
    return release.split(".")[:2]
