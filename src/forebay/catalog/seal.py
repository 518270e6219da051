"""The learned digests of a manifest: one per file in the manifest's order, null while nobody has read the object.

A seal only grows: a digest that is known never changes, and a different one is an error that names the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.canonical import DIGEST_TYPE, encoded_nullable_digest
from forebay.catalog.identity import Column, same_objects
from forebay.catalog.manifest import Manifest
from forebay.catalog.parquet import damaged, open_parquet, write_parquet
from forebay.errors import ConflictError, InputError


class Sealed(Protocol):
    """What of a manifest its seals are held against: a `Manifest`, or a file of one that is not read whole."""

    @property
    def manifest_digest(self) -> str:
        """The manifest's identity."""

    def __len__(self) -> int:
        """How many files it has."""

    def path_at(self, row: int) -> str:
        """The path of one file."""


_KIND = "seal"
_SCHEMA = pa.schema([pa.field("digest", DIGEST_TYPE)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seal:
    """Make one with `of`, `unknown`, `learned`, `read`, `merge` or `inherit`."""

    manifest_digest: str
    seal_digest: str
    digests: pa.ChunkedArray

    @classmethod
    def of(cls, manifest: Manifest) -> Seal:
        """The digests that this manifest value knows now."""
        return cls._made(manifest.manifest_digest, manifest.table["digest"])

    @classmethod
    def unknown(cls, manifest: Sealed) -> Seal:
        """The seal of a registered manifest of which nobody has read anything."""
        return cls._made(manifest.manifest_digest, pa.chunked_array([pa.nulls(len(manifest), DIGEST_TYPE)]))

    @classmethod
    def learned(cls, manifest: Manifest, paths: Sequence[str], digests: Sequence[bytes]) -> Seal:
        """A seal of the 32-byte digests that were computed for some paths; InputError for a path not in it."""
        at = pc.index_in(manifest.table["path"], value_set=pa.array(paths, pa.string()))
        if len(at) - at.null_count != len(set(paths)):
            known = set(manifest.table["path"].to_pylist())
            stray = next(path for path in paths if path not in known)
            raise InputError("file-not-found", f"There is no file {stray!r} in this version.")
        return cls._made(manifest.manifest_digest, pc.take(pa.array(digests, DIGEST_TYPE), at))

    @classmethod
    def known_as(cls, manifest_digest: str, digests: pa.ChunkedArray) -> Seal:
        """A seal of digests in the order of a manifest's files, null where they are not known."""
        return cls._made(manifest_digest, digests)

    @classmethod
    def read(cls, path: Path) -> Seal:
        """A seal file, recomputed and compared; DamagedError `seal-damaged`, NotFoundError, ConflictError."""
        with open_parquet(path, _SCHEMA, kind=_KIND) as file:
            digests, claims = file.column("digest"), file.claims
        try:
            made = cls._made(claims.facts.get("manifest", ""), digests)
        except ValueError as error:
            raise damaged(path, _KIND, "its metadata is incomplete") from error
        if made.seal_digest != claims.digest:
            raise damaged(path, _KIND, f"its rows have digest {made.seal_digest}, not {claims.digest}")
        return made

    def write(self, path: Path) -> None:
        """Write the seal file."""
        facts = {"manifest": self.manifest_digest}
        table = pa.table([self.digests], schema=_SCHEMA)
        write_parquet(path, table, kind=_KIND, digest=self.seal_digest, facts=facts)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def file_name(self) -> str:
        return f"{self.seal_digest}.parquet"

    @property
    def known(self) -> int:
        """Files whose digest is known."""
        return len(self.digests) - int(self.digests.null_count)

    @property
    def complete(self) -> bool:
        return self.known == len(self)

    @classmethod
    def _made(cls, manifest_digest: str, digests: pa.ChunkedArray) -> Seal:
        header = b"forebay seal 1\n" + bytes.fromhex(manifest_digest)
        digest = encoded_nullable_digest(header, digests)
        return cls(manifest_digest=manifest_digest, seal_digest=digest, digests=digests)


def merge(manifest: Sealed, older: Seal, newer: Seal) -> Seal:
    """All that both know; ConflictError `digest-mismatch` names the first file on which they differ.

    InputError `wrong-seal` when one of them belongs to another manifest.
    """
    if not {manifest.manifest_digest} == {older.manifest_digest, newer.manifest_digest}:
        raise InputError("wrong-seal", "Seals of different manifests cannot be merged.")
    if not len(manifest) == len(older) == len(newer):
        raise InputError("wrong-seal", f"A seal of {manifest.manifest_digest} has not as many rows as it has files.")
    differ = pc.fill_null(pc.not_equal(older.digests, newer.digests), False)
    if pc.any(differ).as_py():
        at = pc.index(differ, True).as_py()
        known, found = older.digests[at].as_py().hex(), newer.digests[at].as_py().hex()
        raise ConflictError(
            "digest-mismatch",
            f"The file {manifest.path_at(at)!r} is known with BLAKE3 {known}, but {found} was read.",
            todo="The object changed without a new etag, or it was read wrongly: read it again, then register it anew.",
        )
    return Seal._made(manifest.manifest_digest, pc.coalesce(older.digests, newer.digests))


def inherit(manifest_digest: str, old: Column, new: Column) -> Seal:
    """A seal for the manifest `new`: the digests that `old` knows of objects that are certainly the same.

    See `same_objects`; both manifests must be relative to the same lake root.
    """
    at, certain = same_objects(old, new)
    digests = pc.if_else(certain, pc.take(old("digest"), at), pa.scalar(None, DIGEST_TYPE))
    return Seal._made(manifest_digest, pc.coalesce(new("digest"), digests))
