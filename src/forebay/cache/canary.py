"""Tries a volume out, so that its recorded health stays honest: writes, syncs, reads back, deletes.

A full disk is no illness: it is emptied by eviction, which an ill volume would not allow.
"""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import suppress
from pathlib import Path

from forebay.cache.volume import MARK, VolumeLayout, read_mark
from forebay.errors import ForebayError
from forebay.fsio import Disk
from forebay.wire.cache import HealthReport, Sign

_SIZE_BYTES = 4096
LEFT = f"{MARK}.canary-"
"""What the names of canaries have in them. They lie beside the mark, which no account counts: they are gone at once,
and what a killed process left there is removed by recover."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


def try_out(layout: VolumeLayout, volume_id: str, disk: Disk) -> HealthReport:
    """One canary; never raises what the volume raised."""
    try:
        found = str(read_mark(layout)["volume_id"])
    except ForebayError as error:
        return HealthReport(sign=Sign.GONE, reason=error.message)
    if found != volume_id:
        return HealthReport(sign=Sign.GONE, reason=f"{layout.root} is another volume now ({found[:8]})")
    path = layout.root / f".{LEFT}{uuid.uuid4().hex}"
    try:
        return _write_and_read(path, disk)
    except OSError as error:
        if error.errno in _FULL:
            return HealthReport(sign=Sign.GOOD)
        return HealthReport(sign=Sign.BAD, reason=f"a canary file could not be kept: {error.strerror}")
    finally:
        with suppress(OSError):
            disk.unlink(path)


def _write_and_read(path: Path, disk: Disk) -> HealthReport:
    written = os.urandom(_SIZE_BYTES)
    disk.write_durable(path, written)
    with suppress(FileNotFoundError):  # a recover has just taken it for what a killed process left
        if path.read_bytes() == written:
            return HealthReport(sign=Sign.GOOD)
    if path.exists():
        return HealthReport(sign=Sign.BAD, reason="a canary file was not read back as it was written")
    return HealthReport(sign=Sign.GOOD)
