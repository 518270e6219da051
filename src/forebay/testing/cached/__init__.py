"""A cache to test with: a lake of local files, a hub, a volume, disks that fail on demand, the invariants by name."""

from __future__ import annotations

from forebay.testing.cached.clock import FakeClock
from forebay.testing.cached.disks import CopyingDisk, FailingDisk, KillingDisk, NfsDisk
from forebay.testing.cached.mortal import Killed, Mortal, MortalDisk
from forebay.testing.cached.world import World

__all__ = [
    "CopyingDisk",
    "FailingDisk",
    "FakeClock",
    "Killed",
    "KillingDisk",
    "Mortal",
    "MortalDisk",
    "NfsDisk",
    "World",
]
