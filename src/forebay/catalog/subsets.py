"""Declared subsets of versions: rows of `version` that share its number, with a manifest of their own.

A subset names no file that its version has not. What is learned about a file in one of them holds in all: digests are
carried over by path, for files that are the same object in its whole length. Invariant: IMMUTABLE.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.canonical import DIGEST_TYPE
from forebay.catalog.identity import Column
from forebay.catalog.manifest import Manifest, ManifestFacts
from forebay.catalog.records import WHOLE, dataset_id, load_versions, storable, version_id
from forebay.catalog.retired import hold_live
from forebay.catalog.seal import Seal
from forebay.catalog.versions import insert_if_absent
from forebay.errors import InputError
from forebay.wire.catalog import NewSubset, Version

_SAME_OBJECT = ("key", "etag", "version_id")


def add(connection: Connection, new: NewSubset, facts: ManifestFacts, *, now: float) -> Version:
    """The subset of this name, made when there is none; its whole must exist. Inside a write transaction."""
    # The dataset first, as whoever retires a version has it.
    dataset_id(connection, new.dataset, lock=True)
    whole = version_id(connection, new.dataset, new.number)
    hold_live(connection, whole)
    row = connection.execute(sa.select(t.version).where(t.version.c.version_id == whole)).mappings().one()
    values = {
        **{name: value for name, value in row.items() if name != "version_id"},
        "subset": new.subset,
        "selection": storable(new.selection),
        "manifest_digest": new.manifest_digest,
        "origin": facts.origin,
        "files": facts.files,
        "size_bytes": facts.size_bytes,
        "created_at": now,
        "created_by": storable(new.created_by, t.NAME_LENGTH),
    }
    insert_if_absent(connection, t.version, values)
    added = version_id(connection, new.dataset, new.number, new.subset)
    return load_versions(connection, t.version.c.version_id == added)[0]


def check_new(new: NewSubset) -> None:
    """InputError `bad-subset` for a name that no reference could hold."""
    if not 0 < len(new.subset) <= t.SUBSET_LENGTH or not new.subset.isprintable():
        raise InputError("bad-subset", f"{new.subset!r} cannot be the name of a subset.")


def check_part(part: Column, whole: Column, ref: str) -> None:
    """InputError `bad-subset` unless every file of `part` is an object of `whole`, or something cut out of one."""
    at = pc.index_in(part("path"), value_set=whole("path"))
    wrong = pc.is_null(at)
    for name in _SAME_OBJECT:
        wrong = pc.or_(wrong, pc.fill_null(pc.not_equal(part(name), pc.take(whole(name), at)), True))
    wrong = pc.or_(wrong, pc.fill_null(pc.greater(part("size_bytes"), pc.take(whole("size_bytes"), at)), True))
    if pc.any(wrong).as_py():
        path = part("path")[pc.index(wrong, True).as_py()].as_py()
        raise InputError("bad-subset", f"{ref} has no such file {path!r}: this is no subset of it.")


def carried(source: Column, target: Column, manifest_digest: str) -> Seal:
    """What `source` knows about the files of `target`, as a seal of that manifest.

    Only a file of the same size is the same: one that was cut out of an object is always smaller than that object.
    """
    at = pc.index_in(target("path"), value_set=source("path"))
    same = pc.fill_null(pc.equal(target("size_bytes"), pc.take(source("size_bytes"), at)), False)
    digests = pc.if_else(same, pc.take(source("digest"), at), pa.scalar(None, DIGEST_TYPE))
    return Seal.known_as(manifest_digest, digests)


def known(manifest: Manifest, seal: Seal | None) -> Column:
    """A manifest's columns with the digests of a seal."""
    table = manifest.table if seal is None else manifest.with_seal(seal).table
    return lambda name: table[name]


def relatives(connection: Connection, manifest_digest: str) -> list[str]:
    """The manifests whose versions learn from this one's: a subset teaches its whole, a whole its subsets."""
    mine, other = t.version.alias(), t.version.alias()
    related = sa.and_(other.c.dataset_id == mine.c.dataset_id, other.c.number == mine.c.number)
    apart = sa.and_(other.c.manifest_digest != manifest_digest, sa.or_(mine.c.subset == "", other.c.subset == ""))
    query = sa.select(other.c.manifest_digest).distinct().select_from(mine).join(other, related)
    found = connection.execute(query.where(mine.c.manifest_digest == manifest_digest, apart))
    return sorted(found.scalars())


def whole_manifest(connection: Connection, dataset: str, number: int) -> str:
    """The manifest of a version itself; NotFoundError `version-not-found`."""
    target = version_id(connection, dataset, number)
    query = sa.select(t.version.c.manifest_digest).where(t.version.c.version_id == target, WHOLE)
    return str(connection.execute(query).scalar_one())
