"""Finds the version, or the declared subset of one, that somebody asks for; declares a subset when it is new."""

from __future__ import annotations

import tempfile
from pathlib import Path

from forebay.cache.contents import load_manifest
from forebay.cache.selection import Selection, select
from forebay.catalog.manifest import Manifest
from forebay.catalog.names import NumberRef, parse_ref
from forebay.client.session import Session
from forebay.errors import InputError, NotFoundError
from forebay.wire.catalog import NewSubset, Version, ref_of


def resolve(session: Session, ref: str, selection: Selection) -> Version:
    """The version that `ref` names, or what is selected of it; the version itself when that is all of it.

    NotFoundError; InputError `nothing-selected`, or `is-subset` when the ref names a subset already.
    """
    catalog = session.hub.catalog
    if not selection.text:
        return catalog.resolve(ref)
    parsed = parse_ref(ref)
    if parsed.subset:
        raise InputError("is-subset", f"{ref} is a subset already.", todo="Select from the version itself.")
    number = parsed.number if isinstance(parsed, NumberRef) else catalog.resolve(ref).number
    try:
        return catalog.resolve(ref_of(parsed.dataset, number, selection.name))
    except NotFoundError as error:
        if error.kind != "subset-not-found":
            raise
    return _declare(session, catalog.resolve(ref_of(parsed.dataset, number)), selection)


def require_whole(version: Version) -> Version:
    """The version itself; InputError `is-subset` where only a whole version will do."""
    if version.subset:
        whole = ref_of(version.dataset, version.number)
        raise InputError("is-subset", f"{version.ref} is a subset, no version of its own.", todo=f"Name {whole}.")
    return version


def _declare(session: Session, whole: Version, selection: Selection) -> Version:
    part = select(load_manifest(session.hub.catalog, whole), selection, whole.ref)
    if len(part) == whole.files:
        return whole
    new = NewSubset(
        dataset=whole.dataset,
        number=whole.number,
        subset=selection.name,
        selection=selection.text,
        manifest_digest=_stored(session, part),
        created_by=session.settings.user,
    )
    return session.hub.catalog.add_subset(new)


def _stored(session: Session, manifest: Manifest) -> str:
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / manifest.file_name
        manifest.write(path)
        return session.hub.catalog.store_manifest(path)
