"""Hashes the files of a replica against its manifest (VERIFIED), and takes damaged ones out of use.

BRAKE: when more than 5 % of the files of one pass would be called damaged, nothing is done and somebody is asked; an
empty mount or a broken disk is not evidence against the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forebay.cache.contents import distinct_digests, load_manifest
from forebay.cache.memo import Memo, fingerprint
from forebay.cache.repair import BRAKE_SHARE
from forebay.cache.volume import COMPLETE, DAMAGED, RESERVED, VolumeLayout
from forebay.catalog.manifest import Manifest
from forebay.clock import Clock
from forebay.digest import digest_file
from forebay.errors import ConflictError, DamagedError
from forebay.fsio import Disk
from forebay.wire.cache import Replica, ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file that is not what the manifest says."""

    path: str
    digest: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`hashed_bytes` were read; the other files had not changed since they were hashed last."""

    ref: str
    files: int
    hashed_files: int
    hashed_bytes: int
    bad: tuple[BadFile, ...]


def verify_tree(
    tree: Path, ref: str, manifest: Manifest, memo: Memo, *, now: float, on_file: Callable[[int], object] = bool
) -> Verified:
    """Check every file of a tree; `on_file(size_bytes)` is called after each. Changes nothing on the volume."""
    bad: list[BadFile] = []
    files = hashed_files = hashed_bytes = 0
    for entry in manifest.entries():
        files += 1
        digest = entry.digest or ""
        path = tree / entry.path
        try:
            seen = fingerprint(path)
        except OSError as error:
            bad.append(BadFile(path=entry.path, digest=digest, why=error.strerror or "unreadable"))
            continue
        if not memo.fresh(entry.path, seen, now):
            hashed_files += 1
            hashed_bytes += seen[2]
            why = _wrong(path, seen[2], entry.size_bytes, digest)
            if why:
                memo.forget(entry.path)
                bad.append(BadFile(path=entry.path, digest=digest, why=why))
            else:
                memo.remember(entry.path, seen, now)
        on_file(entry.size_bytes)
    return Verified(ref=ref, files=files, hashed_files=hashed_files, hashed_bytes=hashed_bytes, bad=tuple(bad))


def brake(results: Sequence[Verified], files_on_volume: int) -> None:
    """DamagedError `brake` when more than 5 % of the volume's files would be called damaged in one pass."""
    bad = sum(len(result.bad) for result in results)
    if bad > BRAKE_SHARE * files_on_volume:
        first = next(result for result in results if result.bad)
        raise DamagedError(
            "brake",
            f"{bad} of {files_on_volume} files on the volume look damaged,"
            f" first {first.ref}: {first.bad[0].path} ({first.bad[0].why})",
            todo="Is the volume mounted and healthy? If the files are really damaged, run again with --force.",
        )


def take_out(
    hub: Hub, layout: VolumeLayout, volume_id: str, results: Sequence[Verified], disk: Disk, clock: Clock
) -> list[Replica]:
    """Quarantine bad blobs and mark every replica that lists one of them; returns those replicas.

    The next fill of each fetches only what is missing. Files of other replicas, and good files of these, stay.
    """
    lost = {item.digest for result in results for item in result.bad if item.digest}
    broken = {result.ref for result in results if result.bad}
    marked: list[Replica] = []
    for replica in hub.replicas.all(volume_id):
        if replica.state is not ReplicaState.READY:
            continue
        version = hub.catalog.resolve(replica.ref)
        if replica.ref in broken or _lists_any(hub, version, lost):
            unmark(layout.tree(version.group, version.dataset, version.number), disk)
            bad = next((result.bad for result in results if result.ref == replica.ref and result.bad), ())
            reason = f"{bad[0].path}: {bad[0].why}" if bad else "shares a damaged file"
            with suppress(ConflictError):
                marked.append(hub.replicas.mark_damaged(volume_id, version, reason))
    for group in {replica.group for replica in marked}:
        for digest in lost:
            quarantine(layout, group, digest, disk, now=clock.now())
    return marked


def unmark(tree: Path, disk: Disk) -> None:
    """Take away a tree's marker, so that nobody opens it as complete."""
    reserved = tree / RESERVED
    with suppress(FileNotFoundError):
        disk.set_mode(reserved, 0o755)
        disk.rename(reserved / COMPLETE, reserved / DAMAGED)


def quarantine(layout: VolumeLayout, group: str, digest: str, disk: Disk, *, now: float) -> None:
    """Move a blob out of use but keep its bytes, until recover clears the trash."""
    disk.make_directories(layout.trash)
    with suppress(FileNotFoundError):
        disk.rename(layout.blob(group, digest), layout.trash / f"quarantine-{now:.0f}-{digest}")


def _wrong(path: Path, found_bytes: int, size_bytes: int, digest: str) -> str:
    if found_bytes != size_bytes:
        return f"it has {found_bytes} bytes, not {size_bytes}"
    try:
        found = digest_file(path).hex()
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return "" if found == digest else f"its digest is {found[:16]}..., not {digest[:16]}..."


def _lists_any(hub: Hub, version: Version, digests: set[str]) -> bool:
    known = distinct_digests(load_manifest(hub.catalog, version))["digest"].to_pylist()
    return any(digest.hex() in digests for digest in known)
