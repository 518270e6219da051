"""Hashes the files of a replica against its manifest (VERIFIED), and takes damaged ones out of use.

BRAKE: when more than 5 % of the volume's files would be called damaged in one pass, nothing is done and somebody is
asked; an empty mount or a broken disk is not evidence against the data. One single file never brakes: a volume of few
files could not mend itself otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from forebay.cache.contents import distinct_digests, replica_manifest
from forebay.cache.memo import Memo, fingerprint
from forebay.cache.place import is_complete
from forebay.cache.quarantine import quarantine_blob, unmark
from forebay.cache.repair import BRAKE_SHARE
from forebay.cache.volume import VolumeLayout
from forebay.catalog.manifest import Manifest
from forebay.clock import Clock
from forebay.digest import digest_file
from forebay.errors import ConflictError, DamagedError
from forebay.fsio import Disk
from forebay.wire.cache import Replica, ReplicaState
from forebay.wire.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file that is not what the manifest says."""

    path: str
    digest: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """`hashed_bytes` were read; the other files had not changed since they were hashed last.

    `token` is that of the replica that was looked at: one that was filled since is another matter.
    """

    ref: str
    token: int
    files: int
    hashed_files: int
    hashed_bytes: int
    bad: tuple[BadFile, ...]


def verify_tree(
    tree: Path,
    replica: Replica,
    manifest: Manifest,
    memo: Memo,
    *,
    now: float,
    on_file: Callable[[int], object] = bool,
    on_read: Callable[[int], object] = bool,
) -> Verified:
    """Check every file of a tree; `on_file(size_bytes)` is called after each. Changes nothing on the volume.

    `on_read(size_bytes)` is called after every piece that was read to be hashed, and may wait.
    """
    bad: list[BadFile] = []
    files = hashed_files = hashed_bytes = 0
    for entry in manifest.entries():
        files += 1
        digest = entry.digest or ""
        assert digest, "the digests of a ready replica are all known"
        path = tree / entry.path
        try:
            seen = fingerprint(path)
        except OSError as error:
            bad.append(BadFile(path=entry.path, digest=digest, why=error.strerror or "unreadable"))
            continue
        if not memo.fresh(entry.path, seen, now):
            hashed_files += 1
            hashed_bytes += seen[2]
            why = _wrong(path, seen[2], entry.size_bytes, digest, on_read)
            if why:
                bad.append(BadFile(path=entry.path, digest=digest, why=why))
            else:
                memo.remember(entry.path, seen, now)
        on_file(entry.size_bytes)
    return Verified(
        ref=replica.ref,
        token=replica.token,
        files=files,
        hashed_files=hashed_files,
        hashed_bytes=hashed_bytes,
        bad=tuple(bad),
    )


def still_there(results: Sequence[Verified], replicas: Iterable[Replica]) -> list[Verified]:
    """Those whose replica is still the ready one that was looked at: files that went with an eviction are no damage.

    `replicas` were asked for after the look; an eviction is marked in the records before it moves anything.
    """
    tokens = {item.ref: item.token for item in replicas if item.state is ReplicaState.READY}
    return [result for result in results if tokens.get(result.ref) == result.token]


def brake(results: Sequence[Verified], files_on_volume: int) -> None:
    """DamagedError `brake` when more than 5 % of the volume's files, and more than one, would be called damaged."""
    bad = sum(len(result.bad) for result in results)
    if bad > max(1, BRAKE_SHARE * files_on_volume):
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
    replicas = {item.ref: item for item in hub.replicas.all(volume_id) if item.state is ReplicaState.READY}
    results = still_there(results, replicas.values())
    lost = {item.digest for result in results for item in result.bad}
    bad = {result.ref: result.bad[0] for result in results if result.bad}
    marked: list[Replica] = []
    for replica in replicas.values() if bad else ():
        version = hub.catalog.resolve(replica.ref)
        tree = layout.tree_of(version)
        if replica.ref not in bad and not _lists_any(replica_manifest(hub.catalog, version, tree), lost):
            continue
        first = bad.get(replica.ref)
        reason = f"{first.path}: {first.why}" if first else "shares a damaged file"
        unmark(tree, disk)
        with suppress(ConflictError):
            marked.append(hub.replicas.mark_damaged(volume_id, version, reason, token=replica.token))
    if lost:
        _unmark_going(hub, layout, volume_id, lost, disk)
    for group in {replica.group for replica in marked}:
        for digest in lost:
            quarantine_blob(layout, group, digest, disk, now=clock.now())
    return marked


def _unmark_going(hub: Hub, layout: VolumeLayout, volume_id: str, lost: set[str], disk: Disk) -> None:
    """An eviction that was begun may be taken back; a fill that only has to be told looks at its blobs again itself."""
    for replica in hub.replicas.all(volume_id):
        if replica.state is ReplicaState.EVICTING:
            version = hub.catalog.resolve(replica.ref)
            tree = layout.tree_of(version)
            if is_complete(tree) and _lists_any(replica_manifest(hub.catalog, version, tree), lost):
                unmark(tree, disk)


def _wrong(path: Path, found_bytes: int, size_bytes: int, digest: str, on_read: Callable[[int], object]) -> str:
    if found_bytes != size_bytes:
        return f"it has {found_bytes} bytes, not {size_bytes}"
    try:
        found = digest_file(path, on_read=on_read).hex()
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return "" if found == digest else f"its digest is {found[:16]}..., not {digest[:16]}..."


def _lists_any(manifest: Manifest, digests: set[str]) -> bool:
    return any(digest.hex() in digests for digest in distinct_digests(manifest)["digest"].to_pylist())
