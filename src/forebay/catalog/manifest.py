"""A version's list of files: path, size, digest, and the lake object that each is, sorted by path.

Its identity, the manifest digest, covers what was registered (path, size, key, etag, version id) or what was committed
(path, size, digest). Digests learned later belong to the seal and never change it. Invariant: IMMUTABLE.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from forebay.catalog.canonical import DIGEST_TYPE, encoded_digest
from forebay.catalog.parquet import Claims, OpenParquet, damaged, open_parquet, write_parquet
from forebay.catalog.paths import check_path, check_paths
from forebay.errors import InputError, NotFoundError
from forebay.wire.catalog import VersionOrigin

if TYPE_CHECKING:
    from forebay.catalog.seal import Seal

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("digest", DIGEST_TYPE),
        pa.field("key", pa.string(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("version_id", pa.string(), nullable=False),
    ]
)

_KIND = "manifest"
_IDENTITY: dict[VersionOrigin, tuple[str, ...]] = {
    "registered": ("path", "size_bytes", "key", "etag", "version_id"),
    "committed": ("path", "size_bytes", "digest"),
}
_BATCH_ROWS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file. `digest` is lower-case hex, None while nobody has read the object; `key` is relative to the lake root.

    An empty `key` stands for the path itself; an empty `etag` or `version_id` for "the lake gave none".
    """

    path: str
    size_bytes: int
    digest: str | None = None
    key: str = ""
    etag: str = ""
    version_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """What a manifest file's metadata says, without reading its rows."""

    manifest_digest: str
    origin: VersionOrigin
    files: int
    size_bytes: int
    recipe_digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Manifest:
    """Make one with `registered`, `committed` or `read`. `table` has the columns of `SCHEMA`.

    `recipe_digest` is that of what its cut files are made of, "" where all are whole objects; it belongs to the
    identity: two files cut differently out of one object may well have one size.
    """

    origin: VersionOrigin
    manifest_digest: str
    table: pa.Table
    recipe_digest: str = ""

    @classmethod
    def registered(cls, rows: pa.Table | pa.RecordBatch | Iterable[Entry], *, recipe_digest: str = "") -> Manifest:
        """The manifest of objects as a listing showed them; digests in `rows` are ignored.

        Arrow rows need `path` and `size_bytes`; `key` (default: the path), `etag` and `version_id` (default: "") may
        be absent or null. Order does not matter. InputError as `check_paths` says, or `bad-rows`.
        """
        return cls._made("registered", rows, recipe_digest)

    @classmethod
    def committed(cls, rows: pa.Table | pa.RecordBatch | Iterable[Entry]) -> Manifest:
        """The manifest of files whose digests are known; InputError `bad-rows` where one is missing.

        Neither keys nor etags are part of its identity: two commits of the same files are the same version.
        """
        return cls._made("committed", rows)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """A manifest file, recomputed and compared; DamagedError `manifest-damaged`, NotFoundError, ConflictError."""
        with cls.opened(path) as file:
            facts, table = _facts(path, file.claims), file.table()
            _compare(path, facts, lambda name: table[name])
        kept = table if facts.origin == "committed" else _without_digests(table)
        return cls(
            origin=facts.origin,
            manifest_digest=facts.manifest_digest,
            table=kept,
            recipe_digest=facts.recipe_digest,
        )

    @classmethod
    def verify(cls, path: Path) -> ManifestFacts:
        """Check a manifest file that somebody else wrote, also its paths, holding a column or two at a time.

        Errors as from `read`, and InputError as from `check_paths`, or `bad-rows` when it is not in order.
        """
        with cls.opened(path) as file:
            facts = _recomputed(path, file)
            if facts.origin == "registered" and file.column("digest").null_count != facts.files:
                raise damaged(path, _KIND, "a registered file has a digest, which belongs into a seal")
            paths = file.column("path")
            if not _in_order(paths):
                raise _bad_rows("the paths are not in order")
            check_paths(paths)
        return facts

    @classmethod
    def verify_again(cls, path: Path) -> ManifestFacts:
        """Check a file that `verify` has passed before: rows that have the digest still are what was checked then."""
        with cls.opened(path) as file:
            return _recomputed(path, file)

    @classmethod
    def opened(cls, path: Path) -> AbstractContextManager[OpenParquet]:
        """A manifest file for who needs some columns only; unchecked."""
        return open_parquet(path, SCHEMA, kind=_KIND)

    @classmethod
    def facts(cls, path: Path) -> ManifestFacts:
        """What a manifest file says of itself, quickly and unchecked."""
        with cls.opened(path) as file:
            return _facts(path, file.claims)

    def write(self, path: Path) -> None:
        """Write the manifest file. Learned digests are left out: they are the seal's."""
        table = self.table if self.origin == "committed" else _without_digests(self.table)
        facts = {"origin": self.origin, "size_bytes": str(self.size_bytes)}
        facts |= {"recipe": self.recipe_digest} if self.recipe_digest else {}
        write_parquet(path, table, kind=_KIND, digest=self.manifest_digest, facts=facts)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def path_at(self, row: int) -> str:
        """The path of the file in this row."""
        return str(self.table["path"][row].as_py())

    @property
    def file_name(self) -> str:
        return f"{self.manifest_digest}.parquet"

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return int(pc.sum(self.table["size_bytes"]).as_py() or 0)

    @property
    def sealed(self) -> bool:
        """Whether the digest of every file is known."""
        return int(self.table["digest"].null_count) == 0

    def entries(self) -> Iterator[Entry]:
        """All files, by path, made a batch at a time."""
        for batch in self.table.to_batches(max_chunksize=_BATCH_ROWS):
            yield from map(_entry, *(column.to_pylist() for column in batch.columns))

    def entry(self, path: str) -> Entry:
        """One file; NotFoundError `file-not-found`."""
        # Python compares code points and Arrow UTF-8 bytes, which is the same order.
        paths = self.table["path"]
        at = bisect_left(range(len(self)), path, key=lambda row: paths[row].as_py())
        if at == len(self) or paths[at].as_py() != path:
            raise NotFoundError("file-not-found", f"There is no file {path!r} in this version.")
        return _entry(**self.table.slice(at, 1).to_pylist()[0])

    def of_rows(self, rows: pa.Table) -> Manifest:
        """The manifest of some rows of this one's table, in its order; what is known of their digests stays."""
        return Manifest(origin=self.origin, manifest_digest=_digest(self.origin, rows.column), table=rows)

    def with_seal(self, seal: Seal) -> Manifest:
        """The same manifest with the seal's digests where it had none; its identity stays. InputError `wrong-seal`."""
        if seal.manifest_digest != self.manifest_digest or len(seal.digests) != len(self):
            raise InputError("wrong-seal", f"The seal {seal.seal_digest} is not one of {self.manifest_digest}.")
        digests = pc.coalesce(self.table["digest"], seal.digests)
        return Manifest(
            origin=self.origin,
            manifest_digest=self.manifest_digest,
            table=self.table.set_column(2, SCHEMA.field("digest"), digests),
            recipe_digest=self.recipe_digest,
        )

    @classmethod
    def _made(
        cls, origin: VersionOrigin, rows: pa.Table | pa.RecordBatch | Iterable[Entry], recipe_digest: str = ""
    ) -> Manifest:
        table = _sorted(normalised(rows))
        if origin == "registered":
            table = _without_digests(table)
        elif table["digest"].null_count:
            raise _bad_rows("a committed file has no digest")
        check_paths(table["path"])
        digest = _digest(origin, table.column, recipe_digest)
        return cls(origin=origin, manifest_digest=digest, table=table, recipe_digest=recipe_digest)


def normalised(rows: pa.Table | pa.RecordBatch | Iterable[Entry]) -> pa.Table:
    """Rows in any accepted form as a table with exactly the columns of `SCHEMA`, checked but for their paths."""
    if isinstance(rows, pa.RecordBatch):
        rows = pa.Table.from_batches([rows])
    given = rows if isinstance(rows, pa.Table) else _from_entries(rows)
    if missing := {"path", "size_bytes"} - set(given.column_names):
        raise _bad_rows(f"the column {missing.pop()} is missing")
    try:
        table = pa.table([_column(given, field) for field in SCHEMA], schema=SCHEMA)
        table.validate(full=True)
    except (pa.ArrowException, ValueError) as error:
        raise _bad_rows(str(error).splitlines()[0]) from error
    if pc.any(pc.less(table["size_bytes"], 0)).as_py():
        raise _bad_rows("a size is negative")
    return table


def _column(given: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name not in given.column_names:
        if field.name == "key":
            return _column(given, SCHEMA.field("path"))
        return pa.chunked_array([pa.array([None if field.nullable else ""], field.type).take(_zeros(len(given)))])
    column = given[field.name].cast(field.type)
    if field.nullable or not column.null_count:
        return column
    if field.name in ("path", "size_bytes"):
        raise ValueError(f"a {field.name} is null")
    return pc.coalesce(column, _column(given, SCHEMA.field("path")) if field.name == "key" else pa.scalar(""))


def _zeros(count: int) -> pa.Array:
    return pa.repeat(pa.scalar(0, pa.int8()), count)


def _from_entries(entries: Iterable[Entry]) -> pa.Table:
    listed = list(entries)
    for entry in listed:
        check_path(entry.path)
    try:
        values = {
            "path": [entry.path for entry in listed],
            "size_bytes": [entry.size_bytes for entry in listed],
            "digest": [entry.digest and bytes.fromhex(entry.digest) for entry in listed],
            "key": [entry.key or entry.path for entry in listed],
            "etag": [entry.etag for entry in listed],
            "version_id": [entry.version_id for entry in listed],
        }
        return pa.table({name: pa.array(column, SCHEMA.field(name).type) for name, column in values.items()})
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise _bad_rows(str(error)) from error


def _sorted(table: pa.Table) -> pa.Table:
    return table if _in_order(table["path"]) else table.take(pc.sort_indices(table["path"]))


def _in_order(paths: pa.ChunkedArray) -> bool:
    return len(paths) < 2 or bool(pc.all(pc.less_equal(paths.slice(0, len(paths) - 1), paths.slice(1))).as_py())


def _without_digests(table: pa.Table) -> pa.Table:
    if table["digest"].null_count == len(table):
        return table
    return table.set_column(2, SCHEMA.field("digest"), pa.nulls(len(table), DIGEST_TYPE))


def _digest(origin: VersionOrigin, column: Callable[[str], pa.ChunkedArray], recipe_digest: str = "") -> str:
    recipe = f"recipe {recipe_digest}\n" if recipe_digest else ""
    return encoded_digest(f"forebay manifest 1 {origin}\n{recipe}".encode(), map(column, _IDENTITY[origin]))


def _compare(path: Path, facts: ManifestFacts, column: Callable[[str], pa.ChunkedArray]) -> None:
    """Recompute what a file claims; DamagedError."""
    try:
        digest = _digest(facts.origin, column, facts.recipe_digest)
    except ValueError as error:
        raise damaged(path, _KIND, str(error)) from error
    if digest != facts.manifest_digest:
        raise damaged(path, _KIND, f"its rows have the digest {digest}, not {facts.manifest_digest}")
    if (pc.sum(column("size_bytes")).as_py() or 0) != facts.size_bytes:
        raise damaged(path, _KIND, "its size is not that of its rows")


def _recomputed(path: Path, file: OpenParquet) -> ManifestFacts:
    """What a file says of itself, compared with its rows a column at a time."""
    facts = _facts(path, file.claims)
    _compare(path, facts, file.column)
    return facts


def _facts(path: Path, claims: Claims) -> ManifestFacts:
    origin: VersionOrigin = "committed" if claims.facts.get("origin") == "committed" else "registered"
    try:
        size_bytes = int(claims.facts["size_bytes"])
    except (KeyError, ValueError) as error:
        raise damaged(path, _KIND, "its metadata is incomplete") from error
    if claims.facts.get("origin") != origin:
        raise damaged(path, _KIND, "its origin is unknown")
    return ManifestFacts(
        manifest_digest=claims.digest,
        origin=origin,
        files=claims.rows,
        size_bytes=size_bytes,
        recipe_digest=claims.facts.get("recipe", ""),
    )


def _entry(path: str, size_bytes: int, digest: bytes | None, key: str, etag: str, version_id: str) -> Entry:
    return Entry(
        path=path,
        size_bytes=size_bytes,
        digest=None if digest is None else digest.hex(),
        key=key,
        etag=etag,
        version_id=version_id,
    )


def _bad_rows(why: str) -> InputError:
    return InputError("bad-rows", f"These rows cannot be a manifest: {why}.")
