"""Finds the version, or the subset of one, that somebody asks for; declares a new subset when it will be used."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.cache.selection import Selection, select
from forebay.catalog.names import NumberRef, parse_ref
from forebay.client.session import Session
from forebay.errors import InputError, NotFoundError
from forebay.wire.catalog import NewSubset, Version, ref_of

if TYPE_CHECKING:
    from forebay.cache.contents import Contents
    from forebay.catalog.manifest import Manifest
    from forebay.catalog.recipe import Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody asks for. `contents` are those of a subset that nobody has declared; None: the catalog has them."""

    version: Version
    contents: Contents | None = None


def resolve(session: Session, ref: str, selection: Selection) -> Version:
    """The version that `ref` names, or what is selected of it; the version itself when that is all of it.

    A new subset is declared. NotFoundError; InputError `nothing-selected`, or `is-subset` when the ref names a subset
    already.
    """
    with drafted(session, ref, selection) as draft:
        if draft.contents is None:
            return draft.version
        return _declare(session, draft.version, draft.contents)


@contextmanager
def drafted(session: Session, ref: str, selection: Selection) -> Iterator[Draft]:
    """The same without declaring anything; the files of the contents are there until the end. Errors as `resolve`."""
    if selection.text:
        ref = _numbered(session, ref)
    found = _declared(session, ref, selection)
    if found is not None:
        yield Draft(version=found)
        return
    whole = session.hub.catalog.resolve(ref)
    with tempfile.TemporaryDirectory(prefix="forebay-") as folder:
        yield _draft(session, whole, selection, Path(folder))


def _numbered(session: Session, ref: str) -> str:
    """The version that a tag names now, asked once: it may move meanwhile. InputError `is-subset`."""
    parsed = parse_ref(ref)
    if parsed.subset:
        raise InputError("is-subset", f"{ref} is a subset already.", todo="Select from the version itself.")
    if isinstance(parsed, NumberRef):
        return ref
    return ref_of(parsed.dataset, session.hub.catalog.resolve(ref).number)


def _declared(session: Session, ref: str, selection: Selection) -> Version | None:
    """The version, or the subset of it where somebody has declared it."""
    catalog = session.hub.catalog
    if not selection.text:
        return catalog.resolve(ref)
    try:
        return catalog.resolve(f"{ref}[{selection.name}]")
    except NotFoundError as error:
        if error.kind != "subset-not-found":
            raise
        return None


def require_whole(version: Version) -> Version:
    """The version itself; InputError `is-subset` where only a whole version will do."""
    if version.subset:
        whole = ref_of(version.dataset, version.number)
        raise InputError("is-subset", f"{version.ref} is a subset, no version of its own.", todo=f"Name {whole}.")
    return version


def _draft(session: Session, whole: Version, selection: Selection, folder: Path) -> Draft:
    # Whoever opens a whole version, or a subset that is known, waits for no import of these.
    from forebay.cache.contents import Contents, load_manifest
    from forebay.catalog.recipe import write_recipe
    from forebay.catalog.subsets import carried

    manifest = load_manifest(session.hub.catalog, whole)
    part = select(manifest, selection, whole.ref)
    cuts = _cuts(session, whole, part, selection) if selection.cuts else {}
    if selection.cuts:
        part = _cut_manifest(part, cuts)
    if len(part) == whole.files and not cuts:
        return Draft(version=whole)
    part = part.with_seal(carried(manifest.table.column, part.table.column, part.manifest_digest))
    contents = Contents(
        manifest=part, file=folder / part.file_name, recipe=folder / "recipe.parquet" if selection.cuts else None
    )
    part.write(contents.file)
    if contents.recipe is not None:
        write_recipe(contents.recipe, part.manifest_digest, cuts)
    version = replace(
        whole,
        manifest_digest=part.manifest_digest,
        origin=part.origin,
        files=len(part),
        size_bytes=part.size_bytes,
        sealed=part.sealed,
        subset=selection.name,
        selection=selection.text,
    )
    return Draft(version=version, contents=contents)


def _declare(session: Session, version: Version, contents: Contents) -> Version:
    catalog = session.hub.catalog
    digest = catalog.store_manifest(contents.file)
    if contents.recipe is not None:
        catalog.store_recipe(digest, contents.recipe)
    new = NewSubset(
        dataset=version.dataset,
        number=version.number,
        subset=version.subset,
        selection=version.selection,
        manifest_digest=digest,
        created_by=session.settings.user,
    )
    return catalog.add_subset(new)


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
    from forebay.catalog.manifest import Manifest
    from forebay.catalog.recipe import recipe_digest
    from forebay.lake.parquet.objects import is_summary

    entries = (
        replace(entry, size_bytes=cuts[entry.path].size_bytes) if entry.path in cuts else entry
        for entry in part.entries()
        if not is_summary(entry.path)
    )
    return Manifest.registered(entries, recipe_digest=recipe_digest(cuts))
