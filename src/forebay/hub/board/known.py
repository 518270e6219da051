"""What the records have of some versions at all places at once: replicas, fills, leases, pins, rules, open tasks.

As many questions for a page of versions as for one. Whoever calls has seen to it that the versions may be known of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.machine import Terms, is_held
from forebay.catalog import schema as t
from forebay.hub import rows, rule_rows
from forebay.hub.access.jobs import without
from forebay.hub.board.sight import Sight
from forebay.hub.board.standing import Errand, Filling, Known
from forebay.sites import rules
from forebay.sites.tasks import RULES, RUNS
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ref_of
from forebay.wire.sites import TaskKind, TaskState

Key = tuple[str, int]
"""A dataset's name, and the number of one of its versions."""

_MOST_SUBSETS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version. `sites` are those where its bytes may be (none: anywhere); `parts` are its subsets that are, or shall
    be, at any place. `at` has all of them by volume: what is not in there is absent.
    """

    dataset: str
    number: int
    size_bytes: int
    files: int
    lake_url: str
    owner: str
    team: str
    created_at: float
    retired: bool
    release_at: float
    stale_after_s: float | None
    sites: frozenset[str]
    tags: tuple[str, ...]
    at: Mapping[str, tuple[Known, ...]]

    @property
    def ref(self) -> str:
        return ref_of(self.dataset, self.number)

    def whole(self, volume_id: str) -> Known:
        """The version itself at a place."""
        found = next((item for item in self.at.get(volume_id, ()) if not item.subset), None)
        return found or Known(
            ref=self.ref,
            subset="",
            selection="",
            size_bytes=self.size_bytes,
            files=self.files,
            volume_id=volume_id,
            stale_after_s=self.stale_after_s,
            release_at=self.release_at,
        )

    def parts(self, volume_id: str) -> tuple[Known, ...]:
        """Its subsets that are there, or that somebody wants there."""
        return tuple(item for item in self.at.get(volume_id, ()) if item.subset)

    @property
    def last_used_at(self) -> float:
        """0 where it is nowhere."""
        return max((item.last_used_at for items in self.at.values() for item in items if item.is_there), default=0.0)

    @property
    def users(self) -> tuple[str, ...]:
        """Who uses it now, anywhere."""
        return tuple(sorted({user for items in self.at.values() for item in items for user in item.users}))

    def may_be_at(self, site: str) -> bool:
        """Whether its policy lets its bytes be there."""
        return not self.sites or site in self.sites


def versions(
    connection: Connection, sight: Sight, keys: Sequence[Key], at: Mapping[str, str], now: float
) -> list[Version]:
    """The versions of those keys, in their order, at the volumes of `at`, which names their sites; about eight queries.

    One that is hidden, or that is no more, is left out.
    """
    found = _lines(connection, sight, keys)
    ids = {row["version_id"]: row for row in found}
    there = _known(connection, sight, ids, at, now)
    tags = _tags(connection, ids)
    wholes = {(row["name"], row["number"]): row for row in found if not row["subset"]}
    by_key: dict[Key, dict[str, list[Known]]] = defaultdict(lambda: defaultdict(list))
    for (version_id, volume_id), known in there.items():
        row = ids[version_id]
        by_key[row["name"], row["number"]][volume_id].append(known)
    return [
        _version(wholes[key], tags.get(wholes[key]["version_id"], ()), by_key.get(key, {}))
        for key in keys
        if key in wholes
    ]


def _version(row: Any, tags: tuple[str, ...], at: Mapping[str, list[Known]]) -> Version:
    return Version(
        dataset=row["name"],
        number=row["number"],
        size_bytes=row["size_bytes"],
        files=row["files"],
        lake_url=row["lake_url"],
        owner=row["owner"],
        team=row["team"],
        created_at=row["created_at"],
        retired=bool(row["retired_at"]),
        release_at=row["release_at"],
        stale_after_s=row["stale_after_s"],
        sites=frozenset((row["sites"] or "").split()),
        tags=tags,
        at={volume_id: tuple(sorted(items, key=lambda item: item.subset)) for volume_id, items in at.items()},
    )


def _lines(connection: Connection, sight: Sight, keys: Sequence[Key]) -> list[Any]:
    """The rows of the versions and of those subsets that are somewhere, or that a task names."""
    if not keys:
        return []
    is_somewhere = sa.select(t.replica.c.version_id).where(t.replica.c.version_id == t.version.c.version_id).exists()
    named = t.task.c.ref == t.dataset.c.name + "@v" + sa.cast(t.version.c.number, sa.String) + "[" + (
        t.version.c.subset + "]"
    )
    is_wanted = sa.select(t.task.c.task_id).where(t.task.c.open_key.is_not(None), named).exists()
    query = (
        sa.select(
            t.version.c.version_id,
            t.version.c.number,
            t.version.c.subset,
            t.version.c.selection,
            t.version.c.size_bytes,
            t.version.c.files,
            t.version.c.lake_url,
            t.version.c.created_at,
            t.version.c.retired_at,
            t.version.c.release_at,
            t.dataset.c.name,
            t.dataset.c.owner,
            t.dataset.c.team,
            t.dataset.c.stale_after_s,
            t.dataset_policy.c.sites,
        )
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .outerjoin(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.removed_at == 0)
        .where(t.dataset.c.name.in_(sorted({name for name, _ in keys})))
        .where(sa.tuple_(t.dataset.c.name, t.version.c.number).in_(keys))
        .where(sa.or_(t.version.c.subset == "", is_somewhere, is_wanted))
        .order_by(t.version.c.subset)
        .limit(len(keys) + _MOST_SUBSETS)
    )
    return list(connection.execute(sight.narrow(query, t.dataset.c.name)).mappings())


def _known(
    connection: Connection, sight: Sight, ids: Mapping[int, Any], at: Mapping[str, str], now: float
) -> dict[tuple[int, str], Known]:
    if not ids or not at:
        return {}
    volumes, keys = sorted(at), sorted(ids)
    replicas = {(row["version_id"], row["volume_id"]): row for row in _at(connection, t.replica, volumes, keys)}
    fills = {(row["version_id"], row["volume_id"]): row for row in _at(connection, t.fill, volumes, keys)}
    users = _users(connection, volumes, keys, now)
    held = _held(connection, volumes, keys, now)
    errands = _errands(connection, sight, ids, at)
    return {
        key: _one(key, ids[key[0]], replicas.get(key), fills.get(key), users.get(key, ()), held.get(key),
                  errands.get(key, ()), sight, now)
        for key in replicas.keys() | errands.keys()
    }  # fmt: skip


def _at(connection: Connection, table: sa.Table, volumes: Sequence[str], keys: Sequence[int]) -> Iterable[Any]:
    here = (table.c.version_id.in_(keys), table.c.volume_id.in_(volumes))
    return connection.execute(sa.select(table).where(*here)).mappings()


def _users(
    connection: Connection, volumes: Sequence[str], keys: Sequence[int], now: float
) -> dict[tuple[int, str], tuple[str, ...]]:
    """One for each live lease."""
    c = t.lease.c
    query = (
        sa.select(c.version_id, c.volume_id, c.holder_user)
        .where(c.volume_id.in_(volumes), c.version_id.in_(keys), c.expires_at > now)
        .order_by(c.granted_at)
    )
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.version_id, row.volume_id].append(row.holder_user)
    return {key: tuple(users) for key, users in found.items()}


def _held(
    connection: Connection, volumes: Sequence[str], keys: Sequence[int], now: float
) -> dict[tuple[int, str], tuple[str, str, float]]:
    """What rules keep: by which one, what that says, until when; of several, the one with the least id speaks."""
    query = (
        sa.select(t.rule_hold.c.version_id, t.rule_hold.c.volume_id, t.rule)
        .join(t.rule, t.rule.c.rule_id == t.rule_hold.c.rule_id)
        .where(t.rule_hold.c.volume_id.in_(volumes), t.rule_hold.c.version_id.in_(keys), rule_rows.is_in_force(now))
        .order_by(t.rule.c.rule_id.desc())
    )
    return {
        (row.version_id, row.volume_id): (
            f"{RULES}{row.rule_id}",
            rules.told(row.ref, newest=row.newest, at=row.expression, owner=row.owner),
            row.until,
        )
        for row in connection.execute(query)
    }


def _errands(
    connection: Connection, sight: Sight, ids: Mapping[int, Any], at: Mapping[str, str]
) -> dict[tuple[int, str], tuple[Errand, ...]]:
    by_ref = {ref_of(row["name"], row["number"], row["subset"]): key for key, row in ids.items()}
    by_site = {site: volume_id for volume_id, site in at.items() if site}
    query = (
        sa.select(t.task)
        .where(t.task.c.open_key.is_not(None), t.task.c.ref.in_(sorted(by_ref)))
        .order_by(t.task.c.created_at)
    )
    found: dict[tuple[int, str], list[Errand]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        if row["site"] in by_site:
            found[by_ref[row["ref"]], by_site[row["site"]]].append(errand_of(row, sight))
    return {key: tuple(items) for key, items in found.items()}


def errand_of(row: Any, sight: Sight) -> Errand:
    """A row of `task`, without what its texts tell of hidden datasets. Which run wants it, the run's page says."""
    hidden = sight.hidden
    return Errand(
        task_id=row["task_id"],
        kind=TaskKind(row["kind"]),
        state=TaskState(row["state"]),
        reason=without(row["reason"], hidden, "others are before it"),
        asked_by="a run" if row["asked_by"].startswith(RUNS) else row["asked_by"],
        failures=row["failures"],
        next_try_at=row["next_try_at"],
        last_error=without(row["last_error"], hidden),
        unblock=without(row["unblock"], hidden),
    )


def _tags(connection: Connection, ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    query = sa.select(t.tag.c.version_id, t.tag.c.name).where(t.tag.c.version_id.in_(sorted(ids)))
    found: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(query.order_by(t.tag.c.name)):
        found[row.version_id].append(row.name)
    return {key: tuple(names) for key, names in found.items()}


def _one(
    key: tuple[int, str],
    version: Any,
    replica: Any,
    fill: Any,
    users: tuple[str, ...],
    held: tuple[str, str, float] | None,
    errands: tuple[Errand, ...],
    sight: Sight,
    now: float,
) -> Known:
    about: dict[str, Any] = {}
    if replica is not None:
        about = {
            "state": ReplicaState(replica["state"]),
            "reason": without(replica["reason"], sight.hidden, "others are before it"),
            **{name: replica[name] for name in _OF_REPLICA},
        }
        if rows.is_pinned(replica, now):
            about |= {name: replica[name] for name in ("pinned_by", "pin_reason", "pin_until")}
        elif held is not None:
            about |= {"pinned_by": held[0], "pin_reason": held[1], "pin_until": held[2], "by_rule": True}
    return Known(
        ref=ref_of(version["name"], version["number"], version["subset"]),
        subset=version["subset"],
        selection=version["selection"],
        size_bytes=version["size_bytes"],
        files=version["files"],
        volume_id=key[1],
        stale_after_s=version["stale_after_s"],
        release_at=version["release_at"],
        users=tuple(dict.fromkeys(users)),
        leases=len(users),
        fill=None if fill is None or replica is None else filling(fill, now),
        errands=errands,
        **about,
    )


_OF_REPLICA = (
    "since",
    "last_used_at",
    "verified_at",
    "lake_confirmed_at",
    "attempts",
    "fill_bytes",
    "fill_seconds",
)


def filling(fill: Any, now: float) -> Filling:
    """A row of `fill`."""
    return Filling(
        done_bytes=fill["present_bytes"] + fill["moved_bytes"],
        total_bytes=fill["total_bytes"],
        moved_bytes=fill["moved_bytes"],
        rate_bytes_s=fill["rate_bytes_s"],
        started_at=fill["started_at"],
        told_at=fill["told_at"],
        is_held=is_held(fill["expires_at"], now, Terms().hold_seconds),
        by=fill["holder_user"],
    )
