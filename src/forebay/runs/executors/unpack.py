"""Unpacks a bundle into a fresh folder, and believes nothing in it: neither names, links, kinds nor sizes."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, cast

from forebay.digest import digest_file
from forebay.errors import ConflictError, DamagedError, InputError
from forebay.runs.executors.bundle import MAX_BYTES, MAX_FILES

_HEADER_BYTES = 4096
"""What the tar format may need for one file beside its bytes."""

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)


def unpack(
    archive: Path, folder: Path, *, digest: str = "", max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> None:
    """Make `folder` with what is in `archive`; it appears whole or not at all.

    ConflictError `folder-exists`. DamagedError `bundle-damaged` when the archive is broken or its digest (hex, "": not
    checked) is another. InputError `bundle-refused` for a path or a link that leads out, for devices, and beyond the
    bounds.
    """
    if os.path.lexists(folder):
        raise ConflictError("folder-exists", f"{folder} is there already: every attempt unpacks into a new one")
    if digest and digest_file(archive).hex() != digest:
        raise DamagedError("bundle-damaged", f"{archive} has another digest than the bundle of this run")
    fresh = Path(tempfile.mkdtemp(prefix=".unpack-", dir=folder.parent))
    try:
        _unpack(archive, fresh, max_files, max_bytes)
        fresh.chmod(0o755)
        os.rename(fresh, folder)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(
            "bundle-damaged", f"{archive} can't be unpacked: {error}", todo="Submit the run again."
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _unpack(archive: Path, fresh: Path, max_files: int, max_bytes: int) -> None:
    links: list[tuple[Path, str]] = []
    with gzip.open(archive) as packed:
        bounded = _Bounded(packed, max_bytes + (max_files + 1) * _HEADER_BYTES)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|") as tar:
            for count, member in enumerate(tar, start=1):
                if count > max_files:
                    raise _refused(f"it has more than {max_files} files")
                path = fresh / _safe(member.name)
                if member.issym():
                    links.append((path, member.linkname))
                elif member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif member.type in _PLAIN:
                    _write(tar, member, path)
                else:
                    raise _refused(f"{member.name!r} is neither a file, a folder nor a link")
        while bounded.read(1 << 20):
            pass
    # Last, so that nothing was written through one.
    for path, target in links:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.symlink(target, path)
        except FileExistsError as error:
            raise _twice(path.relative_to(fresh)) from error
    for path, target in links:
        if os.path.isabs(target) or not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(fresh)):
            raise _refused(f"the link {path.relative_to(fresh)} leads out, to {target!r}")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "only a plain file comes here"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            shutil.copyfileobj(source, file)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _twice(Path(member.name)) from error
    path.chmod(0o755 if member.mode & 0o100 else 0o644)


def _safe(name: str) -> str:
    """The name, when it leads nowhere but down."""
    parts = name.split("/")
    if name.startswith("/") or "\0" in name or ".." in parts or not any(part not in {"", "."} for part in parts):
        raise _refused(f"{name!r} is no path inside a folder")
    return name


def _refused(why: str) -> InputError:
    return InputError("bundle-refused", f"the bundle is not unpacked: {why}")


def _twice(name: Path) -> InputError:
    return _refused(f"{str(name)!r} is in it twice, or is a file and a folder")


class _Bounded:
    """A stream that refuses to yield more than it may: a small archive may hold any number of bytes."""

    def __init__(self, source: IO[bytes] | gzip.GzipFile, bound_bytes: int) -> None:
        self._source = source
        self._left_bytes = bound_bytes

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise _refused("it holds more bytes than may go along with a run")
        return data
