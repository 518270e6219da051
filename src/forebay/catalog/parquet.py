"""Content-addressed Parquet files: a table whose metadata names its kind, its layout and its own digest.

Reading gives back the columns and the claims; whoever reads must recompute the digest before believing them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from forebay.errors import ConflictError, DamagedError, ForebayError, NotFoundError, UnavailableError

LAYOUT = 1
_PREFIX = "forebay."
_ROW_GROUP_ROWS = 1 << 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a file's metadata says about it: not yet checked against its rows."""

    digest: str
    rows: int
    facts: Mapping[str, str]


class OpenParquet:
    """An open file: its claims, and its rows as far as they are asked for."""

    def __init__(self, file: pq.ParquetFile, claims: Claims) -> None:
        self._file = file
        self.claims = claims

    def column(self, name: str) -> pa.ChunkedArray:
        """One column, in memory of its own: what the columns before it left in Arrow's pool is given back first."""
        pa.default_memory_pool().release_unused()
        return self._file.read(columns=[name], use_threads=False)[name]

    def row(self, index: int) -> dict[str, Any]:
        """One row, of which only its own group is read; IndexError."""
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if index < rows:
                found: list[dict[str, Any]] = (
                    self._file.read_row_group(group, use_threads=False).slice(index, 1).to_pylist()
                )
                return found[0]
            index -= rows
        raise IndexError(index)

    def table(self) -> pa.Table:
        """All rows. Read by this thread alone: Arrow's own threads would each keep what they once needed."""
        pa.default_memory_pool().release_unused()
        table = self._file.read(use_threads=False).replace_schema_metadata(None)
        pa.default_memory_pool().release_unused()
        return table


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
        write_page_checksum=True,
        write_statistics=["path"] if "path" in table.column_names else False,
    )


@contextmanager
def open_parquet(path: Path, schema: pa.Schema, *, kind: str) -> Iterator[OpenParquet]:
    """A file of this kind whose columns are those of the schema; its rows are read when asked for.

    NotFoundError `<kind>-not-found`, DamagedError `<kind>-damaged`, ConflictError `<kind>-newer`; read errors within
    the block become these, too.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            claims = _claims(file, path, kind)
            if not file.schema_arrow.remove_metadata().equals(schema):
                raise damaged(path, kind, "its columns are not those of this layout")
            yield OpenParquet(file, claims)
    except (OSError, pa.ArrowException) as error:
        raise _translated(error, path, kind) from error


def damaged(path: Path, kind: str, why: str) -> DamagedError:
    """The error for a file whose content cannot be believed."""
    return DamagedError(
        f"{kind}-damaged", f"The {kind} file {path} is damaged: {why}.", todo="Restore the file from a backup."
    )


def _translated(error: OSError | pa.ArrowException, path: Path, kind: str) -> ForebayError:
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{kind}-not-found", f"There is no {kind} file {path}.")
    # Arrow reports torn pages as plain OSErrors; only those with an errno come from the system.
    if isinstance(error, OSError) and error.errno is not None:
        return UnavailableError(f"{kind}-unreadable", f"Cannot read the {kind} file {path}: {error}.")
    return damaged(path, kind, f"it is no whole Parquet file ({str(error).splitlines()[0]})")


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
