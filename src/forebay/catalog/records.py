"""Reads datasets and versions from the tables as the values of `wire.catalog`, and finds what a reference names.

Every function works inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.catalog.engine import once
from forebay.catalog.names import DigestRef, LatestRef, NumberRef, Ref, TagRef, check_dataset_name, did_you_mean
from forebay.errors import InputError, InternalError, NotFoundError
from forebay.wire.catalog import Dataset, MadeBy, ParentVersion, Version, VersionOrigin, ref_of

_EXISTS = t.dataset.c.removed_at == 0
WHOLE = t.version.c.subset == ""
"""What tells a version from its declared subsets, which share its number."""
LIVE = t.version.c.retired_at == 0
"""What tells a version from a retired one."""
_ORIGIN, _ORIGIN_DATASET = t.version.alias(), t.dataset.alias()

_VERSIONS = (
    sa.select(t.version, t.dataset.c.name, t.dataset.c.access_group, t.seal.c.complete)
    .join(t.dataset)
    .outerjoin(t.seal, t.seal.c.manifest_digest == t.version.c.manifest_digest)
    .order_by(t.version.c.dataset_id, t.version.c.number.desc(), t.version.c.subset)
)
_PARENTS = (
    sa.select(t.parent.c.child_id, _ORIGIN_DATASET.c.name, _ORIGIN.c.number)
    .select_from(t.version)
    .join(t.parent, t.parent.c.child_id == t.version.c.version_id)
    .join(_ORIGIN, _ORIGIN.c.version_id == t.parent.c.parent_id)
    .join(_ORIGIN_DATASET, _ORIGIN_DATASET.c.dataset_id == _ORIGIN.c.dataset_id)
    .order_by(_ORIGIN_DATASET.c.name, _ORIGIN.c.number)
)
_TAGS = (
    sa.select(t.tag.c.version_id, t.tag.c.name)
    .join(t.version, t.version.c.version_id == t.tag.c.version_id)
    .order_by(t.tag.c.name)
)
# Every opening finds one version by its name: these are made once, which takes longer than running them.
_DATASET_ID = sa.select(t.dataset.c.dataset_id).where(t.dataset.c.name == sa.bindparam("name"), _EXISTS)
_NUMBERED = sa.select(t.version.c.version_id).where(
    t.version.c.dataset_id == sa.bindparam("dataset_id"),
    t.version.c.number == sa.bindparam("number"),
    t.version.c.subset == sa.bindparam("subset"),
)
_NEWEST = (
    sa.select(t.version.c.version_id)
    .where(t.version.c.dataset_id == sa.bindparam("dataset_id"), WHOLE, LIVE)
    .order_by(t.version.c.number.desc())
    .limit(1)
)
_TAGGED = sa.select(t.tag.c.version_id).where(
    t.tag.c.dataset_id == sa.bindparam("dataset_id"), t.tag.c.name == sa.bindparam("tag")
)
_BY_ID = t.version.c.version_id == sa.bindparam("version_id")


def _whole_versions() -> sa.Select[Any]:
    """Versions with their parents and tags as texts, with a blank between: no name has one."""
    parent = _ORIGIN_DATASET.c.name + "@" + sa.cast(_ORIGIN.c.number, sa.String)
    parents = (
        sa.select(sa.func.aggregate_strings(parent, " "))
        .select_from(t.parent)
        .join(_ORIGIN, _ORIGIN.c.version_id == t.parent.c.parent_id)
        .join(_ORIGIN_DATASET, _ORIGIN_DATASET.c.dataset_id == _ORIGIN.c.dataset_id)
        .where(t.parent.c.child_id == t.version.c.version_id)
    )
    tags = sa.select(sa.func.aggregate_strings(t.tag.c.name, " ")).where(t.tag.c.version_id == t.version.c.version_id)
    return _VERSIONS.add_columns(
        parents.correlate(t.version).scalar_subquery().label("parents"),
        tags.correlate(t.version).scalar_subquery().label("tags"),
    ).where(_EXISTS)


def _datasets() -> sa.Select[Any]:
    counts = (
        sa.select(
            t.version.c.dataset_id,
            sa.func.count().label("versions"),
            sa.func.max(t.version.c.number).label("latest"),
        )
        .where(WHOLE, LIVE)
        .group_by(t.version.c.dataset_id)
        .subquery()
    )
    latest = sa.and_(t.version.c.dataset_id == t.dataset.c.dataset_id, t.version.c.number == counts.c.latest, WHOLE)
    return (
        sa.select(t.dataset, counts.c.versions, counts.c.latest, t.version.c.size_bytes)
        .outerjoin(counts, counts.c.dataset_id == t.dataset.c.dataset_id)
        .outerjoin(t.version, latest)
        .where(_EXISTS)
        .order_by(t.dataset.c.name)
    )


_DATASETS = _datasets()
_NAMED = t.dataset.c.name == sa.bindparam("name")
_ONE = _whole_versions().where(_BY_ID)
_ONE_NUMBERED = _whole_versions().where(
    _NAMED, t.version.c.number == sa.bindparam("number"), t.version.c.subset == sa.bindparam("subset")
)
_ONE_NEWEST = _whole_versions().where(_NAMED, WHOLE, LIVE).limit(1)
_ONE_TAGGED = (
    _whole_versions()
    .join(t.tag, sa.and_(t.tag.c.version_id == t.version.c.version_id, t.tag.c.name == sa.bindparam("tag")))
    .where(_NAMED)
)


def list_datasets(connection: Connection, *where: ColumnElement[bool]) -> list[Dataset]:
    """Datasets by name, with the count of their versions and the size of the latest."""
    rows = connection.execute(_DATASETS.where(*where) if where else _DATASETS)
    return [
        Dataset(
            name=row.name,
            group=row.access_group,
            owner=row.owner,
            team=row.team,
            stale_after_s=row.stale_after_s,
            description=row.description,
            created_at=row.created_at,
            versions=row.versions or 0,
            latest=row.latest or 0,
            size_bytes=row.size_bytes or 0,
        )
        for row in rows
    ]


def dataset_id(connection: Connection, name: str, *, lock: bool = False) -> int:
    """The row of an existing dataset, locked until the transaction ends where asked; NotFoundError, InputError."""
    check_dataset_name(name)
    if lock:
        found = connection.execute(_DATASET_ID.with_for_update(), {"name": name}).scalar()
    else:
        found = once(connection, ("dataset id", name), lambda: connection.execute(_DATASET_ID, {"name": name}).scalar())
    if found is None:
        raise no_dataset(name, connection.execute(sa.select(t.dataset.c.name).where(_EXISTS)).scalars())
    return int(found)


def no_dataset(name: str, known: Iterable[str]) -> NotFoundError:
    """The error of a dataset that is not there, or that the asker, who knows of these, may not see."""
    todo = did_you_mean(name, known, otherwise="forebay dataset ls shows all of them.")
    return NotFoundError("dataset-not-found", f"There is no dataset {name!r}.", todo=todo)


def version_id(connection: Connection, dataset: str, number: int, subset: str = "") -> int:
    """The row of a version, or of a subset of it; NotFoundError `version-not-found`, `subset-not-found`."""
    owner = dataset_id(connection, dataset)
    given = {"dataset_id": owner, "number": number, "subset": subset}
    found = connection.execute(_NUMBERED, given).scalar()
    if found is None and subset:
        here = (t.version.c.dataset_id == owner, t.version.c.number == number)
        raise _no_subset(connection, here, ref_of(dataset, number), subset)
    if found is None:
        raise NotFoundError(
            "version-not-found",
            f"There is no version {dataset}@v{number}.",
            todo=f"forebay dataset show {dataset} lists its versions.",
        )
    return int(found)


def find_version(connection: Connection, ref: Ref) -> Version:
    """The version that a reference names; NotFoundError, InputError `ambiguous-ref`."""
    return once(connection, ("version", ref), lambda: _found(connection, ref))


def _found(connection: Connection, ref: Ref) -> Version:
    row = _at_once(connection, ref)
    if row is None:
        # Step by step, which can say what is missing.
        row = connection.execute(_ONE, {"version_id": _named(connection, ref)}).one()
    return _version(row, [_parent(text) for text in _split(row.parents)], _split(row.tags))


def load_versions(connection: Connection, *where: ColumnElement[bool]) -> list[Version]:
    """Versions newest first, with their parents and tags."""
    rows = connection.execute(_VERSIONS.where(*where)).all()
    parents = _parents(connection.execute(_PARENTS.where(*where)))
    tags = _tags(connection.execute(_TAGS.where(*where)))
    return [_version(row, parents[row.version_id], tags[row.version_id]) for row in rows]


def storable(text: str, limit: int | None = None) -> str:
    """Free text as both databases can hold it: PostgreSQL refuses NUL, and neither takes half a surrogate pair."""
    return text.replace("\0", "\\0").encode(errors="backslashreplace").decode()[:limit]


def _at_once(connection: Connection, ref: Ref) -> Any:
    """The row of a version with all that belongs to it, in one question; None where that has no answer."""
    match ref:
        case NumberRef():
            query, given = _ONE_NUMBERED, {"number": ref.number, "subset": ref.subset}
        case LatestRef(subset=""):
            query, given = _ONE_NEWEST, {}
        case TagRef(subset=""):
            query, given = _ONE_TAGGED, {"tag": ref.tag}
        case _:
            return None
    return connection.execute(query, {"name": ref.dataset, **given}).first()


def _split(texts: str | None) -> list[str]:
    return sorted((texts or "").split())


def _parent(text: str) -> ParentVersion:
    name, _, number = text.rpartition("@")
    return ParentVersion(dataset=name, number=int(number))


def _no_subset(connection: Connection, here: tuple[ColumnElement[bool], ...], ref: str, subset: str) -> NotFoundError:
    known = connection.execute(sa.select(t.version.c.subset).where(*here, sa.not_(WHOLE))).scalars()
    advice = f"Bring one here: forebay cache warm {ref} --include PATTERN"
    todo = did_you_mean(subset, known, otherwise=advice)
    return NotFoundError("subset-not-found", f"No subset {subset!r} of {ref} was declared.", todo=todo)


def _named(connection: Connection, ref: Ref) -> int:
    """The row of the version."""
    if ref.subset:
        number = ref.number if isinstance(ref, NumberRef) else find_version(connection, replace(ref, subset="")).number
        return version_id(connection, ref.dataset, number, ref.subset)
    match ref:
        case NumberRef():
            return version_id(connection, ref.dataset, ref.number)
        case LatestRef():
            return _newest(connection, dataset_id(connection, ref.dataset), ref.dataset)
        case TagRef():
            return _tagged(connection, dataset_id(connection, ref.dataset), ref)
        case DigestRef():
            return _digested(connection, dataset_id(connection, ref.dataset), ref)


def _newest(connection: Connection, dataset: int, name: str) -> int:
    found = connection.execute(_NEWEST, {"dataset_id": dataset}).scalar()
    if found is None:
        raise NotFoundError(
            "version-not-found",
            f"The dataset {name!r} has no versions.",
            todo=f"forebay dataset register {name} URL adds one; forebay dataset show {name} --all has retired ones.",
        )
    return int(found)


def _tagged(connection: Connection, dataset: int, ref: TagRef) -> int:
    found = connection.execute(_TAGGED, {"dataset_id": dataset, "tag": ref.tag}).scalar()
    if found is None:
        known = connection.execute(sa.select(t.tag.c.name).where(t.tag.c.dataset_id == dataset)).scalars()
        raise NotFoundError(
            "tag-not-found",
            f"The dataset {ref.dataset!r} has no tag {ref.tag!r}.",
            todo=did_you_mean(
                ref.tag, known, otherwise=f"forebay dataset show {ref.dataset} lists its versions and tags."
            ),
        )
    return int(found)


def _digested(connection: Connection, dataset: int, ref: DigestRef) -> int:
    """The newest version of the one manifest whose digest begins so; a retired one only where there is no other."""
    matches = connection.execute(
        sa.select(t.version.c.version_id, t.version.c.number, t.version.c.manifest_digest)
        .where(t.version.c.dataset_id == dataset, t.version.c.manifest_digest.startswith(ref.prefix), WHOLE)
        .order_by(sa.case((LIVE, 0), else_=1), t.version.c.number.desc())
    ).all()
    if not matches:
        raise NotFoundError(
            "version-not-found",
            f"No version of {ref.dataset!r} has a manifest digest that begins with {ref.prefix}.",
            todo=f"forebay dataset show {ref.dataset} lists its versions.",
        )
    if len({row.manifest_digest for row in matches}) > 1:
        named = ", ".join(f"v{row.number} ({row.manifest_digest[:16]})" for row in matches)
        raise InputError(
            "ambiguous-ref",
            f"Several versions of {ref.dataset!r} have a digest that begins with {ref.prefix}: {named}.",
            todo="Give more of its digits, or the version number.",
        )
    return int(matches[0].version_id)


def _parents(rows: Iterable[Any]) -> dict[int, list[ParentVersion]]:
    found: dict[int, list[ParentVersion]] = defaultdict(list)
    for row in rows:
        found[row.child_id].append(ParentVersion(dataset=row.name, number=row.number))
    return found


def _tags(rows: Iterable[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        found[row.version_id].append(row.name)
    return found


def _version(row: Any, parents: list[ParentVersion], tags: list[str]) -> Version:
    return Version(
        dataset=row.name,
        number=row.number,
        group=row.access_group,
        manifest_digest=row.manifest_digest,
        origin=_origin(row.origin),
        lake_url=row.lake_url,
        profile=row.profile,
        files=row.files,
        size_bytes=row.size_bytes,
        sealed=row.origin == "committed" or bool(row.complete),
        created_at=row.created_at,
        created_by=row.created_by,
        message=row.message,
        parents=tuple(parents),
        made_by=MadeBy(command=row.made_by_command, code=row.made_by_code, parameters=row.made_by_parameters),
        tags=tuple(tags),
        subset=row.subset,
        selection=row.selection,
        retired_at=row.retired_at,
        retired_by=row.retired_by,
        retired_reason=row.retired_reason,
        release_at=row.release_at,
    )


def _origin(text: str) -> VersionOrigin:
    if text == "committed":
        return "committed"
    if text == "registered":
        return "registered"
    raise InternalError("unknown-origin", f"The database has a version of origin {text!r}.")
