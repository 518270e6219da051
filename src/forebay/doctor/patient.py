"""What is examined: this process' settings, clock and disk, and the hub once it was found to answer.

`Thresholds` say from when on something is called slow, late or little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from forebay.cache.volume import VolumeLayout
from forebay.clock import Clock
from forebay.fsio import Disk
from forebay.settings import Settings
from forebay.wire.hub import Hub


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Seconds, bytes, shares and days."""

    skew_s: float = 5.0
    bad_skew_s: float = 60.0
    sync_s: float = 0.25
    bad_sync_s: float = 1.0
    write_bytes_s: float = 30e6
    home_free_bytes: int = 200 << 20
    open_files: int = 1024
    certificate_days: float = 14.0
    token_days: float = 7.0


@dataclass(slots=True, kw_only=True)
class Patient:
    """`hub` is None until the check of the hub, or of the database, has found it well."""

    settings: Settings
    folder: Path
    host: str
    clock: Clock
    disk: Disk = field(default_factory=Disk)
    thresholds: Thresholds = field(default_factory=Thresholds)
    hub: Hub | None = None

    @property
    def layout(self) -> VolumeLayout:
        return VolumeLayout(self.settings.volume_root.absolute())

    def close(self) -> None:
        if self.hub is not None:
            self.hub.close()
