"""Verifies what is on a volume again and again, at a bounded rate, and has damaged files fetched anew.

One replica after the other, the longest unverified first. A damaged file rests in quarantine; the other files of its
replica, and all other replicas, stay readable. Only a volume in good health is judged (`health`), and BRAKE holds
over a whole pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.cache.health import Act
from forebay.cache.verify import Verified, brake, still_there
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.log import get_logger
from forebay.wire.cache import Holder, Replica, ReplicaState

if TYPE_CHECKING:
    from forebay.cache.engine import Cache

_log = get_logger("scrub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """One pass. `damaged` replicas were taken out of use; `refilled` of them are ready again, `failed` are not."""

    verified: tuple[Verified, ...]
    damaged: tuple[str, ...]
    refilled: tuple[str, ...]
    failed: tuple[tuple[str, ForebayError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubSettings:
    """`rate_bytes_s` None reads as fast as the disk gives; `refill` fetches anew what was found damaged.

    `force`: somebody has looked, and the files are really damaged, however many there are.
    """

    rate_bytes_s: float | None = None
    refill: bool = True
    force: bool = False


class Scrubber:
    """Scrubs one volume. `wait` sleeps for so many seconds; what it raises ends the pass."""

    def __init__(
        self,
        cache: Cache,
        memo_folder: Path,
        settings: ScrubSettings,
        *,
        holder: Holder,
        clock: Clock,
        wait: Callable[[float], object],
    ) -> None:
        self._cache = cache
        self._memo_folder = memo_folder
        self._settings = settings
        self._holder = holder
        self._clock = clock
        self._wait = wait
        self._read_bytes = 0
        self._began = 0.0

    def run(self, on_file: Callable[[int], object] = bool) -> Scrubbed:
        """One pass over all that is ready. DamagedError `brake`; UnavailableError while the volume is not normal."""
        self._cache.require(Act.SCRUB)
        self._began, self._read_bytes = self._clock.monotonic(), 0
        files = sum(replica.files for replica in self._cache.replicas())
        results: list[Verified] = []
        damaged: list[str] = []
        refilled: list[str] = []
        failed: list[tuple[str, ForebayError]] = []
        for replica in order(self._cache.replicas()):
            try:
                found = self._cache.look_through(replica, self._memo_folder, on_file=on_file, on_read=self._pace)
            except ForebayError as error:
                failed.append((replica.ref, error))
                continue
            if found.bad and not still_there([found], self._cache.replicas()):
                continue
            results.append(found)
            if found.bad:
                self._cache.layout.require_here()
            if not self._settings.force:
                brake(results, files)
            for ref in self._take_out(found):
                damaged.append(ref)
                self._refill(ref, refilled, failed)
        return Scrubbed(verified=tuple(results), damaged=tuple(damaged), refilled=tuple(refilled), failed=tuple(failed))

    def _take_out(self, found: Verified) -> list[str]:
        if not found.bad:
            return []
        # A disk that fails now is no witness: it is asked once more before anything is called damaged.
        self._cache.require(Act.SCRUB, ask=True)
        return [replica.ref for replica in self._cache.take_out([found])]

    def _refill(self, ref: str, refilled: list[str], failed: list[tuple[str, ForebayError]]) -> None:
        if not self._settings.refill:
            return
        try:
            self._cache.warm(self._cache.resolve(ref), self._holder)
        except ForebayError as error:
            _log.warning("refill-failed", ref=ref, kind=error.kind)
            failed.append((ref, error))
        else:
            refilled.append(ref)

    def _pace(self, size_bytes: int) -> None:
        """Wait until what was read so far is no more than the rate allows."""
        self._read_bytes += size_bytes
        if self._settings.rate_bytes_s is None:
            return
        seconds = pause_s(self._read_bytes, self._clock.monotonic() - self._began, self._settings.rate_bytes_s)
        if seconds > 0:
            self._wait(seconds)


def order(replicas: Sequence[Replica]) -> list[Replica]:
    """The ready ones, the longest unverified first."""
    ready = [replica for replica in replicas if replica.state is ReplicaState.READY]
    return sorted(ready, key=lambda replica: (replica.verified_at, replica.ref))


def pause_s(read_bytes: int, elapsed_s: float, rate_bytes_s: float) -> float:
    """How long to wait so that `read_bytes` in the time since the beginning keep to the rate."""
    return max(0.0, read_bytes / rate_bytes_s - elapsed_s)
