"""Finds the version, or the declared subset of one, that somebody asks for; declares a subset when it is new."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from forebay.cache.contents import load_manifest
from forebay.cache.selection import Selection, select
from forebay.catalog.manifest import Manifest
from forebay.catalog.names import NumberRef, parse_ref
from forebay.catalog.recipe import Cut, recipe_digest, write_recipe
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
    manifest = load_manifest(session.hub.catalog, whole)
    part = select(manifest, selection, whole.ref)
    cuts = _cuts(session, whole, part, selection) if selection.cuts else {}
    if selection.cuts:
        part = _cut_manifest(part, cuts)
    if len(part) == whole.files and not cuts:
        return whole
    digest = _stored(session, part)
    if selection.cuts:
        _store_recipe(session, digest, cuts)
    new = NewSubset(
        dataset=whole.dataset,
        number=whole.number,
        subset=selection.name,
        selection=selection.text,
        manifest_digest=digest,
        created_by=session.settings.user,
    )
    return session.hub.catalog.add_subset(new)


def _cuts(session: Session, whole: Version, part: Manifest, selection: Selection) -> dict[str, Cut]:
    """What is cut out of each Parquet file: their footers are read, in the lake."""
    from forebay.lake.parquet.objects import LakeObject, is_parquet, plan_cuts

    objects = [
        LakeObject(
            path=entry.path,
            key=entry.key,
            etag=entry.etag,
            version_id=entry.version_id,
            size_bytes=entry.size_bytes,
        )
        for entry in part.entries()
        if is_parquet(entry.path)
    ]
    if not objects:
        raise InputError(
            "nothing-selected",
            f"{whole.ref}: none of the selected files is a Parquet file to take columns or rows from.",
            todo="Select whole files instead: --include PATTERN",
        )
    return plan_cuts(
        session.open_lake(whole),
        objects,
        selection.columns,
        selection.where,
        streams=session.settings.streams,
        content_addressed=whole.origin == "committed",
    )


def _cut_manifest(part: Manifest, cuts: Mapping[str, Cut]) -> Manifest:
    """The manifest of the files as they will be: cut ones have another size, and a digest that nobody knows yet."""
    from forebay.lake.parquet.objects import is_summary

    entries = (
        replace(entry, size_bytes=cuts[entry.path].size_bytes) if entry.path in cuts else entry
        for entry in part.entries()
        if not is_summary(entry.path)
    )
    return Manifest.registered(entries, recipe_digest=recipe_digest(cuts))


def _store_recipe(session: Session, manifest_digest: str, cuts: Mapping[str, Cut]) -> None:
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / "recipe.parquet"
        write_recipe(path, manifest_digest, cuts)
        session.hub.catalog.store_recipe(manifest_digest, path)


def _stored(session: Session, manifest: Manifest) -> str:
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        path = Path(folder) / manifest.file_name
        manifest.write(path)
        return session.hub.catalog.store_manifest(path)
