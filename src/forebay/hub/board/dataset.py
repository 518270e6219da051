"""One dataset: its head, and its versions as a timeline with tags, use and where each is cached.

A page of versions takes a fixed number of queries. What is not there and what is hidden is one error.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import check_dataset_name
from forebay.catalog.records import LIVE, WHOLE, load_versions, no_dataset
from forebay.errors import NotFoundError
from forebay.hub.access.policies import policy_of
from forebay.hub.board.sight import Sight
from forebay.hub.ledger import IS_USE
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Dataset, Version, ref_of

PAGE = 50
NAMED = 500
_NEAREST = 2000
_DAY_S = 86_400.0
_POLICY = tuple(column for column in t.dataset_policy.c if column.name != "dataset_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A version, or a subset of it, on a volume of a site ("" for none); `in_use` leases are on it now.

    `done_bytes` of a fill under way.
    """

    site: str
    volume_id: str
    subset: str
    state: ReplicaState
    since: float
    size_bytes: int
    is_pinned: bool
    in_use: int
    done_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLine:
    """One version of the timeline. `grew_bytes` is against the version before it (None: it is the first).

    `uses` counts openings, of subsets too; `last_used_at` is 0 for never.
    """

    version: Version
    grew_bytes: int | None
    uses: int
    last_used_at: float
    places: tuple[Place, ...]
    subsets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Versions, newest first; `next_before` is the number to go on from (0: that was all)."""

    lines: tuple[VersionLine, ...]
    next_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A dataset, and what all its versions come to. `retired` of them are used no more. `policy`: who may."""

    dataset: Dataset
    policy: DatasetPolicy
    retired: int
    all_bytes: int
    last_used_at: float
    sites: tuple[str, ...]
    tags: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayOfUse:
    """How often any version was opened in a day that begins then, in UTC."""

    begins_at: float
    uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOfIt:
    """Somebody who opened it."""

    user: str
    uses: int
    last_used_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Days, the oldest first, and who opened it most in them."""

    days: tuple[DayOfUse, ...]
    users: tuple[UserOfIt, ...]


def require(connection: Connection, sight: Sight, name: str) -> int:
    """The row of a dataset that may be known of; NotFoundError `dataset-not-found`, InputError `bad-name`."""
    check_dataset_name(name)
    query = sa.select(t.dataset.c.dataset_id).where(t.dataset.c.name == name, t.dataset.c.removed_at == 0)
    found = connection.execute(query).scalar() if sight.sees(name) else None
    if found is None:
        known = sa.select(t.dataset.c.name).where(t.dataset.c.removed_at == 0).limit(_NEAREST)
        raise no_dataset(name, connection.execute(sight.narrow(known, t.dataset.c.name)).scalars())
    return int(found)


def version(connection: Connection, sight: Sight, name: str, number: int) -> Version:
    """One version; NotFoundError `dataset-not-found`, `version-not-found`. Hidden parents are not among its own."""
    here = (t.version.c.dataset_id == require(connection, sight, name), t.version.c.number == number)
    found = load_versions(connection, *here, WHOLE)
    if not found:
        raise _no_version(name, number)
    return shown(sight, found)[0]


def shown(sight: Sight, versions: Sequence[Version]) -> list[Version]:
    """Versions without the parents that are hidden."""
    if sight.sees_all:
        return list(versions)
    return [_without_hidden(sight, item) for item in versions]


def head(connection: Connection, sight: Sight, name: str) -> Head:
    """A dataset in sum; errors as `require`."""
    owner = require(connection, sight, name)
    of_it = (t.version.c.dataset_id == owner, WHOLE)
    counted = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(sa.case((LIVE, 0), else_=1)), 0),
            sa.func.coalesce(sa.func.sum(t.version.c.size_bytes), 0),
        ).where(*of_it)
    ).one()
    used = connection.execute(sa.select(sa.func.max(t.use.c.at)).where(t.use.c.dataset == name)).scalar()
    sites = (
        sa.select(t.volume_site.c.site)
        .join(t.replica, t.replica.c.volume_id == t.volume_site.c.volume_id)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .where(t.version.c.dataset_id == owner, t.replica.c.state == ReplicaState.READY.value)
        .distinct()
        .order_by(t.volume_site.c.site)
    )
    tags = (
        sa.select(t.tag.c.name, t.version.c.number)
        .join(t.version, t.version.c.version_id == t.tag.c.version_id)
        .where(t.tag.c.dataset_id == owner)
        .order_by(t.tag.c.name)
    )
    dataset, policy = _dataset(connection, owner)
    return Head(
        dataset=dataset,
        policy=policy,
        retired=int(counted[0]),
        all_bytes=int(counted[1]),
        last_used_at=used or 0.0,
        sites=tuple(connection.execute(sites).scalars()),
        tags=tuple((row.name, row.number) for row in connection.execute(tags)),
    )


def timeline(
    connection: Connection, sight: Sight, name: str, now: float, *, before: int = 0, limit: int = PAGE
) -> Timeline:
    """A dataset's versions, the retired ones too, from number `before` down; errors as `require`."""
    owner = require(connection, sight, name)
    numbers = sa.select(t.version.c.number).where(t.version.c.dataset_id == owner, WHOLE)
    if before:
        numbers = numbers.where(t.version.c.number < before)
    chosen = list(connection.execute(numbers.order_by(t.version.c.number.desc()).limit(limit + 1)).scalars())
    if not chosen:
        return Timeline(lines=(), next_before=0)
    wanted = chosen[:limit]
    # One more than is shown, to say by how much the last one grew.
    here = (t.version.c.dataset_id == owner, t.version.c.number.in_(chosen))
    found = load_versions(connection, *here, WHOLE)
    subsets = _subsets(connection, owner, wanted)
    used = uses(connection, (ref_of(name, number, part) for number in wanted for part in ("", *subsets[number])))
    there = places(connection, owner, wanted, now)
    lines = []
    for item, older in zip(found, [*found[1:], None], strict=True):
        if item.number not in wanted:
            continue
        counts = [used.get(ref_of(name, item.number, part), (0, 0.0)) for part in ("", *subsets[item.number])]
        lines.append(
            VersionLine(
                version=shown(sight, [item])[0],
                grew_bytes=None if older is None else item.size_bytes - older.size_bytes,
                uses=sum(count for count, _ in counts),
                last_used_at=max(at for _, at in counts),
                places=tuple(there[item.number]),
                subsets=len(subsets[item.number]),
            )
        )
    return Timeline(lines=tuple(lines), next_before=wanted[-1] if len(chosen) > limit else 0)


def version_line(connection: Connection, sight: Sight, name: str, number: int, now: float) -> VersionLine:
    """One version as the timeline has it; errors as `version`."""
    lines = timeline(connection, sight, name, now, before=number + 1, limit=1).lines
    if not lines or lines[0].version.number != number:
        raise _no_version(name, number)
    return lines[0]


def numbers(
    connection: Connection, sight: Sight, name: str, *, before: int = 0, limit: int = NAMED
) -> list[tuple[int, bool]]:
    """The numbers of a dataset's versions, newest first, those before one if it is named, and whether each is retired;
    errors as `require`.
    """
    query = (
        sa.select(t.version.c.number, t.version.c.retired_at)
        .where(t.version.c.dataset_id == require(connection, sight, name), WHOLE)
        .order_by(t.version.c.number.desc())
        .limit(limit)
    )
    if before:
        query = query.where(t.version.c.number < before)
    return [(row.number, row.retired_at > 0) for row in connection.execute(query)]


def use_of(connection: Connection, sight: Sight, name: str, now: float, *, days: int = 30, most: int = 10) -> Use:
    """How often it was opened in the last days, and by whom most; errors as `require`."""
    require(connection, sight, name)
    first = (now // _DAY_S - days + 1) * _DAY_S
    # Rounded, since databases do not agree on how a number becomes a whole one.
    day = sa.func.round((t.use.c.at - first) / _DAY_S - 0.5)
    query = sa.select(
        day.label("day"), t.use.c.user_name, sa.func.count().label("uses"), sa.func.max(t.use.c.at).label("at")
    ).where(t.use.c.dataset == name, t.use.c.at >= first, IS_USE)
    by_day, by_user = Counter[int](), Counter[str]()
    last: dict[str, float] = {}
    for row in connection.execute(query.group_by(day, t.use.c.user_name)):
        by_day[int(row.day)] += row.uses
        by_user[row.user_name] += row.uses
        last[row.user_name] = max(last.get(row.user_name, 0.0), row.at)
    users = sorted(by_user.items(), key=lambda item: (-item[1], item[0]))[:most]
    return Use(
        days=tuple(DayOfUse(begins_at=first + index * _DAY_S, uses=by_day[index]) for index in range(days)),
        users=tuple(UserOfIt(user=user, uses=count, last_used_at=last[user]) for user, count in users),
    )


def uses(connection: Connection, refs: Iterable[str]) -> dict[str, tuple[int, float]]:
    """How often each ref was opened, and when last."""
    query = (
        sa.select(t.use.c.ref, sa.func.count().label("uses"), sa.func.max(t.use.c.at).label("at"))
        .where(t.use.c.ref.in_(sorted(refs)), IS_USE)
        .group_by(t.use.c.ref)
    )
    return {row.ref: (int(row.uses), float(row.at)) for row in connection.execute(query)}


def places(connection: Connection, owner: int, wanted: Sequence[int], now: float) -> dict[int, list[Place]]:
    """Where versions of a dataset, by its row, are: by number."""
    leases = (
        sa.select(sa.func.count())
        .where(t.lease.c.volume_id == t.replica.c.volume_id, t.lease.c.version_id == t.replica.c.version_id)
        .where(t.lease.c.expires_at > now)
        .correlate(t.replica)
        .scalar_subquery()
    )
    filling = sa.and_(t.fill.c.volume_id == t.replica.c.volume_id, t.fill.c.version_id == t.replica.c.version_id)
    query = (
        sa.select(
            t.version.c.number,
            t.version.c.subset,
            t.version.c.size_bytes,
            t.replica.c.volume_id,
            t.replica.c.state,
            t.replica.c.since,
            t.replica.c.pinned_by,
            t.replica.c.pin_until,
            sa.func.coalesce(t.volume_site.c.site, "").label("site"),
            sa.func.coalesce(t.fill.c.present_bytes + t.fill.c.moved_bytes, 0).label("done_bytes"),
            leases.label("in_use"),
        )
        .select_from(t.replica)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .outerjoin(t.volume_site, t.volume_site.c.volume_id == t.replica.c.volume_id)
        .outerjoin(t.fill, filling)
        .where(t.version.c.dataset_id == owner, t.version.c.number.in_(wanted))
        .where(t.replica.c.state != ReplicaState.ABSENT.value)
        .order_by("site", t.replica.c.volume_id, t.version.c.subset)
    )
    found: dict[int, list[Place]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.number].append(_place(row, now))
    return found


def _place(row: Any, now: float) -> Place:
    return Place(
        site=row.site,
        volume_id=row.volume_id,
        subset=row.subset,
        state=ReplicaState(row.state),
        since=row.since,
        size_bytes=row.size_bytes,
        is_pinned=bool(row.pinned_by) and (row.pin_until == 0 or row.pin_until > now),
        in_use=row.in_use,
        done_bytes=row.done_bytes if row.state == ReplicaState.FILLING.value else 0,
    )


def _no_version(name: str, number: int) -> NotFoundError:
    return NotFoundError("version-not-found", f"There is no version {ref_of(name, number)}.")


def _dataset(connection: Connection, owner: int) -> tuple[Dataset, DatasetPolicy]:
    """As `catalog.records` reads it, of one dataset alone: there all versions are counted. With its policy."""
    counted = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(t.version.c.number), 0)).where(
            t.version.c.dataset_id == owner, WHOLE, LIVE
        )
    ).one()
    size = sa.select(t.version.c.size_bytes).where(
        t.version.c.dataset_id == owner, t.version.c.number == counted[1], WHOLE
    )
    both = sa.select(t.dataset, *_POLICY).outerjoin(
        t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id
    )
    row = connection.execute(both.where(t.dataset.c.dataset_id == owner)).one()
    dataset = Dataset(
        name=row.name,
        group=row.access_group,
        owner=row.owner,
        team=row.team,
        stale_after_s=row.stale_after_s,
        description=row.description,
        created_at=row.created_at,
        versions=int(counted[0]),
        latest=int(counted[1]),
        size_bytes=connection.execute(size).scalar() or 0,
    )
    return dataset, policy_of(row._mapping, row.name)


def _subsets(connection: Connection, owner: int, wanted: Sequence[int]) -> dict[int, list[str]]:
    query = sa.select(t.version.c.number, t.version.c.subset).where(
        t.version.c.dataset_id == owner, t.version.c.number.in_(wanted), sa.not_(WHOLE)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.number].append(row.subset)
    return found


def _without_hidden(sight: Sight, item: Version) -> Version:
    return replace(item, parents=tuple(parent for parent in item.parents if sight.sees(parent.dataset)))
