"""What retention is told of a dataset's versions, read from the database. Inside the caller's transaction.

Whatever else is to keep versions is asked for here and becomes a fact of `catalog.retention.Standing`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.catalog.records import LIVE, WHOLE, dataset_id
from forebay.catalog.retention import Standing
from forebay.hub import rows, rule_rows, run_rows
from forebay.wire.cache import ReplicaState
from forebay.wire.retention import RetentionPolicy
from forebay.wire.sites import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A dataset's row and its policy; `checked_at` is None where none was set."""

    dataset_id: int
    policy: RetentionPolicy
    checked_at: float | None


def subject(connection: Connection, dataset: str, *, lock: bool = False) -> Subject:
    """What is set for a dataset; NotFoundError `dataset-not-found`."""
    owner = dataset_id(connection, dataset, lock=lock)
    row = connection.execute(sa.select(t.retention).where(t.retention.c.dataset_id == owner)).first()
    if row is None:
        return Subject(dataset_id=owner, policy=RetentionPolicy(dataset=dataset), checked_at=None)
    policy = RetentionPolicy(
        dataset=dataset, keep_last=row.keep_last, keep_days=row.keep_days, set_by=row.set_by, set_at=row.set_at
    )
    return Subject(dataset_id=owner, policy=policy, checked_at=row.checked_at)


def due(connection: Connection, now: float, every_s: float) -> list[str]:
    """The datasets whose policy nobody has looked at for so long, by the clock of any hub."""
    lately = sa.and_(t.retention.c.checked_at > now - every_s, t.retention.c.checked_at <= now)
    query = (
        sa.select(t.dataset.c.name)
        .join(t.retention, t.retention.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.removed_at == 0, sa.not_(lately))
        .order_by(t.retention.c.checked_at, t.dataset.c.name)
    )
    return list(connection.execute(query).scalars())


def standings(
    connection: Connection, dataset: str, owner: int, now: float, numbers: Collection[int] | None = None
) -> list[Standing]:
    """Every version that is not retired (or of these, the ones that are not), with all that could keep it."""
    chosen = [t.version.c.dataset_id == owner, LIVE]
    if numbers is not None:
        chosen.append(t.version.c.number.in_(sorted(numbers)))
    versions = connection.execute(sa.select(t.version).where(*chosen, WHOLE)).all()
    used = _last_used(connection, dataset, owner)
    tags = _tags(connection, owner)
    leased = _numbers(connection, t.lease, owner, t.lease.c.expires_at > now)
    pinned = _numbers(connection, t.replica, owner, rows.pin_in_force(now))
    ruled = _ruled(connection, dataset, owner, now)
    filling = _numbers(connection, t.fill, owner, t.fill.c.expires_at > now)
    runs, tasks = _numbers_of(_run_refs(connection, dataset)), _numbers_of(_task_refs(connection, dataset))
    behind = _behind_tags(connection, owner)
    return [
        Standing(
            number=row.number,
            size_bytes=row.size_bytes,
            created_at=row.created_at,
            restored_at=row.restored_at,
            last_used_at=used.get(row.number, 0.0),
            tags=tuple(tags.get(row.number, ())),
            is_leased=row.number in leased,
            is_pinned=row.number in pinned,
            rule_id=ruled.get(row.number, ""),
            is_filling=row.number in filling,
            has_run=row.number in runs,
            has_task=row.number in tasks,
            is_behind=row.number in behind,
        )
        for row in versions
    ]


def replica_bytes(connection: Connection, owner: int, numbers: Collection[int]) -> int:
    """What the replicas of these versions hold on all volumes, each for itself."""
    there = (ReplicaState.READY.value, ReplicaState.DAMAGED.value, ReplicaState.EVICTING.value)
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(t.version.c.size_bytes), 0))
        .join(t.replica, t.replica.c.version_id == t.version.c.version_id)
        .where(t.version.c.dataset_id == owner, t.version.c.number.in_(sorted(numbers)), t.replica.c.state.in_(there))
    )
    return int(connection.execute(query).scalar_one())


def write(connection: Connection, owner: int, policy: RetentionPolicy) -> None:
    """Replace what is set; the dataset is locked."""
    connection.execute(sa.delete(t.retention).where(t.retention.c.dataset_id == owner))
    if not policy.keeps_all:
        values = {name: getattr(policy, name) for name in ("keep_last", "keep_days", "set_by", "set_at")}
        connection.execute(sa.insert(t.retention).values(dataset_id=owner, checked_at=0.0, **values))


def touch(connection: Connection, owner: int, now: float) -> None:
    """Somebody has looked at it now."""
    connection.execute(sa.update(t.retention).where(t.retention.c.dataset_id == owner).values(checked_at=now))


def _numbers(connection: Connection, table: sa.Table, owner: int, which: sa.ColumnElement[bool]) -> set[int]:
    """The versions, subsets counted as their wholes, that such rows of a table are about."""
    query = (
        sa.select(t.version.c.number)
        .distinct()
        .join(table, table.c.version_id == t.version.c.version_id)
        .where(t.version.c.dataset_id == owner, which)
    )
    return set(connection.execute(query).scalars())


def _ruled(connection: Connection, dataset: str, owner: int, now: float) -> dict[int, str]:
    """The versions that rules keep somewhere, or name by their numbers, each with the first rule's id.

    Who may see the dataset may see these: all of them are rules on it, or on every dataset.
    """
    named = t.rule.c.ref.startswith(f"{dataset}@v", autoescape=True)
    by_name = sa.select(t.rule.c.ref, t.rule.c.rule_id).where(rule_rows.is_in_force(now), named)
    holds = (
        sa.select(t.version.c.number, t.rule_hold.c.rule_id)
        .join(t.rule_hold, t.rule_hold.c.version_id == t.version.c.version_id)
        .where(t.version.c.dataset_id == owner, rule_rows.is_hold_in_force(now))
    )
    found = [(number, row.rule_id) for row in connection.execute(by_name) for number in _numbers_of([row.ref])]
    found += [(row.number, row.rule_id) for row in connection.execute(holds)]
    return dict(sorted(found, reverse=True))


def _tags(connection: Connection, owner: int) -> dict[int, list[str]]:
    query = (
        sa.select(t.version.c.number, t.tag.c.name)
        .join(t.tag, t.tag.c.version_id == t.version.c.version_id)
        .where(t.version.c.dataset_id == owner)
        .order_by(t.tag.c.name)
    )
    found: dict[int, list[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.number, []).append(row.name)
    return found


def _last_used(connection: Connection, dataset: str, owner: int) -> dict[int, float]:
    """By the ledger and, where a lease was long, by the replicas."""
    ledger = sa.select(t.use.c.ref, sa.func.max(t.use.c.at)).where(t.use.c.dataset == dataset).group_by(t.use.c.ref)
    replicas = (
        sa.select(t.version.c.number, sa.func.max(t.replica.c.last_used_at))
        .join(t.replica, t.replica.c.version_id == t.version.c.version_id)
        .where(t.version.c.dataset_id == owner)
        .group_by(t.version.c.number)
    )
    found: dict[int, float] = {}
    for ref, at in connection.execute(ledger):
        for number in _numbers_of([ref]):
            found[number] = max(found.get(number, 0.0), at)
    for number, at in connection.execute(replicas):
        found[number] = max(found.get(number, 0.0), at)
    return found


def _run_refs(connection: Connection, dataset: str) -> Iterable[str]:
    active = sa.select(t.run.c.run_seq).where(run_rows.active())
    query = sa.select(t.run_data.c.ref).where(t.run_data.c.dataset == dataset, t.run_data.c.run_seq.in_(active))
    return connection.execute(query).scalars()


def _task_refs(connection: Connection, dataset: str) -> Iterable[str]:
    here = sa.and_(t.task.c.open_key.is_not(None), t.task.c.kind == TaskKind.FILL.value)
    return connection.execute(
        sa.select(t.task.c.ref).where(here, t.task.c.ref.startswith(f"{dataset}@", autoescape=True))
    ).scalars()


def _numbers_of(refs: Iterable[str]) -> set[int]:
    return {ref.number for ref in map(parse_ref, refs) if isinstance(ref, NumberRef)}


def _behind_tags(connection: Connection, owner: int) -> set[int]:
    """The versions of this dataset that some tagged version, of whatever dataset, was made from in the end."""
    tagged: Any = sa.select(t.parent.c.parent_id).join(t.tag, t.tag.c.version_id == t.parent.c.child_id)
    reached = tagged.cte("reached", recursive=True)
    reached = reached.union(sa.select(t.parent.c.parent_id).join(reached, reached.c.parent_id == t.parent.c.child_id))
    query = sa.select(t.version.c.number).where(
        t.version.c.dataset_id == owner, t.version.c.version_id.in_(sa.select(reached.c.parent_id))
    )
    return set(connection.execute(query).scalars())
