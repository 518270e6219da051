"""Says what a disk's refusal means for the person who runs a fill."""

from __future__ import annotations

import errno
from pathlib import Path

from forebay.errors import CapacityError, DamagedError, ForebayError, NotAllowedError, UnavailableError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}


def disk_error(error: OSError, volume: Path) -> ForebayError:
    """The forebay error for an OSError raised while writing to or reading from a volume."""
    if error.errno in _FULL:
        return CapacityError(
            "disk-full",
            f"the disk of the volume {volume} is full",
            todo="Free space there, evict with: forebay cache evict, or lower volume_limit.",
        )
    if error.errno in _REFUSED:
        return NotAllowedError(
            "volume-read-only",
            f"the volume {volume} cannot be written: {error.strerror}",
            todo="Check its mount options and the permissions of the user that runs forebay.",
        )
    if error.errno == errno.EIO:
        return DamagedError(
            "disk-failing", f"the disk of the volume {volume} fails: {error}", todo="Check the hardware's log."
        )
    return UnavailableError("volume-away", f"the volume {volume} does not answer: {error}", todo="Is it mounted?")
