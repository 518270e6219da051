"""How full and how busy each site is: its volume's account, the versions ready there, the tasks and runs under way.

An account is the volume's own and told to everybody (`access.guarded_volumes`). What runs have of a site's compute is
the site's, and told to who may run: to them a placement tells it as well (`runs.explain`). All else counts only what
is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.rules import Action, Whole, decide
from forebay.hub.board.keep import Keep, nothing_kept
from forebay.hub.board.sight import Sight
from forebay.hub.board.site_work import busy_by_site, runs_by_site, tasks_by_site
from forebay.sites.site import Resources
from forebay.wire.cache import ReplicaState, VolumeState
from forebay.wire.sites import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A volume. `held_bytes` are used or reserved; `since` is when its health last changed, in Unix seconds."""

    volume_id: str
    limit_bytes: int
    used_bytes: int
    reserved_bytes: int
    state: VolumeState
    reason: str
    since: float

    @property
    def held_bytes(self) -> int:
        return self.used_bytes + self.reserved_bytes

    @property
    def free_bytes(self) -> int:
        return max(0, self.limit_bytes - self.held_bytes)

    @property
    def share(self) -> float:
        """Of the limit, between 0 and 1."""
        return min(1.0, self.held_bytes / self.limit_bytes) if self.limit_bytes > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLoad:
    """`account` None: the hub does not know the site's volume. `tasks` are those that have not ended, by kind.

    `busy` is what runs under way have of its compute, those that are not seen, too; None for who may not run.
    """

    account: Account | None = None
    ready: int = 0
    runs: int = 0
    busy: Resources | None = None
    tasks: Mapping[TaskKind, int] = field(default_factory=dict)

    @property
    def all_tasks(self) -> int:
        return sum(self.tasks.values())


def site_loads(
    connection: Connection, sight: Sight, volumes: Mapping[str, str], *, keep: Keep | None = None
) -> dict[str, SiteLoad]:
    """Of each site whose volume is named, by site."""
    accounts = accounts_of(connection, set(volumes.values()))
    keep, there = keep or nothing_kept(sight), tuple(sorted(volumes.values()))
    ready = keep("ready", there, lambda sight: _ready(connection, sight, there))
    runs, tasks, busy = runs_by_site(connection, sight), tasks_by_site(connection, sight), busy_at(connection, sight)
    return {
        site: SiteLoad(
            account=accounts.get(volume_id),
            ready=ready.get(volume_id, 0),
            runs=runs[site],
            busy=None if busy is None else busy.get(site, Resources()),
            tasks=tasks.get(site, {}),
        )
        for site, volume_id in volumes.items()
    }


def busy_at(connection: Connection, sight: Sight) -> dict[str, Resources] | None:
    """What runs under way have of the compute of each site where there are any; None for who may not run."""
    return busy_by_site(connection) if decide(sight.principal, Action.RUN, Whole()).allowed else None


def accounts_of(connection: Connection, volumes: Collection[str]) -> dict[str, Account]:
    """The accounts of these volumes, by id; those that the hub does not know are left out."""
    chosen = sorted(volumes)
    reserved = (
        sa.select(t.fill.c.volume_id, sa.func.sum(t.fill.c.reserved_bytes))
        .where(t.fill.c.volume_id.in_(chosen))
        .group_by(t.fill.c.volume_id)
    )
    set_aside = {volume_id: int(total) for volume_id, total in connection.execute(reserved)}
    rows = connection.execute(sa.select(t.volume).where(t.volume.c.volume_id.in_(chosen)))
    return {
        row.volume_id: Account(
            volume_id=row.volume_id,
            limit_bytes=row.limit_bytes,
            used_bytes=row.used_bytes,
            reserved_bytes=set_aside.get(row.volume_id, 0),
            state=VolumeState(row.state),
            reason=row.state_reason,
            since=row.state_since,
        )
        for row in rows
    }


def _ready(connection: Connection, sight: Sight, volumes: Collection[str]) -> dict[str, int]:
    query = (
        sa.select(t.replica.c.volume_id, sa.func.count())
        .where(t.replica.c.volume_id.in_(sorted(volumes)), t.replica.c.state == ReplicaState.READY.value)
        .group_by(t.replica.c.volume_id)
    )
    if not sight.sees_all:
        query = query.join(t.version, t.version.c.version_id == t.replica.c.version_id).join(
            t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id
        )
        query = sight.narrow(query, t.dataset.c.name)
    return {volume_id: int(number) for volume_id, number in connection.execute(query)}
