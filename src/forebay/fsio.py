"""The one module that changes a disk. Everything durable goes through a `Disk`, so that faults can be injected there.

Rules: a name appears under its final path only by rename or link, after its bytes are durable; directories are synced
when an entry in them must outlive a power cut. Never deletes through a symbolic link.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

FILE_MODE = 0o444
PRIVATE_MODE = 0o600
SEALED_DIRECTORY_MODE = 0o555
OPEN_DIRECTORY_MODE = 0o755

_SYNC_FILE_RANGE_WRITE = 2
_FALLOC_FL_KEEP_SIZE = 1
_COPY_BYTES = 1 << 20
_ALLOCATION_REFUSED = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
_LINK_REFUSED = {errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOSYS}


class Disk:
    """The real disk. Errors are plain OSErrors, translated by the caller who knows why.

    Every method is one effect, save the last ones (`write_durable` and those after it), which are made of effects.
    """

    def create(self, path: Path) -> int:
        """A new file, read-only for everybody but this descriptor. FileExistsError when the name is taken."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)

    def create_over(self, path: Path) -> int:
        """A file to be written and renamed to its name later; what a killed process left under `path` is emptied."""
        return os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)

    def append(self, path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o644)

    def write(self, descriptor: int, data: Buffer) -> None:
        """All of `data` at the descriptor's position (a short write goes on where it stopped)."""
        view = memoryview(data).cast("B")
        while view.nbytes:
            view = view[os.write(descriptor, view) :]

    def write_at(self, descriptor: int, data: Buffer, offset: int) -> None:
        """All of `data` at `offset`, the descriptor's position unchanged."""
        view = memoryview(data).cast("B")
        while view.nbytes:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count

    def preallocate(self, descriptor: int, size_bytes: int) -> None:
        """Set the blocks of a large file aside (Linux fallocate), its length unchanged; nothing where that is unknown.

        A full disk says so here, before the first byte was fetched, and the file lies in few pieces. Looks first: asked
        for more than there is, the system takes all that there is from everybody else before it refuses.
        """
        if _libc is None or not hasattr(_libc, "fallocate"):
            return
        system = os.fstatvfs(descriptor)
        if size_bytes > system.f_bavail * system.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        start, count = ctypes.c_int64(0), ctypes.c_int64(size_bytes)
        if _libc.fallocate(descriptor, _FALLOC_FL_KEEP_SIZE, start, count) != 0:
            number = ctypes.get_errno()
            if number in _ALLOCATION_REFUSED:
                raise OSError(number, os.strerror(number))

    def start_write_back(self, descriptor: int, offset: int, size_bytes: int) -> None:
        """Begin to bring a range to the disk without waiting for it (Linux sync_file_range). Makes nothing durable."""
        if _libc is not None and hasattr(_libc, "sync_file_range"):
            start, count = ctypes.c_int64(offset), ctypes.c_int64(size_bytes)
            _libc.sync_file_range(descriptor, start, count, _SYNC_FILE_RANGE_WRITE)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def make_directories(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def link(self, source: Path, target: Path) -> None:
        """A hard link."""
        os.link(source, target)

    def copy(self, source: Path, target: Path) -> None:
        """A read-only copy."""
        shutil.copyfile(source, target)
        os.chmod(target, FILE_MODE)

    def unlink(self, path: Path) -> None:
        """Remove one name; absent is fine."""
        path.unlink(missing_ok=True)

    def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def set_mode(self, path: Path, mode: int) -> None:
        os.chmod(path, mode)

    def sync(self, descriptor: int) -> None:
        """Make one file's bytes durable; its name is another matter."""
        os.fsync(descriptor)

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def open_witness(self, path: Path) -> int:
        """A descriptor that makes `sync_file_system` tell of every write that failed since now; `close` it.

        Linux tells each open file of a write-back error once: one opened at the end would not hear of an earlier error
        that somebody else's sync was told of.
        """
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def sync_file_system(self, path: Path, witness: int | None = None) -> None:
        """Make everything written so far to the file system of `path` durable, in one batch (Linux syncfs)."""
        descriptor = self.open_witness(path) if witness is None else witness
        try:
            if _libc is None or not hasattr(_libc, "syncfs"):
                os.sync()
            elif _libc.syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(path))
        finally:
            if witness is None:
                os.close(descriptor)

    def write_durable(self, path: Path, data: Buffer) -> None:
        """Replace `path` by `data`: temp name, write, fsync, rename, fsync of the directory."""
        self._replace(path, (data,))

    def copy_durable(self, source: Path, path: Path) -> None:
        """Replace `path` by the contents of `source`, in the same way, without holding them all."""
        with source.open("rb", buffering=0) as file:
            self._replace(path, iter(lambda: file.read(_COPY_BYTES), b""))

    def write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        self.write_durable(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")

    def write_private(self, path: Path, data: Buffer) -> None:
        """As `write_durable`, of what nobody else may read, not even for a moment."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_MODE)
        self._renamed(descriptor, partial, path, (data,), PRIVATE_MODE)

    def _replace(self, path: Path, chunks: Iterable[Buffer]) -> None:
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._renamed(self.create_over(partial), partial, path, chunks, FILE_MODE)

    def _renamed(self, descriptor: int, partial: Path, path: Path, chunks: Iterable[Buffer], mode: int) -> None:
        try:
            for chunk in chunks:
                self.write(descriptor, chunk)
            self.set_mode(partial, mode)
            self.sync(descriptor)
            self.rename(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        finally:
            self.close(descriptor)
        self.sync_directory(path.parent)

    def remove_tree(self, path: Path) -> list[Path]:
        """Delete a directory with all below it; returns the names that could not be removed, and goes on past them."""
        if path.is_symlink() or not path.is_dir():
            return self._try_unlink(path)
        stuck: list[Path] = []
        folders: list[str] = []
        files: list[str] = []
        try:
            self.set_mode(path, 0o700)
            # Names alone: one folder may hold a million.
            with os.scandir(path) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        except FileNotFoundError:
            return []
        except OSError:
            return [path]
        for name in files:
            stuck += self._try_unlink(Path(f"{path}/{name}"))
        for name in folders:
            stuck += self.remove_tree(Path(f"{path}/{name}"))
        if not stuck:
            try:
                self.remove_directory(path)
            except OSError:
                stuck.append(path)
        return stuck

    def _try_unlink(self, path: Path) -> list[Path]:
        try:
            self.unlink(path)
        except OSError:
            return [path]
        return []


def see_afresh(folder: Path, below: Path) -> None:
    """Make the next look at names in `folder` (which is under `below`) see what other machines did to them.

    An NFS client answers from memory for up to a minute: it finds names that are gone and misses new ones. When a
    directory is opened, it asks the server.
    """
    for path in (*(below / part for part in reversed(folder.relative_to(below).parents)), folder):
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError:
            return


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write to the file system of `path`."""
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def total_bytes(path: Path) -> int:
    """Size of the file system of `path`."""
    facts = os.statvfs(path)
    return facts.f_blocks * facts.f_frsize


def links_refused(error: OSError) -> bool:
    """Whether the file system will not make this hard link (too many, or none at all): a copy must do."""
    return error.errno in _LINK_REFUSED


def used_bytes_below(*paths: Path, but: Iterable[Path] = ()) -> int:
    """Sum of file sizes below `paths`, every inode counted once however many names it has.

    One with a single name is remembered, too: it may be renamed to where the walk has not been yet. What was below
    `but` when the walk began does not count, wherever it is met.
    """
    total_bytes = 0
    seen: defaultdict[int, set[int]] = defaultdict(set)
    for facts in (facts for path in but for facts in _files_below(path)):
        seen[facts.st_dev].add(facts.st_ino)
    for facts in (facts for path in paths for facts in _files_below(path)):
        inodes = seen[facts.st_dev]
        if facts.st_ino not in inodes:
            inodes.add(facts.st_ino)
            total_bytes += facts.st_size
    return total_bytes


def freed_bytes_below(path: Path) -> int:
    """The bytes that deleting `path` would free: of files that have no name anywhere else."""
    freed_bytes = 0
    names_left: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for facts in _files_below(path):
        left = names_left[facts.st_dev]
        names = left.pop(facts.st_ino, facts.st_nlink) - 1
        if names > 0:
            left[facts.st_ino] = names
        else:
            freed_bytes += facts.st_size
    return freed_bytes


def _files_below(path: Path) -> Iterator[os.stat_result]:
    """Every name of a regular file below `path`; what vanishes meanwhile and symbolic links are passed over.

    `path` itself where it is no folder.
    """
    if path.is_file():
        with suppress(FileNotFoundError):
            yield path.lstat()
        return
    pending = [str(path)]
    while pending:
        with suppress(FileNotFoundError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    continue
                facts = _facts(entry)
                if facts is not None and stat.S_ISREG(facts.st_mode):
                    yield facts


def _facts(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _load_libc() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None


_libc = _load_libc()
