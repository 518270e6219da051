"""The files of a local directory that is to become a version, and reading them without being fooled.

Nothing outside the directory is ever read, and a file that changes while it is read is an error, not a mixture.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from forebay.catalog.paths import RESERVED, check_path, check_paths
from forebay.digest import new_hasher
from forebay.errors import ConflictError, ForebayError, InputError, NotAllowedError, NotFoundError, UnavailableError

READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """One file as it was found: `state` tells whether it is still the same."""

    path: str
    source: Path
    size_bytes: int
    state: tuple[int, ...]


def walk(directory: Path) -> list[LocalFile]:
    """All files below a directory, sorted by path; of a cached tree without forebay's own records.

    InputError `empty-directory`, `not-a-file` (a socket, device, pipe or link to a directory), `link-escapes`, or as
    `check_paths` says; NotFoundError `directory-not-found`.
    """
    if not directory.is_dir():
        raise NotFoundError("directory-not-found", f"{directory}: there is no such directory.")
    root = directory.resolve()
    files = sorted(_files(root, root), key=lambda file: file.path)
    if not files:
        raise InputError("empty-directory", f"{directory} holds no file.", todo="Put the version's files into it.")
    check_paths(pa.array([file.path for file in files], pa.string()))
    return files


def read_file(file: LocalFile) -> Iterator[bytes]:
    """The file's bytes, in chunks of `READ_BYTES`; ConflictError `file-changed` when it is not what was found."""
    try:
        with file.source.open("rb", buffering=0) as opened:
            _check_same(file, os.fstat(opened.fileno()))
            while chunk := opened.read(READ_BYTES):
                yield chunk
            _check_same(file, os.fstat(opened.fileno()))
    except OSError as error:
        raise _unreadable(file.source, error) from error


def digest_of(file: LocalFile) -> str:
    """The file's BLAKE3 digest, in hex."""
    hasher = new_hasher()
    for chunk in read_file(file):
        hasher.update(chunk)
    return hasher.hexdigest()


def changed(file: LocalFile) -> ConflictError:
    """The error for a file that was written to meanwhile."""
    todo = "Commit it when nothing writes to it any more."
    return ConflictError("file-changed", f"{file.source} changed while it was read.", todo=todo)


def _files(root: Path, directory: Path) -> Iterator[LocalFile]:
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except OSError as error:
        raise _unreadable(directory, error) from error
    for entry in found:
        path = Path(entry.path)
        if directory == root and entry.name == RESERVED and entry.is_dir(follow_symlinks=False):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(root, path)
        else:
            yield _file(root, path)


def _file(root: Path, source: Path) -> LocalFile:
    path = check_path(source.relative_to(root).as_posix())
    try:
        # The target, so that a link which is changed later still leads nowhere else.
        target = source.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError) as error:
        raise _unreadable(source, error) from error
    if not target.is_relative_to(root):
        todo = "Copy the file into the directory."
        raise InputError("link-escapes", f"{source} is a link to {target}, outside of {root}.", todo=todo)
    if not stat.S_ISREG(status.st_mode):
        raise InputError("not-a-file", f"{source} is not a file.", todo="Remove it from the directory.")
    return LocalFile(path=path, source=target, size_bytes=status.st_size, state=_state(status))


def _state(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _check_same(file: LocalFile, status: os.stat_result) -> None:
    if _state(status) != file.state:
        raise changed(file)


def _unreadable(path: Path, error: OSError | RuntimeError) -> ForebayError:
    reason = getattr(error, "strerror", None) or "a loop of links"
    if isinstance(error, PermissionError):
        return NotAllowedError("file-unreadable", f"{path} can't be read: {reason}.")
    if isinstance(error, FileNotFoundError | RuntimeError):
        return InputError("file-missing", f"{path} leads nowhere: {reason}.", todo="Remove the link, or try again.")
    return UnavailableError("file-unreadable", f"{path} can't be read: {reason}.")
