"""The mark on a version that is retired: who looks at it, and who sets and clears it. In the caller's transaction.

Whoever is about to use a version holds it live first (`hold_live`): until that transaction ends nobody retires it, and
whoever retires one locks its rows first, so of both at once one sees what the other did.
"""

from __future__ import annotations

from collections.abc import Iterable
from shlex import quote

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.catalog.records import LIVE, WHOLE, storable
from forebay.errors import ConflictError, NotFoundError
from forebay.wire.catalog import ref_of

# Every opening asks this: it is made once. The lock is the one that a foreign key takes anyway.
_HELD = (
    sa.select(t.version.c.retired_at, t.version.c.number, t.dataset.c.name)
    .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
    .where(t.version.c.version_id == sa.bindparam("version_id"))
    .with_for_update(read=True, key_share=True, of=t.version)
)


def hold_live(connection: Connection, version_id: int) -> None:
    """In a write transaction: keep a version from being retired until that ends; ConflictError `version-retired`."""
    row = connection.execute(_HELD, {"version_id": version_id}).first()
    if row is None:  # whoever forgot it had it locked
        raise NotFoundError("version-not-found", "The version was forgotten just now.")
    if row.retired_at:
        raise retired(ref_of(row.name, row.number))


def hold_refs(connection: Connection, refs: Iterable[str]) -> None:
    """The same for versions by their own names; what was forgotten is somebody else's to tell."""
    found = (_id_of(connection, ref) for ref in map(parse_ref, refs) if isinstance(ref, NumberRef))
    # In the order in which `lock` takes them: two may want the same ones at once.
    for version_id in sorted({item for item in found if item is not None}):
        hold_live(connection, version_id)


def _id_of(connection: Connection, ref: NumberRef) -> int | None:
    query = (
        sa.select(t.version.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.dataset.c.name == ref.dataset, t.dataset.c.removed_at == 0)
        .where(t.version.c.number == ref.number, t.version.c.subset == ref.subset)
    )
    return connection.execute(query).scalar()


def retired(ref: str) -> ConflictError:
    """The error of a version that is not used any more."""
    return ConflictError(
        "version-retired", f"{ref} is retired.", todo=f"Bring it back: forebay dataset restore {quote(ref)}"
    )


def lock(connection: Connection, dataset_id: int, numbers: Iterable[int]) -> None:
    """Wait for who uses these versions or is about to, and keep others from it until the transaction ends."""
    here = (t.version.c.dataset_id == dataset_id, t.version.c.number.in_(sorted(numbers)))
    ordered = sa.select(t.version.c.version_id).where(*here).order_by(t.version.c.version_id)
    connection.execute(ordered.with_for_update())


def mark(
    connection: Connection, dataset_id: int, number: int, *, now: float, release_at: float, by: str, reason: str
) -> None:
    """Retire a version with its subsets; one that is retired stays as it is."""
    here = (t.version.c.dataset_id == dataset_id, t.version.c.number == number, t.version.c.retired_at == 0)
    values = {
        "retired_at": now,
        "release_at": release_at,
        "retired_by": storable(by, t.NAME_LENGTH),
        "retired_reason": storable(reason, 1000),
    }
    connection.execute(sa.update(t.version).where(*here).values(values))


def mark_as_whole(connection: Connection, dataset_id: int, number: int) -> None:
    """Give a version's subsets its marks: one that was put back may have come without them."""
    here = sa.and_(t.version.c.dataset_id == dataset_id, t.version.c.number == number)
    whole = connection.execute(sa.select(t.version).where(here, WHOLE, sa.not_(LIVE))).mappings().first()
    if whole is not None:
        values = {name: whole[name] for name in ("retired_at", "release_at", "retired_by", "retired_reason")}
        connection.execute(sa.update(t.version).where(here, LIVE).values(values))


def clear(connection: Connection, dataset_id: int, number: int, *, now: float) -> None:
    """Take that back; nothing happens to a version that is not retired."""
    here = (t.version.c.dataset_id == dataset_id, t.version.c.number == number, t.version.c.retired_at > 0)
    values = {"retired_at": 0.0, "release_at": 0.0, "restored_at": now, "retired_by": "", "retired_reason": ""}
    connection.execute(sa.update(t.version).where(*here).values(values))
