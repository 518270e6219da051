"""Where a fill's bytes come from when that is not the version's lake: a local directory that holds the same files.

What comes from there is hashed and compared like what comes from a lake, and must be what the manifest says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from forebay.catalog.manifest import SCHEMA, Manifest
from forebay.lake.stores import LakeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSource:
    """A directory on this machine that is read as a lake is: `key` is the path in it, and there are no etags."""

    store: LakeStore

    @classmethod
    def of(cls, directory: Path) -> LocalSource:
        """NotFoundError `lake-not-found` when it is not there."""
        return cls(store=LakeStore.open(f"file://{quote(str(directory.absolute()))}"))

    def objects(self, manifest: Manifest) -> Manifest:
        """The manifest's files as objects of this source."""
        nothing = pa.repeat(pa.scalar("", pa.string()), len(manifest))
        table = manifest.table
        for name, column in (("key", table["path"]), ("etag", nothing), ("version_id", nothing)):
            table = table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), column)
        return replace(manifest, table=table)
