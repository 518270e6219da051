"""Adds versions, removes them and whole datasets. Every function works inside the caller's write transaction.

Numbers grow and are never used twice. Decisions about a dataset are taken with its row locked.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import retired
from forebay.catalog import schema as t
from forebay.catalog.names import check_dataset_name, check_description
from forebay.catalog.records import LIVE, WHOLE, dataset_id, load_versions, storable, version_id
from forebay.catalog.upkeep import join_team
from forebay.errors import ConflictError, InputError
from forebay.wire.catalog import AddedVersion, NewVersion, ParentVersion, Version

if TYPE_CHECKING:
    from forebay.catalog.manifest import ManifestFacts


def add(connection: Connection, new: NewVersion, facts: ManifestFacts, *, group: str, now: float) -> AddedVersion:
    """The next version of its dataset, or the latest one when that is the same content at the same place."""
    owner, last_number = _open_dataset(connection, new, group=group, now=now)
    join_team(connection, new.dataset, owner, new.team)
    latest = latest_version(connection, owner)
    if latest is not None and _same(latest, new):
        return AddedVersion(version=latest, created=False)
    return AddedVersion(version=_insert(connection, owner, new, facts, number=last_number + 1, now=now), created=True)


def restore(
    connection: Connection, new: NewVersion, facts: ManifestFacts, number: int, *, group: str, now: float
) -> Version:
    """A version under its old number; ConflictError `number-taken` when other content holds that number."""
    owner, last_number = _open_dataset(connection, new, group=group, now=now)
    at = (t.version.c.dataset_id == owner, t.version.c.number == number, t.version.c.subset == new.subset)
    here = load_versions(connection, *at)
    if not here:
        _insert(connection, owner, new, facts, number=number, now=now, last_number=max(number, last_number))
        retired.mark_as_whole(connection, owner, number)
        return load_versions(connection, *at)[0]
    if here[0].manifest_digest != new.manifest_digest:
        raise ConflictError(
            "number-taken",
            f"{here[0].ref} is another version: its manifest is {here[0].manifest_digest}, not {new.manifest_digest}.",
            todo="A version never changes: register the found content as a new version instead.",
        )
    return here[0]


def latest_version(connection: Connection, owner: int) -> Version | None:
    """The version with the highest number in the dataset of this row; retired ones do not count."""
    whole = (t.version.c.dataset_id == owner, WHOLE, LIVE)
    highest = sa.select(sa.func.max(t.version.c.number)).where(*whole).scalar_subquery()
    found = load_versions(connection, *whole, t.version.c.number == highest)
    return found[0] if found else None


def insert_if_absent(connection: Connection, table: sa.Table, values: Mapping[str, object]) -> bool:
    """Whether the row was inserted; False when one with its key was there."""
    statement = _insert_if_absent(connection.dialect.name, table)
    # Without this option PostgreSQL's driver does not count inserted rows.
    return connection.execute(statement, values, execution_options={"preserve_rowcount": True}).rowcount == 1


@functools.cache
def _insert_if_absent(dialect: str, table: sa.Table) -> Any:
    """The dialect's own INSERT; what the other dialect needs is not imported."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

        return insert_into_sqlite(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert

    return insert(table).on_conflict_do_nothing()


def remove(connection: Connection, dataset: str, number: int) -> None:
    """Forget one version with its subsets; ConflictError `tagged`, `has-children`, `has-replicas`."""
    owner = dataset_id(connection, dataset, lock=True)
    version_id(connection, dataset, number)
    chosen = sa.and_(t.version.c.dataset_id == owner, t.version.c.number == number)
    connection.execute(sa.select(t.version.c.version_id).where(chosen).with_for_update())
    _refuse_while_held(connection, f"{dataset}@v{number}", chosen)
    _delete(connection, chosen)


def remove_dataset(connection: Connection, name: str, *, now: float) -> None:
    """Forget a dataset with its versions; its row stays, so that a dataset made again counts on from its numbers."""
    owner = dataset_id(connection, name, lock=True)
    connection.execute(sa.select(t.version.c.version_id).where(t.version.c.dataset_id == owner).with_for_update())
    _refuse_while_held(connection, name, t.version.c.dataset_id == owner)
    _delete(connection, t.version.c.dataset_id == owner)
    connection.execute(t.retention.delete().where(t.retention.c.dataset_id == owner))
    connection.execute(sa.update(t.dataset).where(t.dataset.c.dataset_id == owner).values(removed_at=now))


def _open_dataset(connection: Connection, new: NewVersion, *, group: str, now: float) -> tuple[int, int]:
    """The locked row of the version's dataset, made or brought back where needed; and its last number."""
    facts = {
        "owner": storable(new.created_by, t.NAME_LENGTH),
        "description": storable(check_description(new.description)),
        "team": "",
        "stale_after_s": None,
        "created_at": now,
        "removed_at": 0.0,
    }
    name = check_dataset_name(new.dataset)
    insert_if_absent(connection, t.dataset, {"name": name, "access_group": group, "last_number": 0, **facts})
    row = connection.execute(sa.select(t.dataset).where(t.dataset.c.name == new.dataset).with_for_update()).one()
    if row.removed_at:  # its policy is still there, and the access group that goes with that
        connection.execute(sa.update(t.dataset).where(t.dataset.c.dataset_id == row.dataset_id).values(**facts))
    return row.dataset_id, row.last_number


def _same(latest: Version, new: NewVersion) -> bool:
    # Another profile is asked for on purpose: the old one may lack the right to read.
    return (latest.manifest_digest, latest.lake_url, latest.profile) == (new.manifest_digest, new.lake_url, new.profile)


def _insert(
    connection: Connection,
    owner: int,
    new: NewVersion,
    facts: ManifestFacts,
    *,
    number: int,
    now: float,
    last_number: int | None = None,
) -> Version:
    parents = _parent_ids(connection, new.parents, ParentVersion(dataset=new.dataset, number=number))
    added = connection.execute(
        t.version.insert().values(
            dataset_id=owner,
            number=number,
            subset=new.subset,
            selection=storable(new.selection),
            manifest_digest=new.manifest_digest,
            origin=new.origin,
            lake_url=new.lake_url,
            profile=new.profile,
            files=facts.files,
            size_bytes=facts.size_bytes,
            created_at=now,
            created_by=storable(new.created_by, t.NAME_LENGTH),
            message=storable(new.message),
            made_by_command=storable(new.made_by.command),
            made_by_code=storable(new.made_by.code),
            made_by_parameters=storable(new.made_by.parameters),
        )
    ).inserted_primary_key
    assert added is not None
    if parents:
        connection.execute(t.parent.insert(), [{"child_id": added[0], "parent_id": parent} for parent in parents])
    moved = sa.update(t.dataset).where(t.dataset.c.dataset_id == owner)
    connection.execute(moved.values(last_number=number if last_number is None else last_number))
    return load_versions(connection, t.version.c.version_id == added[0])[0]


def _parent_ids(connection: Connection, parents: tuple[ParentVersion, ...], child: ParentVersion) -> list[int]:
    if child in parents:
        raise InputError("bad-parent", f"{child.ref} cannot be its own parent.")
    return sorted({version_id(connection, parent.dataset, parent.number) for parent in parents})


def _refuse_while_held(connection: Connection, what: str, where: ColumnElement[bool]) -> None:
    chosen = sa.select(t.version.c.version_id).where(where)
    tags = sa.select(t.tag.c.name).where(t.tag.c.version_id.in_(chosen)).order_by(t.tag.c.name)
    if found := list(connection.execute(tags).scalars()):
        raise ConflictError(
            "tagged", f"{what} has the tag {_some(found)}.", todo="Move or remove the tag first: forebay dataset untag."
        )
    children = load_versions(
        connection,
        t.version.c.version_id.in_(sa.select(t.parent.c.child_id).where(t.parent.c.parent_id.in_(chosen))),
        t.version.c.version_id.not_in(chosen),
    )
    if children:
        raise ConflictError(
            "has-children",
            f"{what} is what {_some([child.ref for child in children])} was made from.",
            todo="Its lineage would be lost; remove those versions first.",
        )
    volumes = volumes_with(connection, chosen)
    if volumes:
        raise ConflictError(
            "has-replicas",
            f"{what} is on the volume {_some(volumes)}.",
            todo="Evict it there first (forebay cache evict), or clear what a fill left there (forebay cache recover).",
        )


def volumes_with(connection: Connection, chosen: sa.Select[tuple[int]]) -> list[str]:
    """The volumes that hold something of these versions, or on which somebody is about to."""
    present = sa.select(t.replica.c.volume_id).where(t.replica.c.version_id.in_(chosen), t.replica.c.state != "absent")
    filling = sa.select(t.fill.c.volume_id).where(t.fill.c.version_id.in_(chosen))
    leased = sa.select(t.lease.c.volume_id).where(t.lease.c.version_id.in_(chosen))
    return sorted(connection.execute(sa.union(present, filling, leased)).scalars())


def _delete(connection: Connection, where: ColumnElement[bool]) -> None:
    chosen = sa.select(t.version.c.version_id).where(where)
    connection.execute(t.replica.delete().where(t.replica.c.version_id.in_(chosen)))
    connection.execute(t.parent.delete().where(t.parent.c.child_id.in_(chosen)))
    connection.execute(t.version.delete().where(where))


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
