"""Content-addressed Parquet files: a table whose metadata names its kind, its layout and its own digest.

Reading gives back the columns and the claims; whoever reads must recompute the digest before believing them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.errors import ConflictError, DamagedError, NotFoundError, UnavailableError

LAYOUT = 1
_PREFIX = "forebay."
_ROW_GROUP_ROWS = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a file's metadata says about it: not yet checked against its rows."""

    digest: str
    rows: int
    facts: Mapping[str, str]


def write_parquet(path: Path, table: pa.Table, *, kind: str, digest: str, facts: Mapping[str, str]) -> None:
    """Write (not durably: the caller decides) a table of this kind and digest, with further facts as metadata."""
    claims = {"kind": kind, "layout": str(LAYOUT), "digest": digest, **facts}
    pq.write_table(
        table.replace_schema_metadata({_PREFIX + name: value for name, value in claims.items()}),
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP_ROWS,
        # Only what repeats is worth a dictionary; paths and etags of a million objects do not.
        use_dictionary=[name for name in ("etag", "version_id") if name in table.column_names],
        write_statistics=["path"] if "path" in table.column_names else False,
    )


def read_claims(path: Path, *, kind: str) -> Claims:
    """Only the metadata of a file, in a time that does not depend on its rows."""
    with _Opened(path, kind) as file:
        return _claims(file.parquet, path, kind)


def read_parquet(path: Path, schema: pa.Schema, *, kind: str) -> tuple[pa.Table, Claims]:
    """The rows and claims of a file.

    NotFoundError `<kind>-not-found`, DamagedError `<kind>-damaged`, ConflictError `<kind>-newer`.
    """
    with _Opened(path, kind) as file:
        claims = _claims(file.parquet, path, kind)
        table = file.parquet.read().replace_schema_metadata(None)
    if not table.schema.equals(schema):
        raise damaged(path, kind, "its columns are not those of this layout")
    return table, claims


def damaged(path: Path, kind: str, why: str) -> DamagedError:
    """The error for a file whose content cannot be believed."""
    return DamagedError(
        f"{kind}-damaged", f"The {kind} file {path} is damaged: {why}.", todo="Restore the file from a backup."
    )


class _Opened:
    """An open Parquet file whose every read error becomes forebay's."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind

    def __enter__(self) -> _Opened:
        try:
            self.parquet = pq.ParquetFile(self._path)
        except (OSError, pa.ArrowException) as error:
            raise self._translated(error) from error
        return self

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self.parquet.close(force=True)
        if isinstance(error, (OSError, pa.ArrowException)):
            raise self._translated(error) from error

    def _translated(self, error: BaseException) -> Exception:
        if isinstance(error, FileNotFoundError):
            return NotFoundError(f"{self._kind}-not-found", f"There is no {self._kind} file {self._path}.")
        # Arrow reports torn pages as plain OSErrors; only those with an errno come from the system.
        if isinstance(error, OSError) and error.errno is not None:
            return UnavailableError(f"{self._kind}-unreadable", f"Cannot read the {self._kind} {self._path}: {error}.")
        return damaged(self._path, self._kind, f"it is no whole Parquet file ({str(error).splitlines()[0]})")


def _claims(file: pq.ParquetFile, path: Path, kind: str) -> Claims:
    found = {
        name.decode().removeprefix(_PREFIX): value.decode(errors="replace")
        for name, value in (file.metadata.metadata or {}).items()
        if name.startswith(_PREFIX.encode())
    }
    layout = found.pop("layout", "")
    if found.pop("kind", "") != kind or not layout.isdecimal():
        raise damaged(path, kind, f"it is a Parquet file, but no {kind}")
    if int(layout) > LAYOUT:
        raise ConflictError(
            f"{kind}-newer",
            f"The {kind} {path} has layout {layout}; this forebay reads up to {LAYOUT}.",
            todo="Upgrade forebay.",
        )
    return Claims(digest=found.pop("digest", ""), rows=file.metadata.num_rows, facts=found)
