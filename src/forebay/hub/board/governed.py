"""What is set of datasets: policies, retention; and the teams' quotas of volumes. Lists for who governs.

Of a hidden dataset there is no row, and of its size no byte in a sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.hub.access.policies import policy_of
from forebay.hub.board.sight import Sight
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import ReplicaState
from forebay.wire.retention import RetentionPolicy

_HELD = tuple(state.value for state in (ReplicaState.READY, ReplicaState.DAMAGED, ReplicaState.EVICTING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Governed:
    """A dataset with its policy."""

    dataset: str
    owner: str
    team: str
    policy: DatasetPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dataset whose old versions go. `live` and `retired` count its versions; `checked_at` 0: nobody looked yet."""

    policy: RetentionPolicy
    live: int
    retired: int
    checked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamHold:
    """A team on a volume. `held_bytes` adds its versions up; what two of them share counts twice here.

    `limit_bytes` None: it has no quota there.
    """

    volume_id: str
    site: str
    team: str
    held_bytes: int
    versions: int
    limit_bytes: int | None

    @property
    def share(self) -> float:
        """How much of its quota is taken, of 1; more where it is over it. Of none 0."""
        if self.limit_bytes is None:
            return 0.0
        return self.held_bytes / self.limit_bytes if self.limit_bytes else float(self.held_bytes > 0)


def policies(
    connection: Connection, sight: Sight, *, words: str = "", after: str = "", limit: int = 100
) -> list[Governed]:
    """The datasets with a policy, by name, whose name has those letters and comes after another."""
    query = _datasets().join(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
    query = query.add_columns(*(t.dataset_policy.c[name] for name in _POLICY))
    rows = connection.execute(_page(query, sight, words, after, limit)).mappings()
    return [_governed(row) for row in rows]


def open_datasets(connection: Connection, sight: Sight) -> int:
    """How many datasets have no policy: whoever is on the hub may read them."""
    query = (
        sa.select(sa.func.count())
        .select_from(t.dataset)
        .outerjoin(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.removed_at == 0, t.dataset_policy.c.dataset_id.is_(None))
    )
    return int(connection.execute(sight.narrow(query, t.dataset.c.name)).scalar_one())


def retentions(
    connection: Connection, sight: Sight, *, words: str = "", after: str = "", limit: int = 100
) -> list[Kept]:
    """The datasets that do not keep all their versions, by name."""
    query = _datasets().join(t.retention, t.retention.c.dataset_id == t.dataset.c.dataset_id)
    query = query.add_columns(*(t.retention.c[name] for name in _RETENTION))
    rows = connection.execute(_page(query, sight, words, after, limit)).mappings().all()
    counted = _versions(connection, [row["dataset_id"] for row in rows])
    return [
        Kept(
            policy=RetentionPolicy(
                dataset=row["name"],
                keep_last=row["keep_last"],
                keep_days=row["keep_days"],
                set_by=row["set_by"],
                set_at=row["set_at"],
            ),
            live=counted[row["dataset_id"]][0],
            retired=counted[row["dataset_id"]][1],
            checked_at=row["checked_at"],
        )
        for row in rows
    ]


def policy_count(connection: Connection, sight: Sight) -> int:
    """How many datasets have a policy."""
    return _count(connection, sight, t.dataset_policy)


def retention_count(connection: Connection, sight: Sight) -> int:
    """How many datasets do not keep all their versions."""
    return _count(connection, sight, t.retention)


def quota_count(connection: Connection, sight: Sight) -> int:
    """How many quotas there are; for others than admins of their own teams."""
    query = sa.select(sa.func.count()).select_from(t.quota)
    if not sight.sees_all:
        query = query.where(t.quota.c.team.in_(sorted(sight.teams)))
    return int(connection.execute(query).scalar_one())


def team_holds(connection: Connection, sight: Sight) -> list[TeamHold]:
    """What teams hold of volumes, and their quotas there, by site and team; for others than admins their own teams'."""
    return _holds(connection, sight, connection.execute(sa.select(t.quota)).all(), None)


def near_quota(connection: Connection, sight: Sight) -> list[TeamHold]:
    """As `team_holds`, of those with a quota anywhere and of one's own teams alone; the fullest first, those without a
    quota at the end.
    """
    quotas = connection.execute(sa.select(t.quota)).all()
    teams = {*sight.teams, *(row.team for row in quotas if sight.sees_all)}
    found = _holds(connection, sight, quotas, teams) if teams else []
    return sorted(found, key=lambda item: (item.limit_bytes is None, -item.share, item.site, item.team))


def _holds(connection: Connection, sight: Sight, quotas: Sequence[Any], teams: set[str] | None) -> list[TeamHold]:
    """Of those teams, or of all."""
    query = (
        sa.select(
            t.replica.c.volume_id,
            t.dataset.c.team,
            sa.func.sum(t.version.c.size_bytes).label("held_bytes"),
            sa.func.count().label("versions"),
        )
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.replica.c.state.in_(_HELD), t.dataset.c.team != "")
        .group_by(t.replica.c.volume_id, t.dataset.c.team)
    )
    if teams is not None:
        query = query.where(t.dataset.c.team.in_(sorted(teams)))
    held = {(row.volume_id, row.team): row for row in connection.execute(sight.narrow(query, t.dataset.c.name))}
    limits = {(row.volume_id, row.team): row.limit_bytes for row in quotas}
    sites = {row.volume_id: row.site for row in connection.execute(sa.select(t.volume_site))}
    found = [
        TeamHold(
            volume_id=volume_id,
            site=sites.get(volume_id, ""),
            team=team,
            held_bytes=int(held[volume_id, team].held_bytes) if (volume_id, team) in held else 0,
            versions=held[volume_id, team].versions if (volume_id, team) in held else 0,
            limit_bytes=limits.get((volume_id, team)),
        )
        for volume_id, team in {*held, *limits}
        if sight.sees_all or team in sight.teams
    ]
    return sorted(found, key=lambda item: (item.site or item.volume_id, item.team))


_POLICY = ("read_teams", "write_teams", "run_teams", "sites", "set_by", "set_at")
_RETENTION = ("keep_last", "keep_days", "set_by", "set_at", "checked_at")


def _count(connection: Connection, sight: Sight, table: sa.Table) -> int:
    joined = sa.select(sa.func.count()).select_from(t.dataset).join(table, table.c.dataset_id == t.dataset.c.dataset_id)
    query = sight.narrow(joined.where(t.dataset.c.removed_at == 0), t.dataset.c.name)
    return int(connection.execute(query).scalar_one())


def _datasets() -> sa.Select[Any]:
    return sa.select(t.dataset.c.dataset_id, t.dataset.c.name, t.dataset.c.owner, t.dataset.c.team).where(
        t.dataset.c.removed_at == 0
    )


def _page(query: sa.Select[Any], sight: Sight, words: str, after: str, limit: int) -> sa.Select[Any]:
    if words:
        query = query.where(t.dataset.c.name.contains(words, autoescape=True))
    if after:
        query = query.where(t.dataset.c.name > after)
    return sight.narrow(query, t.dataset.c.name).order_by(t.dataset.c.name).limit(limit)


def _governed(row: Any) -> Governed:
    return Governed(dataset=row["name"], owner=row["owner"], team=row["team"], policy=policy_of(row, row["name"]))


def _versions(connection: Connection, ids: list[int]) -> dict[int, tuple[int, int]]:
    """Of each dataset, how many whole versions are live, and how many are retired."""
    query = (
        sa.select(
            t.version.c.dataset_id,
            sa.func.sum(sa.case((t.version.c.retired_at == 0, 1), else_=0)),
            sa.func.sum(sa.case((t.version.c.retired_at != 0, 1), else_=0)),
        )
        .where(t.version.c.dataset_id.in_(ids), t.version.c.subset == "")
        .group_by(t.version.c.dataset_id)
    )
    found: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for key, live, retired in connection.execute(query):
        found[key] = (int(live), int(retired))
    return found
