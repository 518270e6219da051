"""Brings a local directory into the lake as content-addressed blobs, and its manifest last.

A blob goes to `<prefix>blobs/ab/<digest>` only with bytes that have that digest, checked while they are sent. What is
in the lake already is never sent again, and a publication that broke off goes on by being repeated.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore

from forebay.catalog.manifest import Entry, Manifest
from forebay.digest import new_hasher
from forebay.errors import DamagedError
from forebay.fsio import Disk
from forebay.lake.backoff import Patience
from forebay.lake.faults import OBSTORE_ERRORS, read_fault, request_error
from forebay.lake.fetch import Cancelled
from forebay.lake.listing import list_pages
from forebay.lake.look import look, look_many
from forebay.lake.stores import LakeStore
from forebay.lake.walk import LocalFile, changed, digest_of, read_file, walk

if TYPE_CHECKING:
    from obstore import PutMode

PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 4
_FILES_AT_ONCE = 4
_SMALL_FILES_AT_ONCE = 16
# Up to here asking for each blob costs less than listing all blobs of the lake.
_LOOKED_UP = 1000
_PARTIAL = ".partial"

Stage = Literal["hashed", "sent"]
OnProgress = Callable[[Stage, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob that the lake lacks, and a file that has its bytes. `replaces` a damaged one, of another size."""

    digest: str
    key: str
    file: LocalFile
    replaces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A directory that was read and compared with the lake; nothing was sent yet. `missing` has each blob once."""

    manifest: Manifest
    prefix: str
    missing: tuple[Blob, ...]
    present_files: int
    present_bytes: int

    @property
    def missing_bytes(self) -> int:
        return sum(blob.file.size_bytes for blob in self.missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What came of it. Files that were `present` (or doubles of sent ones) were not sent."""

    manifest: Manifest
    manifest_key: str
    sent_files: int
    sent_bytes: int
    present_files: int
    present_bytes: int


def prepare(
    directory: Path,
    store: LakeStore,
    *,
    prefix: str = "",
    cancelled: Cancelled = bool,
    on_progress: OnProgress = lambda _stage, _bytes: None,
) -> Publication:
    """Hash all files of `directory` and find out which blobs the lake lacks; this much is a dry run.

    `prefix` is empty or ends with a slash. Errors as `walk` and the lake make them.
    """
    files = walk(directory)
    digests = _hash_all(files, cancelled, on_progress)
    by_digest = dict(zip(digests, files, strict=True))
    sizes = _sizes_in_lake(store, prefix, by_digest)
    missing = tuple(
        Blob(digest=digest, key=_blob_key(prefix, digest), file=file, replaces=digest in sizes)
        for digest, file in by_digest.items()
        if sizes.get(digest) != file.size_bytes
    )
    entries = (
        Entry(path=file.path, size_bytes=file.size_bytes, digest=digest, key=_blob_key(prefix, digest))
        for digest, file in zip(digests, files, strict=True)
    )
    return Publication(
        manifest=Manifest.committed(entries),
        prefix=prefix,
        missing=missing,
        present_files=len(files) - len(missing),
        present_bytes=sum(file.size_bytes for file in files) - sum(blob.file.size_bytes for blob in missing),
    )


def publish(
    publication: Publication,
    store: LakeStore,
    *,
    dataset: str,
    cancelled: Cancelled = bool,
    on_progress: OnProgress = lambda _stage, _bytes: None,
) -> Published:
    """Send the missing blobs, see that they are there, then put the manifest.

    ConflictError `file-changed`; DamagedError `blob-mismatch` when the lake does not hold what was sent; errors of the
    lake; `concurrent.futures.CancelledError`. May be repeated.
    """
    _send_all(publication, store, cancelled, on_progress)
    _give_names(store, [blob.key for blob in publication.missing])
    _check_sent(publication, store)
    manifest = publication.manifest
    key = f"{publication.prefix}manifests/{dataset}/{manifest.file_name}"
    _put_manifest(store, key, manifest)
    _give_names(store, [key])
    return Published(
        manifest=manifest,
        manifest_key=key,
        sent_files=len(publication.missing),
        sent_bytes=publication.missing_bytes,
        present_files=publication.present_files,
        present_bytes=publication.present_bytes,
    )


def _hash_all(files: list[LocalFile], cancelled: Cancelled, on_progress: OnProgress) -> list[str]:
    def one(file: LocalFile) -> str:
        if cancelled():
            raise CancelledError
        digest = digest_of(file)
        on_progress("hashed", file.size_bytes)
        return digest

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="forebay-hash") as pool:
        return list(pool.map(one, files))


def _sizes_in_lake(store: LakeStore, prefix: str, digests: Iterable[str]) -> dict[str, int]:
    """The size of each of these blobs that the lake holds."""
    wanted = {_blob_key(prefix, digest): digest for digest in digests}
    if len(wanted) <= _LOOKED_UP:
        looks = zip(wanted.values(), look_many(store, ((key, "") for key in wanted)), strict=True)
        return {digest: meta["size"] for digest, meta in looks if meta is not None}
    pages = list_pages(store, f"{prefix}blobs", Patience())
    return {wanted[meta["path"]]: meta["size"] for page in pages for meta in page if meta["path"] in wanted}


def _blob_key(prefix: str, digest: str) -> str:
    return f"{prefix}blobs/{digest[:2]}/{digest}"


def _send_all(publication: Publication, store: LakeStore, cancelled: Cancelled, on_progress: OnProgress) -> None:
    def one(blob: Blob) -> None:
        if cancelled():
            raise CancelledError
        _send(store, blob)
        on_progress("sent", blob.file.size_bytes)

    small = [blob for blob in publication.missing if blob.file.size_bytes <= PART_BYTES]
    large = [blob for blob in publication.missing if blob.file.size_bytes > PART_BYTES]
    for blobs, at_once in ((large, _FILES_AT_ONCE), (small, _SMALL_FILES_AT_ONCE)):
        with ThreadPoolExecutor(at_once, thread_name_prefix="forebay-send") as pool:
            for _ in pool.map(one, blobs):
                pass


def _send(store: LakeStore, blob: Blob) -> None:
    """Put one blob. Another committer may do the same at the same time: the bytes are the same, whoever wins.

    The loser may be told anything (Azure: that its blocks are unknown), so what is there decides.
    """
    chunks, key = _verified(blob.file, blob.digest), _landing(store, blob.key)
    try:
        if blob.file.size_bytes <= PART_BYTES:
            mode: PutMode = "overwrite" if blob.replaces or key != blob.key else "create"
            obstore.put(store.requests, key, b"".join(chunks), mode=mode, use_multipart=False)
        else:
            obstore.put(store.requests, key, chunks, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        return
    except OBSTORE_ERRORS as error:
        fault = read_fault(error)
    there = look(store, key)
    if there is None or there["size"] != blob.file.size_bytes:
        raise request_error(fault, store.root_url, blob.key)


def _verified(file: LocalFile, digest: str) -> Iterator[bytes]:
    """The file's chunks; the last one only after all of them have the digest, so that nothing else is ever put."""
    hasher, held = new_hasher(), b""
    for chunk in read_file(file):
        if held:
            yield held
        hasher.update(chunk)
        held = chunk
    if hasher.hexdigest() != digest:
        raise changed(file)
    yield held


def _check_sent(publication: Publication, store: LakeStore) -> None:
    sizes = _sizes_in_lake(store, publication.prefix, (blob.digest for blob in publication.missing))
    for blob in publication.missing:
        if sizes.get(blob.digest) != blob.file.size_bytes:
            held = f"{sizes[blob.digest]} bytes" if blob.digest in sizes else "nothing"
            why = f"{store.subject(blob.key)}: the lake holds {held} after {blob.file.size_bytes} bytes were sent."
            raise DamagedError("blob-mismatch", why, todo="Look at the lake; then commit again.")


def _put_manifest(store: LakeStore, key: str, manifest: Manifest) -> None:
    with tempfile.TemporaryDirectory(prefix="forebay-publish-") as folder:
        file = Path(folder, manifest.file_name)
        manifest.write(file)
        try:
            landing = _landing(store, key)
            obstore.put(store.requests, landing, file, chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
            return
        except OBSTORE_ERRORS as error:
            fault = read_fault(error)
    raise request_error(fault, store.root_url, key)


def _landing(store: LakeStore, key: str) -> str:
    """Where an object is put first. Object stores put whole or not at all; a local file could be a name without bytes
    after a power cut, which a later publication would take for the blob."""
    return key if store.folder is None else f"{key}{_PARTIAL}"


def _give_names(store: LakeStore, keys: list[str]) -> None:
    """On a local file system: names only for bytes that are durable, and durable names."""
    if store.folder is None or not keys:
        return
    disk = Disk()
    disk.sync_file_system(store.folder)
    for key in keys:
        # Another committer of the same bytes may have done it already; `_check_sent` looks.
        with suppress(FileNotFoundError):
            disk.rename(store.folder / f"{key}{_PARTIAL}", store.folder / key)
    disk.sync_file_system(store.folder)
