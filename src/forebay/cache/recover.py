"""Brings the hub's records and a volume together again: after a kill, a power cut, or the loss of the hub's database.

It looks, plans (`repair`, pure), and only then acts. What it takes out of use rests in the trash as quarantine first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import structlog

from forebay.cache.contents import distinct_digests, read_manifest
from forebay.cache.fill import account_bytes
from forebay.cache.machine import HOLD_SECONDS
from forebay.cache.place import discard
from forebay.cache.repair import BlobsFound, Repairs, TreeFound, plan_repairs
from forebay.cache.verify import quarantine, unmark
from forebay.cache.volume import MANIFEST, RESERVED, SEAL, Completed, VolumeLayout, read_completed
from forebay.catalog.manifest import Manifest
from forebay.clock import Clock
from forebay.errors import ConflictError, DamagedError, ForebayError, NotFoundError
from forebay.fsio import Disk
from forebay.wire.catalog import MadeBy, NewVersion, Version
from forebay.wire.hub import Hub

_log = structlog.get_logger("forebay.recover")

QUARANTINE_SECONDS = 7 * 86400.0
_VERSION = re.compile(r"v([1-9][0-9]*)")


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What recover found and did (or, dry, would do)."""

    repairs: Repairs
    restored: list[str] = field(default_factory=list)
    emptied_trash: int = 0
    stuck: list[Path] = field(default_factory=list)
    used_bytes: int = 0


def recover(
    hub: Hub, layout: VolumeLayout, volume_id: str, *, disk: Disk, clock: Clock, force: bool, dry_run: bool
) -> Recovered:
    """Look at the whole volume and mend the records; DamagedError `brake` when too much would be given up."""
    seen = _Look(layout)
    repairs = plan_repairs(
        replicas=hub.replicas.all(volume_id),
        trees=seen.trees,
        blobs=seen.blobs(),
        fills=hub.fills.open_fills(volume_id),
        incoming=_names(layout.incoming),
        now=clock.now(),
        hold_seconds=HOLD_SECONDS,
    )
    if repairs.brake and not force and not dry_run:
        raise DamagedError(
            "brake",
            f"{layout.root}: {repairs.brake}",
            todo="Is the right volume mounted? See the list with --dry-run; if it is true, run again with --force.",
        )
    done = Recovered(repairs=repairs)
    if not dry_run:
        _Repair(hub, layout, volume_id, disk, clock, done).run(seen)
    return done


class _Look:
    """One look at everything under roots/."""

    def __init__(self, layout: VolumeLayout) -> None:
        self._layout = layout
        self.manifests: dict[Path, Manifest] = {}
        self.trees = [self._tree(group, path) for group, path in layout.tree_paths()]

    def _tree(self, group: str, path: Path) -> TreeFound:
        completed = read_completed(path)
        named = _VERSION.fullmatch(path.name)
        number = int(named[1]) if named else 0
        fault = "" if completed is None else self._fault(path, completed, number)
        return TreeFound(
            group=group, dataset=path.parent.name, number=number, path=path, completed=completed, fault=fault
        )

    def _fault(self, path: Path, completed: Completed, number: int) -> str:
        if (completed.dataset, completed.number) != (path.parent.name, number):
            return f"its marker is {completed.ref}'s"
        seal = path / RESERVED / SEAL
        try:
            manifest = read_manifest(path / RESERVED / MANIFEST, seal if seal.exists() else None)
        except ForebayError as error:
            return f"its manifest: {error.message}"
        if manifest.manifest_digest != completed.manifest_digest:
            return "its manifest is another version's"
        self.manifests[path] = manifest
        return next(_wrong_sizes(path, manifest), "")

    def blobs(self) -> list[BlobsFound]:
        return [self._blobs(group) for group in self._layout.groups()]

    def _blobs(self, group: str) -> BlobsFound:
        folder = self._layout.blobs(group)
        names = [name for shard in _names(folder) for name in _names(folder / shard)]
        listed: set[str] = set()
        for tree in self.trees:
            if tree.group == group and tree.path in self.manifests:
                digests: pa.ChunkedArray = distinct_digests(self.manifests[tree.path])["digest"]
                listed.update(digest.hex() for digest in digests.to_pylist())
        return BlobsFound(group=group, blobs=len(names), orphans=tuple(n for n in sorted(names) if n not in listed))


class _Repair:
    """Carries the plan out, one thing after another; what fails is logged and does not stop the rest."""

    def __init__(
        self, hub: Hub, layout: VolumeLayout, volume_id: str, disk: Disk, clock: Clock, done: Recovered
    ) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._disk = disk
        self._clock = clock
        self._done = done

    def run(self, seen: _Look) -> None:
        repairs = self._done.repairs
        for tree in repairs.adopt:
            self._adopt(tree)
        for replica in repairs.forget:
            version = self._hub.catalog.resolve(replica.ref)
            self._hub.replicas.forget(self._volume_id, version, "not on the volume (recover)")
        for tree in repairs.damaged:
            self._damage(tree)
        now = self._clock.now()
        for tree in repairs.orphan_trees:
            name = f"quarantine-{now:.0f}-tree-{tree.dataset}-{tree.path.name}"
            discard(self._layout, tree.path, name, self._disk)
        for group, digests in repairs.orphan_blobs.items():
            for digest in digests:
                quarantine(self._layout, group, digest, self._disk, now=now)
        for name in repairs.remove_incoming:
            self._done.stuck += self._disk.remove_tree(self._layout.incoming / name)
        self._empty_trash(now)
        self._done.used_bytes = account_bytes(self._layout)
        self._hub.volumes.set_used_bytes(self._volume_id, self._done.used_bytes)

    def _adopt(self, tree: TreeFound) -> None:
        completed = tree.completed
        if completed is None:
            return
        version = self._version_of(tree, completed)
        if version.manifest_digest != completed.manifest_digest:
            _log.warning("tree-of-another-history", ref=tree.ref, path=str(tree.path))
            return
        self._restore_seal(tree)
        self._hub.replicas.adopt(self._volume_id, version, completed.token, completed.fill_seconds)

    def _version_of(self, tree: TreeFound, completed: Completed) -> Version:
        """The version in the catalog; put back from the tree when the catalog has lost it."""
        with suppress(NotFoundError):
            return self._hub.catalog.resolve(completed.ref)
        self._hub.catalog.store_manifest(tree.path / RESERVED / MANIFEST)
        new = NewVersion(
            dataset=completed.dataset,
            manifest_digest=completed.manifest_digest,
            origin="committed" if completed.origin == "committed" else "registered",
            lake_url=completed.lake_url,
            profile=completed.profile,
            message="restored from the volume by recover",
            made_by=MadeBy(),
        )
        version = self._hub.catalog.restore_version(new, completed.number)
        self._done.restored.append(version.ref)
        return version

    def _restore_seal(self, tree: TreeFound) -> None:
        seal = tree.path / RESERVED / SEAL
        if seal.exists() and tree.completed is not None:
            self._hub.catalog.seal(tree.completed.manifest_digest, self._hub.catalog.store_seal(seal))

    def _damage(self, tree: TreeFound) -> None:
        unmark(tree.path, self._disk)
        with suppress(ConflictError):
            self._hub.replicas.mark_damaged(self._volume_id, self._hub.catalog.resolve(tree.ref), tree.fault)

    def _empty_trash(self, now: float) -> None:
        for name in _names(self._layout.trash):
            named = re.match(r"quarantine-(\d+)-", name)
            if named and now - int(named[1]) < QUARANTINE_SECONDS:
                continue
            stuck = self._disk.remove_tree(self._layout.trash / name)
            self._done.stuck += stuck
            self._done.emptied_trash += not stuck


def _wrong_sizes(tree: Path, manifest: Manifest) -> Iterator[str]:
    for entry in manifest.entries():
        try:
            found = (tree / entry.path).stat().st_size
        except OSError as error:
            yield f"{entry.path}: {error.strerror}"
            continue
        if found != entry.size_bytes:
            yield f"{entry.path} has {found} bytes, not {entry.size_bytes}"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
