"""Packs a folder of code for a run: a tar.gz whose bytes, and so whose digest, depend on the files alone.

In a git work tree: what git tracks and what it would (untracked, not ignored); elsewhere every file. Of modes only
"may be executed" is kept; owners and times are dropped. Links are kept as links, and may not lead out.
"""

from __future__ import annotations

import gzip
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from forebay.digest import digest_file
from forebay.errors import InputError

MAX_FILES = 20_000
MAX_BYTES = 256 << 20
"""Before compression. Code is small; what is not is data, and belongs into a dataset."""

_GIT_S = 60
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """`digest`: BLAKE3 of the archive, hex. `commit`: of git, "" outside it; `is_dirty`: the files differ from it."""

    digest: str
    size_bytes: int
    files: int
    commit: str = ""
    is_dirty: bool = False


def pack(folder: Path, archive: Path, *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> Bundle:
    """Write `folder` to `archive`, which is replaced.

    InputError: `no-folder`, `bundle-too-large`, `bundle-link` (leads out), `bundle-file` (a pipe or the like, or one
    that changed meanwhile), `git-failed`.
    """
    if not folder.is_dir():
        raise InputError("no-folder", f"{folder} is no folder")
    in_git = _is_in_git(folder)
    names = sorted(set(_git_files(folder) if in_git else _all_files(folder, "")), key=os.fsencode)
    _hold_bounds(folder, names, max_files, max_bytes)
    _write(folder, names, archive)
    commit, is_dirty = _commit(folder) if in_git else ("", False)
    return Bundle(
        digest=digest_file(archive).hex(),
        size_bytes=archive.stat().st_size,
        files=len(names),
        commit=commit,
        is_dirty=is_dirty,
    )


def _write(folder: Path, names: list[str], archive: Path) -> None:
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in names:
            _add(tar, folder, name)


def _add(tar: tarfile.TarFile, folder: Path, name: str) -> None:
    path = folder / name
    member = tarfile.TarInfo(name)
    try:
        facts = path.lstat()
        if stat.S_ISLNK(facts.st_mode):
            member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, _target(folder, name)
            tar.addfile(member)
            return
        if not stat.S_ISREG(facts.st_mode):
            raise InputError("bundle-file", f"{path} is neither a file, a folder nor a link", todo="Remove it.")
        member.mode = 0o755 if facts.st_mode & stat.S_IXUSR else 0o644
        with path.open("rb") as file:
            member.size = os.fstat(file.fileno()).st_size
            tar.addfile(member, file)
    except OSError as error:
        raise InputError(
            "bundle-file", f"{path} can't be read, or changed meanwhile: {error}", todo="Try again when nothing writes."
        ) from error


def _target(folder: Path, name: str) -> str:
    """Where a link leads, when that is inside."""
    path = folder / name
    target = os.readlink(path)
    if os.path.isabs(target) or not _is_within(folder, path):
        raise InputError(
            "bundle-link", f"the link {path} leads out of {folder}, to {target}", todo="Put the file itself there."
        )
    return target


def _is_within(folder: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _hold_bounds(folder: Path, names: list[str], max_files: int, max_bytes: int) -> None:
    if len(names) > max_files:
        raise InputError(
            "bundle-too-large",
            f"{folder} has {len(names)} files, and at most {max_files} go along with a run",
            todo="Name what need not go in .gitignore, or give a smaller folder.",
        )
    sizes = {name: (folder / name).lstat().st_size for name in names}
    if sum(sizes.values()) > max_bytes:
        largest = sorted(sizes, key=lambda name: -sizes[name])[:_NAMED]
        raise InputError(
            "bundle-too-large",
            f"{folder} has {sum(sizes.values())} bytes, and at most {max_bytes} go along with a run; largest: "
            + ", ".join(f"{name} ({sizes[name]})" for name in largest),
            todo="Name what need not go in .gitignore; make data a dataset: forebay dataset --help",
        )


def _all_files(folder: Path, below: str) -> Iterator[str]:
    for entry in os.scandir(folder / below):
        name = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _all_files(folder, f"{name}/")
        else:
            yield name


def _git_files(folder: Path) -> Iterator[str]:
    """Tracked and not deleted, or untracked and not ignored; those of submodules too."""
    listed = _git(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            yield from (f"{name.rstrip('/')}/{inner}" for inner in _git_files(path))
        elif os.path.lexists(path):
            yield name


def _commit(folder: Path) -> tuple[str, bool]:
    """The commit ("" before the first) and whether the files of the folder differ from it."""
    try:
        commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except InputError:
        commit = ""
    return commit, bool(_git(folder, "status", "--porcelain", "--", "."))


def _is_in_git(folder: Path) -> bool:
    """Whether git answers for this folder. A repository for which it refuses to is an error, not all of its files."""
    is_repository = any((parent / ".git").exists() for parent in (folder.resolve(), *folder.resolve().parents))
    return is_repository and _git(folder, "rev-parse", "--is-inside-work-tree").strip() == "true"


def _git(folder: Path, *arguments: str) -> str:
    # What a hook or an outer git has set would make it look elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=_GIT_S, check=False, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        _git_failed(folder, str(error), error)
    if answer.returncode != 0:
        _git_failed(folder, answer.stderr.decode(errors="replace").strip(), None)
    return os.fsdecode(answer.stdout)


def _git_failed(folder: Path, complaint: str, error: Exception | None) -> NoReturn:
    raise InputError(
        "git-failed",
        f"git does not say which files of {folder} belong to it: {complaint}",
        todo="Mend that, or copy it.",
    ) from error
