"""Takes files out of use without deleting them: they rest in the trash for a week, until a sweep or recover."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from pathlib import Path

from forebay.cache.place import discard
from forebay.cache.volume import COMPLETE, DAMAGED, RESERVED, VolumeLayout
from forebay.fsio import SEALED_DIRECTORY_MODE, Disk

_QUARANTINE_SECONDS = 7 * 86400.0
_NAME = re.compile(r"quarantine-(\d+)-")


def unmark(tree: Path, disk: Disk) -> None:
    """Take away a tree's marker, so that nobody opens it as complete; what it said stays beside it."""
    reserved = tree / RESERVED
    with suppress(FileNotFoundError):
        disk.set_mode(reserved, 0o755)
        disk.rename(reserved / COMPLETE, reserved / DAMAGED)
    with suppress(FileNotFoundError):
        disk.set_mode(reserved, SEALED_DIRECTORY_MODE)


def quarantine_blob(layout: VolumeLayout, group: str, digest: str, disk: Disk, *, now: float) -> None:
    """Move a blob out of use."""
    disk.make_directories(layout.trash)
    with suppress(FileNotFoundError):
        disk.rename(layout.blob(group, digest), layout.trash / _name(now, digest))


def quarantine_tree(layout: VolumeLayout, tree: Path, disk: Disk, *, now: float) -> None:
    """Move a tree out of use."""
    discard(layout, tree, _name(now, f"tree-{tree.parent.name}-{tree.name}"), disk)


def is_quarantined(name: str) -> bool:
    """Whether what has this name in the trash is in quarantine."""
    return _NAME.match(name) is not None


def rests(name: str, now: float) -> bool | None:
    """Whether what has this name in the trash is left there for who may look at it; None for what is no quarantine."""
    named = _NAME.match(name)
    return None if named is None else now - float(named[1]) < _QUARANTINE_SECONDS


def rested(layout: VolumeLayout, now: float) -> list[Path]:
    """What has been in quarantine for so long that nobody will look at it any more."""
    if not layout.trash.is_dir():
        return []
    return sorted(path for path in layout.trash.iterdir() if rests(path.name, now) is False)


def _name(now: float, what: str) -> str:
    return f"quarantine-{now:.0f}-{what}-{uuid.uuid4().hex[:8]}"
