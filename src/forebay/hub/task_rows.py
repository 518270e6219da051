"""Reads and writes the rows of tasks. Works inside the caller's transaction, which has locked the task's site."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.records import storable
from forebay.catalog.versions import insert_if_absent
from forebay.sites.tasks import Errand
from forebay.wire.sites import Task, TaskKind, TaskState

TEXT_LENGTH = 4000
"""More of what agents and people say of a task or a run is not kept."""

_OPEN = sa.select(t.task).where(t.task.c.open_key.is_not(None)).order_by(t.task.c.created_at, t.task.c.task_id)

_OPEN_AT = _OPEN.where(t.task.c.site == sa.bindparam("at_site"))


def opened(connection: Connection, site: str = "") -> list[Errand]:
    """Those that are not final, of one site or of all, oldest first."""
    rows = connection.execute(_OPEN_AT, {"at_site": site}) if site else connection.execute(_OPEN)
    return [_errand(row) for row in rows.mappings()]


def find(connection: Connection, task_id: str) -> Errand | None:
    """One task."""
    row = connection.execute(sa.select(t.task).where(t.task.c.task_id == task_id)).mappings().first()
    return None if row is None else _errand(row)


def wanted(connection: Connection, site: str, kind: TaskKind, ref: str) -> Errand | None:
    """The one that is not final, of a kind and a version at a site."""
    here = t.task.c.open_key == _open_key(site, kind, ref)
    row = connection.execute(sa.select(t.task).where(here)).mappings().first()
    return None if row is None else _errand(row)


def fills_since(connection: Connection, refs: Collection[str], since: float) -> list[Errand]:
    """The fills of these versions that are open or came to their end since then, oldest first."""
    query = (
        sa.select(t.task)
        .where(t.task.c.kind == TaskKind.FILL.value, t.task.c.ref.in_(sorted(refs)))
        .where(sa.or_(t.task.c.since > since, t.task.c.open_key.is_not(None)))
        .order_by(t.task.c.created_at, t.task.c.task_id)
    )
    return [_errand(row) for row in connection.execute(query).mappings()]


def forget_failed(connection: Connection, refs: Collection[str]) -> None:
    """Of fills of these versions that failed, or were given up, nothing is remembered: they are tried anew."""
    over = sa.and_(t.task.c.open_key.is_(None), t.task.c.state != TaskState.DONE.value)
    here = sa.and_(t.task.c.kind == TaskKind.FILL.value, t.task.c.ref.in_(sorted(refs)))
    connection.execute(sa.delete(t.task).where(over, here))


def failed_since(connection: Connection, kind: TaskKind, since: float) -> list[Task]:
    """Those of a kind that could not work and ended after a moment, the last one last."""
    where = (t.task.c.kind == kind.value, t.task.c.state == TaskState.FAILED.value, t.task.c.since > since)
    rows = connection.execute(sa.select(t.task).where(*where).order_by(t.task.c.since))
    return [_errand(row).task for row in rows.mappings()]


def insert(connection: Connection, errand: Errand, now: float) -> bool:
    """Whether it was written; False when one about the same is there."""
    return insert_if_absent(
        connection, t.task, {"task_id": errand.task.task_id, "created_at": now, **_values(errand.task, errand)}
    )


def save(connection: Connection, before: Errand, after: Errand) -> None:
    """Write what has changed."""
    if after is not before:
        here = t.task.c.task_id == after.task.task_id
        connection.execute(sa.update(t.task).where(here).values(_values(after.task, after)))


def purge(connection: Connection, before: float) -> None:
    """Forget those that ended before a moment."""
    connection.execute(sa.delete(t.task).where(t.task.c.open_key.is_(None), t.task.c.since < before))


def _open_key(site: str, kind: TaskKind, ref: str) -> str:
    return f"{site} {kind.value} {ref}"


def _values(task: Task, errand: Errand) -> dict[str, Any]:
    return {
        "open_key": None if task.state.is_final else _open_key(task.site, task.kind, task.ref),
        "site": task.site,
        "kind": task.kind.value,
        "ref": task.ref,
        "token": task.token,
        "state": task.state.value,
        "reason": storable(task.reason, TEXT_LENGTH),
        "since": task.since,
        "asked_by": storable(task.asked_by, t.NAME_LENGTH),
        "attempts": task.attempts,
        "failures": errand.failures,
        "next_try_at": task.next_try_at,
        "last_error": storable(task.last_error, TEXT_LENGTH),
        "unblock": storable(task.unblock, TEXT_LENGTH),
        "done_bytes": task.done_bytes,
        "total_bytes": task.total_bytes,
        "stopping": storable(errand.stopping, TEXT_LENGTH),
    }


def _errand(row: Any) -> Errand:
    names = ("task_id", "site", "token", "reason", "since", "ref", "asked_by", "attempts", "next_try_at")
    more = ("last_error", "unblock", "done_bytes", "total_bytes")
    task = Task(
        kind=TaskKind(row["kind"]), state=TaskState(row["state"]), **{name: row[name] for name in (*names, *more)}
    )
    return Errand(task=task, stopping=row["stopping"], failures=row["failures"])
