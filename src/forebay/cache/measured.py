"""What a process on a volume's own machine measures there, as metrics: an agent, or `forebay cache metrics`.

Never makes a volume, and never raises what the volume or the hub raised: what is away is told as away. PRIVATE: counts
and bytes of the volume, never of a dataset.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from forebay import fsio
from forebay.cache.canary import try_out
from forebay.cache.quarantine import is_quarantined
from forebay.cache.volume import VolumeLayout, read_mark
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.fsio import Disk
from forebay.log import get_logger
from forebay.metrics import volume_families as m
from forebay.metrics.family import Sample, sample, states
from forebay.wire.cache import ReplicaState, Sign, VolumeState
from forebay.wire.hub import Hub

MOST_TRASH_FILES = 100_000
_SHOWN = (ReplicaState.FILLING, ReplicaState.READY, ReplicaState.EVICTING, ReplicaState.DAMAGED)
_log = get_logger("metrics")


class VolumeMeter:
    """Measures one volume. `host` is whose path `root` is."""

    def __init__(self, hub: Hub, root: Path, *, host: str, disk: Disk, clock: Clock) -> None:
        self._hub = hub
        self._layout = VolumeLayout(root.absolute())
        self._host = host
        self._disk = disk
        self._clock = clock
        self._last_good = 0.0

    def measure(self) -> list[Sample]:
        """How it is now; tries the volume out with a canary and reports that to the hub."""
        here = self._id_here()
        known, hub_up = self._known(here)
        volume = here or known
        root, release = str(self._layout.root), version("forebay")
        found = [
            sample(m.INFO, 1, volume=volume, path=root, host=self._host, version=release),
            sample(m.UP, bool(here), volume=volume),
            sample(m.MEASURED, self._clock.now(), volume=volume),
        ]
        if here:
            found += self._canary(volume)
            with suppress(OSError):  # it has gone since: the next look says so
                found += self._on_disk(volume)
        if hub_up and known:
            try:
                found += self._recorded(volume)
            except ForebayError as error:
                _log.warning("records-not-read", kind=error.kind)
                hub_up = False
        return [*found, sample(m.HUB_UP, hub_up, volume=volume)]

    def _id_here(self) -> str:
        """The id on the mark, "" while it is away or another hub's."""
        try:
            mark = read_mark(self._layout)
        except ForebayError:
            return ""
        return str(mark["volume_id"]) if self._is_ours(str(mark["owner"])) else ""

    def _is_ours(self, owner: str) -> bool:
        try:
            return self._hub.owner == owner
        except ForebayError:
            return True  # only the hub could say

    def _known(self, here: str) -> tuple[str, bool]:
        """The id under which the hub knows it, "" where it does not; and whether the hub answered."""
        try:
            seen = self._hub.volumes.at(str(self._layout.root), self._host)
            return (seen.volume_id if seen is not None and here in ("", seen.volume_id) else ""), True
        except ForebayError:
            return "", False

    def _canary(self, volume: str) -> Iterator[Sample]:
        began = self._clock.monotonic()
        report = try_out(self._layout, volume, self._disk)
        seconds = self._clock.monotonic() - began
        if report.sign is Sign.GOOD:
            self._last_good = self._clock.now()
        yield sample(m.CANARY_OK, report.sign is Sign.GOOD, volume=volume)
        yield sample(m.CANARY_SECONDS, seconds, volume=volume)
        yield sample(m.CANARY_AT, self._last_good, volume=volume)
        try:
            self._hub.volumes.report_health(volume, report)
        except ForebayError as error:
            _log.warning("health-not-reported", kind=error.kind)

    def _on_disk(self, volume: str) -> Iterator[Sample]:
        facts = os.statvfs(self._layout.root)
        yield sample(m.FREE, facts.f_bavail * facts.f_frsize, volume=volume)
        yield sample(m.SIZE, facts.f_blocks * facts.f_frsize, volume=volume)
        if facts.f_files:
            yield sample(m.FREE_FILES, facts.f_favail, volume=volume)
        names = os.listdir(self._layout.trash) if self._layout.trash.is_dir() else []
        yield sample(m.TRASH, len(names), volume=volume)
        yield sample(m.QUARANTINED, sum(is_quarantined(name) for name in names), volume=volume)
        if not _too_many_below(self._layout.trash):
            yield sample(m.TRASH_BYTES, fsio.freed_bytes_below(self._layout.trash), volume=volume)

    def _recorded(self, volume: str) -> Iterator[Sample]:
        account = self._hub.volumes.get(volume)
        yield sample(m.LIMIT, account.limit_bytes, volume=volume)
        yield sample(m.USED, account.used_bytes, volume=volume)
        yield sample(m.RESERVED, account.reserved_bytes, volume=volume)
        yield from states(m.STATE, VolumeState, account.state, volume=volume)
        replicas = self._hub.replicas.all(volume)
        counts = Counter(item.state for item in replicas)
        for state in _SHOWN:
            yield sample(m.REPLICAS, counts[state], volume=volume, state=state.value)
        checked = [item.verified_at or item.since for item in replicas if item.state is ReplicaState.READY]
        if checked:
            yield sample(m.OLDEST_CHECK, min(checked), volume=volume)
        yield sample(m.LEASES, len(self._hub.leases.live(volume)), volume=volume)
        fills = self._hub.fills.open_fills(volume)
        held = sum(item.live for item in fills)
        for how, count in (("held", held), ("left", len(fills) - held)):
            yield sample(m.OPEN_FILLS, count, volume=volume, held=how)


def _too_many_below(folder: Path) -> bool:
    """Whether looking at every file would take long."""
    files = (name for _, _, names in os.walk(folder) for name in names)
    return next(islice(files, MOST_TRASH_FILES, None), None) is not None
