"""What an eviction could not remove: noted on the volume, still counted by the account, tried again later.

A blob that will not be renamed stays under its own name and is noted under trash/stuck-blobs; what was renamed and will
not be deleted stays in the trash. Nothing here is touched while a replica lists it or its eviction still runs.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from forebay.cache.volume import VolumeLayout
from forebay.fsio import Disk, freed_bytes_below
from forebay.log import get_logger

_log = get_logger("evict")

FREES = ".frees-"
"""Ends the name of a folder of the trash whose eviction only has to delete it: how many bytes that frees, its token."""

_NOTES = "stuck-blobs"
_LEFT = "stuck-left-"
_REFUSED = (errno.EPERM, errno.EACCES, errno.EBUSY)


def refuses_one(error: OSError) -> bool:
    """Whether this file alone will not go (immutable, in use); any other refusal speaks of the whole volume."""
    return error.errno in _REFUSED


def note(layout: VolumeLayout, group: str, digest: str, disk: Disk) -> None:
    """Remember a blob that would not be renamed."""
    disk.make_directories(layout.trash / _NOTES / group)
    with suppress(FileExistsError):
        disk.close(disk.create(layout.trash / _NOTES / group / digest))


def notes(layout: VolumeLayout) -> list[tuple[str, str]]:
    """(access group, digest) of every blob that was noted."""
    folder = layout.trash / _NOTES
    if not folder.is_dir():
        return []
    return sorted((path.parent.name, path.name) for path in folder.glob("*/*"))


def left_over(layout: VolumeLayout) -> list[Path]:
    """What evictions left in the trash: those that have ended, and those that still run."""
    if not layout.trash.is_dir():
        return []
    return sorted(path for path in layout.trash.iterdir() if path.name.startswith(_LEFT) or FREES in path.name)


def try_again(
    layout: VolumeLayout, left: Iterable[Path], blobs: Iterable[tuple[str, str]], name: str, disk: Disk
) -> tuple[int, list[Path]]:
    """Delete what was left and the noted blobs that nobody lists; the bytes that came free, and what is stuck still.

    `name` is this attempt's own: of two processes that try, the one whose rename succeeds counts the bytes.
    """
    trash = layout.trash / f"{_LEFT}{name}"
    stuck: list[Path] = []
    for at, folder in enumerate(left):
        disk.make_directories(trash)
        with suppress(OSError):
            disk.rename(folder, trash / str(at))
    for group, digest in blobs:
        disk.make_directories(trash)
        try:
            disk.rename(layout.blob(group, digest), trash / digest)
        except FileNotFoundError:
            pass
        except OSError:
            stuck.append(layout.blob(group, digest))
            continue
        disk.unlink(layout.trash / _NOTES / group / digest)
    before = freed_bytes_below(trash)
    stuck += disk.remove_tree(trash)
    return max(0, before - freed_bytes_below(trash)), stuck
