"""What a version holds: its manifest together with every digest that was learned so far."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.manifest import Manifest
from forebay.catalog.seal import Seal
from forebay.wire.catalog import Version
from forebay.wire.hub import Catalog


def load_manifest(catalog: Catalog, version: Version) -> Manifest:
    """A version's manifest with its learned digests; DamagedError when a file of the catalog is not what it says."""
    return read_manifest(catalog.manifest_path(version.manifest_digest), catalog.seal_path(version.manifest_digest))


def read_manifest(manifest: Path, seal: Path | None) -> Manifest:
    """A manifest file, with the digests of a seal file where there is one."""
    read = Manifest.read(manifest)
    return read if seal is None else read.with_seal(Seal.read(seal))


def distinct_digests(manifest: Manifest) -> pa.Table:
    """The known digests of a manifest, each once, with their sizes: columns `digest` and `size_bytes`."""
    known = manifest.table.select(["digest", "size_bytes"]).filter(pc.is_valid(manifest.table["digest"]))
    return known.group_by("digest").aggregate([("size_bytes", "min")]).rename_columns(["digest", "size_bytes"])
