"""Looks in a process of its own, with little memory and little time: files come from anywhere, and what reads them may
crash, or unpack a kilobyte to gigabytes. Whoever asked goes on living.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from forebay.errors import CapacityError, ForebayError, UnavailableError
from forebay.wire.codec import from_json
from forebay.wire.http import error_from_json
from forebay.wire.previews import MOST_BYTES, Content, ImagesPreview, PreviewKind, RowsPreview, TablePreview

_MADE: dict[PreviewKind, type[Content]] = {
    PreviewKind.TABLE: TablePreview,
    PreviewKind.IMAGES: ImagesPreview,
    PreviewKind.ROWS: RowsPreview,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the process may take; the memory is of addresses, of which more are taken than used."""

    seconds: int = 60
    memory_bytes: int = 4 << 30


def look_apart(kind: PreviewKind, files: Mapping[str, Path], limits: Limits | None = None) -> Content:
    """As `look.look`.

    Also CapacityError `preview-too-costly`, `preview-too-large`; UnavailableError `preview-crashed`.
    """
    limits = limits or Limits()
    request = {
        "kind": kind.value,
        "files": {path: str(file) for path, file in files.items()},
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_bytes,
    }
    command = [sys.executable, "-P", "-m", "forebay.previews"]
    # One thread of Arrow's: each takes addresses. The system's allocator gives memory back.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    try:
        ended = subprocess.run(
            command,
            input=json.dumps(request).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limits.seconds,
            env=env,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_costly(f"it took more than {limits.seconds} s") from error
    except OSError as error:
        raise UnavailableError("preview-crashed", f"No process could be started to look: {error.strerror}.") from error
    if len(ended.stdout) > MOST_BYTES:
        raise CapacityError("preview-too-large", f"What was found takes more than {MOST_BYTES >> 10} KiB.")
    return _told(kind, ended)


def _told(kind: PreviewKind, ended: subprocess.CompletedProcess[bytes]) -> Content:
    try:
        answer = json.loads(ended.stdout)
        error = error_from_json(answer.get("status", 500), answer)
        if error is None:
            return from_json(_MADE[kind], answer)
    except (ValueError, KeyError, AttributeError) as broken:
        raise UnavailableError(
            "preview-crashed",
            f"What looks into such files ended without a word (exit code {ended.returncode}).",
            todo="Another try may go well; if none does, the file is damaged in a new way: report it.",
        ) from broken
    raise error


def _too_costly(why: str) -> ForebayError:
    return CapacityError("preview-too-costly", f"The file is too costly to look into: {why}.")
