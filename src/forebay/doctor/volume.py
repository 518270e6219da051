"""Checks the volume: it is there and ours, keeps what is written, as fast as it should, and holds no left-overs.

What is written to it has a canary's name, goes at once, and after a kill goes with recover.
"""

from __future__ import annotations

import os
import statistics
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from shlex import quote

from forebay import fsio
from forebay.cache.canary import LEFT, try_out
from forebay.cache.quarantine import is_quarantined
from forebay.cache.stuck import notes
from forebay.cache.volume import LAYOUT, VolumeLayout, read_mark
from forebay.doctor.clocks import skewed
from forebay.doctor.finding import Finding, fault, note, warning
from forebay.doctor.patient import Patient
from forebay.settings import parse_limit
from forebay.wire.cache import OpenFill, Sign, VolumeState

MOST_LOOKED_AT = 2000
_BLOCK_BYTES = 4 << 20
_BLOCKS = 8
_WRITE_SECONDS = 3.0
_SYNCS = 5
_SHARE_OF_FREE = 0.9
_ODD_NS = 123_456_789


def place(patient: Patient) -> Iterator[Finding]:
    """That the volume is mounted, ours, writable, in good health, and within its file system."""
    layout = patient.layout
    if not layout.mark.exists():
        yield from _not_there(patient)
        return
    mark = read_mark(layout)
    hub = patient.hub
    if hub is not None and mark["owner"] != hub.owner:
        mend = "Choose another folder with --volume, or take it over: forebay cache recover --adopt"
        yield fault("volume-foreign", f"the volume {layout.root} is another hub's", mend)
        return
    if mark["layout"] > LAYOUT:
        message = f"the volume {layout.root} has layout {mark['layout']}; this release knows up to {LAYOUT}"
        yield fault("volume-newer", message, "Install a newer forebay on this machine.")
        return
    report = try_out(layout, str(mark["volume_id"]), patient.disk)
    if report.sign is not Sign.GOOD:
        mend = f"Look at its disk and mount; may {_user()} write to {quote(str(layout.root))}?"
        yield fault("volume-bad", f"the volume {layout.root} keeps nothing: {report.reason}", mend)
        return
    yield from _abilities(patient)
    yield from _room(patient, str(mark["volume_id"]))


def permissions(patient: Patient) -> Iterator[Finding]:
    """That files are read-only, and folders of trees closed: what one user spoils, all would read."""
    layout = patient.layout
    loose = [path for path in islice(_kept(layout), MOST_LOOKED_AT) if path.lstat().st_mode & 0o222]
    if loose:
        message = f"{len(loose)} of the files and folders under {layout.roots} can be written to (first: {loose[0]})"
        mend = f"forebay cache verify, then: chmod a-w {quote(str(loose[0]))}; who changed it, and do umask or ACLs?"
        yield fault("files-writable", message, mend)


def left_overs(patient: Patient) -> Iterator[Finding]:
    """What broken fills, evictions and checks have left."""
    layout = patient.layout
    if not layout.mark.exists():
        return
    names = os.listdir(layout.trash) if layout.trash.is_dir() else []
    quarantined = [name for name in names if is_quarantined(name)]
    if quarantined:
        mend = "Look at the disk (dmesg). They go after a week; forebay cache scrub sees whether there is more."
        yield warning("quarantine", f"{len(quarantined)} damaged or unknown things are in quarantine", mend)
    stuck = notes(layout)
    if stuck:
        mend = "Is something immutable (lsattr) or in use (lsof)? Every sweep tries them again."
        yield warning("stuck-files", f"{len(stuck)} files could not be evicted (first: {stuck[0][1][:12]})", mend)
    if patient.hub is not None:
        volume_id = str(read_mark(layout)["volume_id"])
        left = [item for item in patient.hub.fills.open_fills(volume_id) if not item.live]
        yield from _left_fills(left)


def speed(patient: Patient) -> Iterator[Finding]:
    """How long a sync takes, and how fast a bigger file is written."""
    layout, thresholds = patient.layout, patient.thresholds
    if not layout.mark.exists():
        return
    with _canary(patient) as path:
        seconds = [_timed_sync(patient, path, number) for number in range(_SYNCS)]
    typical = statistics.median(seconds)
    if typical > thresholds.sync_s:
        told = fault if typical > thresholds.bad_sync_s else warning
        message = f"a small file takes {typical * 1000:.0f} ms to be written and synced on {layout.root}"
        yield told(
            "slow-sync", message, "Look at the load of its disk or server; on NFS, at the network and the mount."
        )
    if fsio.free_bytes(layout.root) < 4 * _BLOCKS * _BLOCK_BYTES:
        return
    with _canary(patient) as path:
        bytes_s = _written_bytes_s(patient, path)
    if bytes_s < thresholds.write_bytes_s:
        message = f"{layout.root} writes {bytes_s / 1e6:.1f} MB/s; a fill is no faster than that"
        yield warning(
            "slow-writes", message, "Use a faster disk or tier, or see who else writes there (iostat, nfsstat)."
        )


def _not_there(patient: Patient) -> Iterator[Finding]:
    layout, hub = patient.layout, patient.hub
    known = hub.volumes.at(str(layout.root), patient.host) if hub is not None else None
    if known is not None:
        message = f"{layout.root} was the volume {known.volume_id[:8]} and has nothing of it now"
        mend = "Mount it. If it is really lost: forebay cache recover --force"
        yield fault("volume-not-mounted", message, mend)
    elif layout.root.is_dir() and any(layout.root.iterdir()):
        message = f"{layout.root} is no volume and holds other files"
        yield fault("volume-not-empty", message, "Name an empty folder with --volume or FOREBAY_VOLUME.")
    else:
        yield note("no-volume", f"there is no volume at {layout.root} yet", "Nothing: the first fill makes it.")


def _abilities(patient: Patient) -> Iterator[Finding]:
    """Hard links, times finer than a second, and the clock of whoever keeps the files."""
    with _canary(patient) as path, _canary(patient) as second:
        asked_at = patient.clock.now()
        path.write_bytes(b"x")
        facts = path.stat()
        yield from skewed("the volume's server", facts.st_mtime, asked_at, patient.clock.now(), patient.thresholds)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns // 10**9 * 10**9 + _ODD_NS))
        if path.stat().st_mtime_ns % 10**9 == 0:
            mend = (
                "A file that changes within a second may not be noticed by verify: use a file system with finer times."
            )
            yield warning("coarse-times", f"{patient.layout.root} keeps times in whole seconds", mend)
        try:
            patient.disk.link(path, second)
        except OSError as error:
            mend = "Use a file system with hard links (XFS, ext4, NFS): without, what versions share is kept twice."
            yield warning("no-hard-links", f"{patient.layout.root} makes no hard links: {error.strerror}", mend)


def _room(patient: Patient, volume_id: str) -> Iterator[Finding]:
    if patient.hub is None:
        return
    known = patient.hub.volumes.at(str(patient.layout.root), patient.host)
    if known is None or known.volume_id != volume_id:
        return
    if known.state is not VolumeState.NORMAL:
        mend = "Look at its disk and mount; forebay cache health until it is normal."
        yield fault(f"volume-{known.state}", f"the volume is {known.state}: {known.state_reason}", mend)
    left = known.limit_bytes - known.used_bytes
    free_bytes = fsio.free_bytes(patient.layout.root)
    if left > free_bytes:
        yield _beyond(patient.settings.volume_limit, known.used_bytes, left, free_bytes)


def _beyond(limit: str, used_bytes: int, left_bytes: int, free_bytes: int) -> Finding:
    """A limit that can't be used up. As a share, which is the default, nobody has promised that much: a note."""
    fits = f"volume_limit={max(1, int(used_bytes + _SHARE_OF_FREE * free_bytes) >> 20)}MB"
    message = (
        f"the limit lets the volume grow by {left_bytes >> 20} MiB, and its file system has {free_bytes >> 20} MiB left"
    )
    if isinstance(parse_limit(limit), float):
        mend = f"All is well while less is kept; then fills fail with disk-full. To have it evict before that: {fits}"
        return note("limit-too-high", f"{message}: it is {limit} of the whole file system", mend)
    mend = f"Lower it, such as {fits}, or move away what else is on that file system."
    return warning("limit-too-high", message, mend)


def _left_fills(left: list[OpenFill]) -> Iterator[Finding]:
    if left:
        size_bytes = sum(item.reserved_bytes for item in left)
        message = f"{len(left)} fills broke off and keep {size_bytes >> 20} MiB for their next try"
        mend = f"forebay cache warm {quote(left[0].ref)} goes on with it; forebay cache events says why it broke off."
        yield warning("fills-broke-off", message, mend)


def _kept(layout: VolumeLayout) -> Iterator[Path]:
    """Files that are never written again, and the folders of finished trees."""
    for group in layout.groups():
        blobs = layout.blobs(group)
        for shard in blobs.iterdir() if blobs.is_dir() else ():
            yield from shard.iterdir()
    for _, tree in layout.tree_paths():
        for folder, _, files in os.walk(tree):
            yield Path(folder)
            yield from (Path(folder, name) for name in files)


@contextmanager
def _canary(patient: Patient) -> Iterator[Path]:
    """A name of a canary's kind; what is there is gone at the end."""
    path = patient.layout.root / f".{LEFT}{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def _timed_sync(patient: Patient, path: Path, number: int) -> float:
    began = patient.clock.monotonic()
    patient.disk.write_durable(path, bytes([number]) * 4096)
    return patient.clock.monotonic() - began


def _written_bytes_s(patient: Patient, path: Path) -> float:
    """Random bytes, so that no file system stores them as less; until it is synced."""
    block, written, began = os.urandom(_BLOCK_BYTES), 0, patient.clock.monotonic()
    descriptor = patient.disk.create(path)
    try:
        while written < _BLOCKS * _BLOCK_BYTES and patient.clock.monotonic() - began < _WRITE_SECONDS:
            patient.disk.write(descriptor, block)
            written += _BLOCK_BYTES
        patient.disk.sync(descriptor)
    finally:
        patient.disk.close(descriptor)
    return written / max(1e-6, patient.clock.monotonic() - began)


def _user() -> str:
    return f"uid {os.getuid()}"
