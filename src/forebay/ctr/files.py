"""Outputs appear whole or not at all: written under a temporary name beside the target, then renamed.

Temporary names begin with `.forebay-`, so no pattern such as `day_*` ever matches one. A failed write leaves nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from forebay.errors import DamagedError, InputError, NotFoundError

_PREFIX: Final = ".forebay-"


@contextmanager
def new_file(target: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that becomes `target` when the block ends well."""
    temporary = _temporary(target)
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_directory(target: Path) -> Iterator[Path]:
    """Give a temporary directory that becomes `target` when the block ends well; `target` must not hold anything."""
    check_absent(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(target)
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_absent(target: Path) -> None:
    """InputError where `target` is there; an empty directory is as good as none."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("target-not-empty", f"{target} is already there", todo="choose another path or remove it")


def remove_temporary(directory: Path) -> None:
    """Remove what killed writers left anywhere below `directory`."""
    for path in directory.rglob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)


def write_json(target: Path, value: object) -> None:
    """Sorted, indented, ending in a newline: the same value gives the same bytes."""
    with new_file(target) as file:
        file.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n")


def read_json(source: Path, *, todo: str) -> dict[str, Any]:
    """The object in `source`; NotFoundError (with `todo`) where there is none, DamagedError where it is no object."""
    try:
        value = json.loads(source.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError("no-such-file", f"{source} is not there", todo=todo) from error
    except ValueError as error:
        raise DamagedError("bad-json", f"{source} is not JSON: {error}", todo=todo) from error
    if not isinstance(value, dict):
        raise DamagedError("bad-json", f"{source} holds no JSON object", todo=todo)
    return value


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(target: Path) -> Path:
    return target.with_name(f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}-{target.name}")
