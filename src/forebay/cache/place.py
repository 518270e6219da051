"""Puts a filled version in its place: blobs by digest, a tree of links, and the marker last of all.

Order (CRASH): bytes are durable before a blob has its name; blobs and links are durable before the tree has its name;
the tree is durable before the marker exists. Killed in between, the next fill finds blobs and goes on.
"""

from __future__ import annotations

from pathlib import Path

from forebay.cache.volume import (
    COMPLETE,
    DAMAGED,
    MANIFEST,
    RECIPE,
    RESERVED,
    SEAL,
    Completed,
    VolumeLayout,
    read_completed,
    write_completed,
)
from forebay.errors import ConflictError
from forebay.fsio import SEALED_DIRECTORY_MODE, Disk, links_refused, see_afresh, used_bytes_below

_TREE = "tree"
_MARK_BYTES = 64 << 10


class Placer:
    """Places one version. `folder` is the holder's own folder under incoming/; `place` is where the tree will be.

    `copied_bytes` counts what had to be copied because the file system refused a link.
    """

    def __init__(self, layout: VolumeLayout, group: str, place: Path, folder: Path, disk: Disk) -> None:
        self._layout = layout
        self._group = group
        self._place = place
        self._disk = disk
        self._tree = folder / _TREE
        self._folders = {""}
        self._shards: set[str] = set()
        self._looked: set[Path] = set()
        self.copied_bytes = 0

    def begin(self) -> None:
        """An empty tree beside the temp files."""
        self._disk.remove_tree(self._tree)
        self._disk.make_directories(self._tree / RESERVED)
        self._disk.make_directories(self._place.parent)

    def links(self) -> bool:
        """Whether this volume can link at all: without, every tree is a copy and needs its bytes twice."""
        probe, name = self._tree / RESERVED / "probe", self._tree / RESERVED / "probe-link"
        self._disk.close(self._disk.create(probe))
        try:
            self._disk.link(probe, name)
        except OSError as error:
            if not links_refused(error):
                raise
            return False
        finally:
            self._disk.unlink(name)
            self._disk.unlink(probe)
        return True

    def look_again(self) -> None:
        """What was seen of the blobs is old: other machines may have brought some and taken others out of use."""
        self._looked.clear()

    def link(self, digest: str, path: str, size_bytes: int) -> bool:
        """Link a blob into the tree; False when the volume has no such blob, or only a part of one."""
        try:
            self._link(self._blob(digest), path)
        except FileNotFoundError:
            return False
        target = self._target(path)
        if target.stat().st_size == size_bytes:
            return True
        self._disk.unlink(target)
        return False

    def link_again(self, placed: str, path: str) -> None:
        """The same contents as `placed`, which is in the tree already, under another path."""
        self._link(self._target(placed), path)

    def keep(self, temp: Path, digest: str, path: str, size_bytes: int) -> bool:
        """Give a durable temp file its blob name and its place in the tree.

        False when the blob was there already; then the temp file stays where it is. The tree gets its link first: from
        then on no eviction of the same blob can take the bytes away.
        """
        if self.link(digest, path, size_bytes):
            return False
        self._link(temp, path)
        self._name(temp, digest)
        return True

    def restore_blob(self, digest: str, path: str) -> None:
        """Name a blob again that was evicted while this tree had a link to it."""
        blob = self._blob(digest)
        if blob.exists():
            return
        self._make_shard(digest)
        try:
            self._disk.link(self._target(path), blob)
        except FileExistsError:
            pass
        except OSError as error:
            # A copy of its own is whole without the blob; others will bring their own.
            if not links_refused(error):
                raise

    def describe(self, manifest: Path, seal: Path | None, recipe: Path | None = None) -> None:
        """Lay the manifest and the learned digests into the tree, for recover; durable with the tree's own sync."""
        self._disk.copy(manifest, self._tree / RESERVED / MANIFEST)
        if seal is not None:
            self._disk.copy(seal, self._tree / RESERVED / SEAL)
        if recipe is not None:
            self._disk.copy(recipe, self._tree / RESERVED / RECIPE)

    def make_way(self, trash_name: str, token: int) -> Path | None:
        """Move what stands in the place into the trash; where it is then. ConflictError `fenced` for a newer tree."""
        see_afresh(self._place, self._layout.root)
        if not self._place.exists():
            return None
        moved = discard(self._layout, self._place, trash_name, self._disk, before=token)
        if moved is None:
            raise ConflictError("fenced", f"a newer fill has completed {self._place}")
        return moved

    def publish(self, completed: Completed) -> Completed:
        """Move the tree to its place, which is free, and mark it complete. The caller has synced the file system."""
        for folder in sorted(self._folders - {""}, reverse=True):
            self._disk.set_mode(self._target(folder), SEALED_DIRECTORY_MODE)
        self._disk.rename(self._tree, self._place)
        self._disk.sync_directory(self._place.parent)
        write_completed(self._place, completed, self._disk)
        self._disk.set_mode(self._place / RESERVED, SEALED_DIRECTORY_MODE)
        self._disk.set_mode(self._place, SEALED_DIRECTORY_MODE)
        return completed

    def _blob(self, digest: str) -> Path:
        """A blob's path, in a folder that was looked at lately."""
        blob = self._layout.blob(self._group, digest)
        if blob.parent not in self._looked:
            self._looked.add(blob.parent)
            see_afresh(blob.parent, self._layout.root)
        return blob

    def _link(self, source: Path, path: str) -> None:
        """A link in the tree, or a copy; what has the path already is the same contents."""
        target = self._target(path)
        self._make_folder(path.rpartition("/")[0])
        try:
            self._disk.link(source, target)
        except FileExistsError:
            pass
        except OSError as error:
            if not links_refused(error):
                raise
            self._disk.copy(source, target)
            self.copied_bytes += target.stat().st_size

    def _name(self, temp: Path, digest: str) -> None:
        self._make_shard(digest)
        self._disk.rename(temp, self._layout.blob(self._group, digest))

    def _make_shard(self, digest: str) -> None:
        if digest[:2] not in self._shards:
            self._disk.make_directories(self._layout.blob(self._group, digest).parent)
            self._shards.add(digest[:2])

    def _make_folder(self, folder: str) -> None:
        """Make a folder of the tree with all above it; `""` is the tree itself."""
        if folder in self._folders:
            return
        self._disk.make_directories(self._target(folder))
        while folder not in self._folders:
            self._folders.add(folder)
            folder = folder.rpartition("/")[0]

    def _target(self, path: str) -> Path:
        # One path made at once costs a fraction of many joined, and every file has one.
        return Path(f"{self._tree}/{path}")


def discard(layout: VolumeLayout, tree: Path, trash_name: str, disk: Disk, *, before: int | None = None) -> Path | None:
    """Rename a tree into the trash; from then on nobody can open it by path. Returns its place there.

    The marker goes with the tree in one step, so a tree under trees/ never loses files while it is marked complete.
    With `before`, a tree that was filled under that token or a later one stays (None): whoever was paused between
    asking and acting must not take away what came meanwhile, so what was moved is looked at once more.
    """
    if _newer(tree, before):
        return None
    target = layout.trash / trash_name
    disk.make_directories(target.parent)
    # A directory must be writable to be moved to another parent; root does not notice, everybody else does.
    disk.set_mode(tree, 0o755)
    try:
        disk.rename(tree, target)
    except OSError:
        disk.set_mode(tree, SEALED_DIRECTORY_MODE)
        raise
    if _newer(target, before):
        disk.rename(target, tree)
        disk.set_mode(tree, SEALED_DIRECTORY_MODE)
        return None
    disk.sync_directory(tree.parent)
    return target


def _newer(tree: Path, before: int | None) -> bool:
    if before is None:
        return False
    completed = read_completed(tree) or read_completed(tree, DAMAGED)
    return completed is not None and completed.token >= before


def rewrite_completed(tree: Path, completed: Completed, disk: Disk) -> None:
    """Replace the marker of a tree that is in its place."""
    disk.set_mode(tree / RESERVED, 0o755)
    write_completed(tree, completed, disk)
    disk.set_mode(tree / RESERVED, SEALED_DIRECTORY_MODE)


def is_complete(tree: Path) -> bool:
    """Whether the marker is there: one stat, whatever the number of files."""
    return (tree / RESERVED / COMPLETE).exists()


def holds(tree: Path, manifest_digest: str) -> bool:
    """Whether this complete tree is of that manifest: one small file is read, whatever the number of files."""
    completed = read_completed(tree)
    return completed is not None and completed.manifest_digest == manifest_digest


def described_bytes(tree: Path) -> int:
    """What a tree's own records take: the manifest, the learned digests, the marker."""
    return used_bytes_below(tree / RESERVED)


def most_described_bytes(manifest_bytes: int, files: int) -> int:
    """The most that `described_bytes` can be, for a reservation made before the tree exists."""
    return manifest_bytes + 40 * files + _MARK_BYTES
