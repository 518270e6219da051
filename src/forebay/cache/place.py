"""Puts a filled version in its place: blobs by digest, a tree of links, and the marker last of all.

Order (CRASH): bytes are durable before a blob has its name; blobs and links are durable before the tree has its name;
the tree is durable before the marker exists. Killed in between, the next fill finds blobs and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from forebay.cache.volume import COMPLETE, MANIFEST, RESERVED, SEAL, Completed, VolumeLayout, write_completed
from forebay.fsio import SEALED_DIRECTORY_MODE, Disk, used_bytes_below

_TREE = "tree"
_MARK_BYTES = 8192


class Placer:
    """Places one version. `folder` is the holder's own folder under incoming/."""

    def __init__(self, layout: VolumeLayout, group: str, folder: Path, disk: Disk) -> None:
        self._layout = layout
        self._group = group
        self._disk = disk
        self._tree = folder / _TREE
        self._folders: set[Path] = set()
        self._shards: set[str] = set()

    def begin(self) -> None:
        """An empty tree beside the temp files."""
        self._disk.remove_tree(self._tree)
        self._disk.make_directories(self._tree / RESERVED)
        self._folders = {self._tree}

    def link(self, digest: str, path: str) -> bool:
        """Link a blob into the tree; False when the volume has no such blob."""
        target = self._tree / path
        self._make_folder(target.parent)
        try:
            self._disk.link(self._layout.blob(self._group, digest), target)
        except FileNotFoundError:
            return False
        except FileExistsError:
            return True
        return True

    def keep(self, temp: Path, digest: str, path: str) -> bool:
        """Give a durable temp file its blob name and its place in the tree; False when the blob was already there.

        The tree gets its link first: from then on no eviction of the same blob can take the bytes away.
        """
        if self.link(digest, path):
            self._disk.unlink(temp)
            return False
        self._disk.link(temp, self._tree / path)
        blob = self._layout.blob(self._group, digest)
        if digest[:2] not in self._shards:
            self._disk.make_directories(blob.parent)
            self._shards.add(digest[:2])
        self._disk.rename(temp, blob)
        return True

    def restore_blob(self, digest: str, path: str) -> bool:
        """Name a blob again that was evicted while this tree had a link to it; False when it was still there."""
        blob = self._layout.blob(self._group, digest)
        if blob.exists():
            return False
        self._disk.make_directories(blob.parent)
        try:
            self._disk.link(self._tree / path, blob)
        except FileExistsError:
            return False
        return True

    def describe(self, manifest: Path, seal: Path | None) -> None:
        """Lay the manifest and the learned digests into the tree, for recover."""
        self._disk.write_durable(self._tree / RESERVED / MANIFEST, manifest.read_bytes())
        if seal is not None:
            self._disk.write_durable(self._tree / RESERVED / SEAL, seal.read_bytes())

    def publish(self, completed: Completed, trash_name: str) -> Path:
        """Move the tree to its place and mark it complete; returns it. The caller has synced the file system."""
        place = self._layout.tree(self._group, completed.dataset, completed.number)
        self._disk.make_directories(place.parent)
        for folder in sorted(self._folders - {self._tree}, reverse=True):
            self._disk.set_mode(folder, SEALED_DIRECTORY_MODE)
        if place.exists():
            discard(self._layout, place, trash_name, self._disk)
        self._disk.rename(self._tree, place)
        self._disk.sync_directory(place.parent)
        write_completed(place, completed, self._disk)
        self._disk.set_mode(place / RESERVED, SEALED_DIRECTORY_MODE)
        self._disk.set_mode(place, SEALED_DIRECTORY_MODE)
        return place

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders:
            return
        self._disk.make_directories(folder)
        while folder not in self._folders:
            self._folders.add(folder)
            folder = folder.parent


def discard(layout: VolumeLayout, tree: Path, trash_name: str, disk: Disk) -> Path:
    """Rename a tree into the trash; from then on nobody can open it by path. Returns its place there.

    The marker goes with the tree in one step, so a tree under trees/ never loses files while it is marked complete.
    """
    disk.make_directories(layout.trash)
    # A directory must be writable to be moved to another parent; root does not notice, everybody else does.
    disk.set_mode(tree, 0o755)
    target = layout.trash / trash_name
    disk.rename(tree, target)
    disk.sync_directory(tree.parent)
    return target


def is_complete(tree: Path) -> bool:
    """Whether the marker is there: one stat, whatever the number of files."""
    return (tree / RESERVED / COMPLETE).exists()


def tree_files(tree: Path) -> Iterable[str]:
    """Relative POSIX paths of the files in a tree, the reserved folder left out."""
    for path in sorted(tree.rglob("*")):
        relative = PurePosixPath(path.relative_to(tree))
        if relative.parts[0] != RESERVED and path.is_file() and not path.is_symlink():
            yield str(relative)


def described_bytes(tree: Path) -> int:
    """What a tree's own records take: the manifest, the learned digests, the marker."""
    return used_bytes_below(tree / RESERVED)


def most_described_bytes(manifest_bytes: int, files: int) -> int:
    """The most that `described_bytes` can be, for a reservation made before the tree exists."""
    return manifest_bytes + 40 * files + _MARK_BYTES
