"""Tells an agent's metrics and health over HTTP, from its own process: its own numbers, and its volume's.

The volume is measured in a thread of its own, canary and all: a volume that hangs holds up neither agent nor scrape.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from forebay.cache.measured import VolumeMeter
from forebay.client.agent.agent import Agent
from forebay.client.session import Session
from forebay.errors import ForebayError
from forebay.log import get_logger
from forebay.metrics.exposition import rendered
from forebay.metrics.family import Sample
from forebay.metrics.listen import Listener

MEASURED_EVERY_S = 60.0
_JOIN_S = 2.0

_log = get_logger("agent")


class Measuring:
    """Measures a volume again and again, from `start` until `stop`; `last` is how it was."""

    def __init__(self, meter: VolumeMeter, every_s: float = MEASURED_EVERY_S) -> None:
        self.last: list[Sample] = []
        self._meter = meter
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forebay-measuring", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """It ends after what it does just now, for which nobody waits long."""
        self._stop.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.last = self._meter.measure()
            except (ForebayError, OSError) as error:
                # How old the last numbers are is one of them.
                _log.warning("not-measured", error=str(error))
            self._stop.wait(self._every_s)


@contextmanager
def metrics_told(session: Session, agent: Agent, host: str, port: int) -> Iterator[str]:
    """Answer until the end of the block; the address of the metrics.

    InputError `metrics-open`; UnavailableError `cannot-listen`.
    """
    measuring = Measuring(session.volume_meter)

    def tell() -> bytes:
        return rendered([*agent.samples(), *measuring.last])

    token = session.settings.metrics_token
    with Listener(host, port, token, tell=tell, unready=agent.unready) as listener:
        measuring.start()
        try:
            yield listener.url
        finally:
            measuring.stop()
