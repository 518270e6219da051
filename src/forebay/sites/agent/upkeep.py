"""What an agent does for its volume unasked: tries it out, and lets go what is due. What fails comes again."""

from __future__ import annotations

import threading
from collections.abc import Callable

from forebay.cache.engine import Cache
from forebay.errors import ForebayError
from forebay.log import get_logger
from forebay.sites.agent.events import VolumeSeen
from forebay.wire.cache import VolumeState

CANARY_S = 60.0
SWEEP_S = 600.0

_log = get_logger("agent")


class Upkeep:
    """A thread of its own, since a volume that hangs must not hold up the agent. `saw` is told how the volume is."""

    def __init__(
        self,
        cache: Cache,
        saw: Callable[[VolumeSeen], object],
        *,
        canary_s: float = CANARY_S,
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._cache = cache
        self._saw = saw
        self._canary_s = canary_s
        self._looks_a_sweep = max(1, round(sweep_s / canary_s))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forebay-upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends after what it does just now."""
        self._stop.set()

    def _run(self) -> None:
        looks = 0
        while not self._stop.is_set():
            try:
                self._look(sweeps=looks % self._looks_a_sweep == 0)
            except (ForebayError, OSError) as error:
                _log.warning("upkeep-failed", error=str(error))
            looks += 1
            self._stop.wait(self._canary_s)

    def _look(self, *, sweeps: bool) -> None:
        volume = self._cache.try_out()
        self._saw(VolumeSeen(state=volume.state, reason=volume.state_reason))
        if sweeps and volume.state is VolumeState.NORMAL:
            for gone in self._cache.sweep():
                kind = "" if gone.error is None else gone.error.kind
                _log.info("swept", ref=gone.ref, reason=gone.reason, freed_bytes=gone.freed_bytes, error=kind)
