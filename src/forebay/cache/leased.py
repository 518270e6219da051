"""A ready replica in somebody's hands: its path, and the lease that keeps it there while they use it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from forebay.cache.heart import Heart
from forebay.cache.machine import Terms
from forebay.errors import ConflictError, ForebayError
from forebay.log import get_logger
from forebay.wire.cache import Lease, Replica
from forebay.wire.hub import Hub

_log = get_logger("lease")


@dataclass(frozen=True, slots=True, kw_only=True)
class Readied:
    """A version is ready at `path`. `moved_bytes` came from the lake or another site now.

    `waited` for somebody else's fill.
    """

    path: Path
    moved_bytes: int
    present_bytes: int
    seconds: float
    waited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed(Readied):
    """The same with the replica as the hub has it."""

    replica: Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A version that is ready at `path` without a download. `copied_bytes` came from a directory of this machine."""

    path: Path
    copied_bytes: int


class Leased:
    """A lease with its heartbeat. `close` ends it; `lost` is set when it was taken away."""

    def __init__(
        self, hub: Hub, lease: Lease, warmed: Readied, on_lost: Callable[[ConflictError], object], terms: Terms
    ) -> None:
        self._hub = hub
        self._on_lost = on_lost
        self.lease = lease
        self.warmed = warmed
        self.lost: ConflictError | None = None
        self._heart = Heart("lease-heart", terms.lease_beat_seconds, self._beat, self._lose).start()
        self._pid = os.getpid()
        self._closed = False

    def close(self) -> None:
        """End the lease. Idempotent, and nothing in a forked child: the lease is its parent's."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        self._heart.stop()
        try:
            self._hub.leases.release(self.lease.lease_id)
        except ForebayError as error:
            # The work it was for is done; the lease ends by itself.
            _log.warning("release-failed", lease=self.lease.lease_id, kind=error.kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _beat(self) -> None:
        self._hub.leases.renew(self.lease.lease_id)

    def _lose(self, error: ConflictError) -> None:
        self.lost = error
        self._on_lost(error)
