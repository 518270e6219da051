"""What a version holds: its manifest together with every digest that was learned so far."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.selection import Selection
from forebay.cache.volume import MANIFEST, SEAL, record_path
from forebay.catalog.manifest import Manifest
from forebay.catalog.parquet import damaged
from forebay.catalog.recipe import Cut, read_recipe, recipe_digest
from forebay.catalog.seal import Seal
from forebay.errors import DamagedError, ForebayError
from forebay.wire.catalog import Version
from forebay.wire.hub import Catalog


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A manifest, and the file that it was read from; the recipe of a subset that selects within files."""

    manifest: Manifest
    file: Path
    recipe: Path | None = None

    @cached_property
    def cuts(self) -> dict[str, Cut]:
        """The files that are not whole objects, by path."""
        if self.recipe is None:
            return {}
        cuts = read_recipe(self.recipe, self.manifest.manifest_digest)
        if recipe_digest(cuts) != self.manifest.recipe_digest:
            raise damaged(self.recipe, "recipe", "it is not the one that its manifest was made with")
        return cuts


def load_manifest(catalog: Catalog, version: Version) -> Manifest:
    """A version's manifest with its learned digests; DamagedError when a file of the catalog is not what it says."""
    return load_contents(catalog, version).manifest


def load_contents(catalog: Catalog, version: Version) -> Contents:
    """The same with the manifest's file; each of the catalog's files is asked for once, which verifies it."""
    file = catalog.manifest_path(version.manifest_digest)
    cut = Selection.parse(version.selection).cuts
    return Contents(
        manifest=read_manifest(file, catalog.seal_path(version.manifest_digest)),
        file=file,
        recipe=catalog.recipe_path(version.manifest_digest) if cut else None,
    )


def load_objects(catalog: Catalog, version: Version) -> Manifest:
    """A version's manifest with the sizes that its objects have in the lake, of which a subset may hold less."""
    contents = load_contents(catalog, version)
    if not contents.cuts:
        return contents.manifest
    table = contents.manifest.table
    files = zip(table["path"].to_pylist(), table["size_bytes"].to_pylist(), strict=True)
    sizes = [contents.cuts[path].object_bytes if path in contents.cuts else size for path, size in files]
    return contents.manifest.of_rows(table.set_column(1, table.schema.field("size_bytes"), pa.array(sizes, pa.int64())))


def read_manifest(manifest: Path, seal: Path | None) -> Manifest:
    """A manifest file, with the digests of a seal file where there is one."""
    read = Manifest.read(manifest)
    return read if seal is None else read.with_seal(Seal.read(seal))


def tree_manifest(tree: Path, manifest_digest: str) -> Manifest:
    """What a tree's own records say it holds; DamagedError when they can't be read or are another manifest's."""
    seal = record_path(tree, SEAL)
    found = read_manifest(record_path(tree, MANIFEST), seal if seal.exists() else None)
    if found.manifest_digest != manifest_digest:
        raise DamagedError("manifest-damaged", f"{tree} holds the manifest {found.manifest_digest}")
    return found


def replica_manifest(catalog: Catalog, version: Version, tree: Path) -> Manifest:
    """What a replica holds, from the tree itself, which needs no catalog; from the catalog where that fails."""
    try:
        return tree_manifest(tree, version.manifest_digest)
    except (ForebayError, OSError):
        return load_manifest(catalog, version)


def distinct_digests(manifest: Manifest) -> pa.Table:
    """The known digests of a manifest, each once, with their sizes: columns `digest` and `size_bytes`."""
    known = manifest.table.select(["digest", "size_bytes"]).filter(pc.is_valid(manifest.table["digest"]))
    return known.group_by("digest").aggregate([("size_bytes", "min")]).rename_columns(["digest", "size_bytes"])
