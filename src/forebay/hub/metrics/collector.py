"""All that a served hub tells a Prometheus: of its process as it happens, of its records when it is asked.

The records are read in one snapshot, at most every few seconds however many ask, and for a bounded time. While the
database is away the process still tells of itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager
from importlib.metadata import version

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from sqlalchemy import Connection
from sqlalchemy.pool import QueuePool

from forebay.catalog.engine import reading
from forebay.clock import Clock
from forebay.errors import ForebayError
from forebay.hub.local import LocalHub
from forebay.hub.metrics import records, site_records
from forebay.hub.metrics.counted import Counted
from forebay.hub.metrics.statements import listen
from forebay.log import get_logger
from forebay.metrics import hub_families as m
from forebay.metrics.exposition import Told
from forebay.metrics.family import Family, Sample

KEPT_SECONDS = 5.0
"""So old may be what a scrape is told of the records."""

_STATEMENT_MS = 5000
_log = get_logger("hub.metrics")


class HubMetrics:
    """One served hub's. Listens to its database and its leases from now on."""

    def __init__(self, hub: LocalHub, clock: Clock) -> None:
        self._engine = hub.engine
        self._site_terms = hub.site_terms
        self._clock = clock
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._gauge(m.BUILD).labels(version("forebay")).set(1)
        self._requests, self._seconds = self._counter(m.REQUESTS), self._histogram(m.REQUEST_SECONDS)
        self._in_flight = self._gauge(m.IN_FLIGHT)
        leases = self._counter(m.OPENED)
        hub.leases.on_granted = lambda volume, is_first: leases.labels(volume, "filled" if is_first else "ready").inc()
        hub.sites.on_started = self._histogram(m.RUN_WAIT_SECONDS).observe
        listen(hub.engine, self._histogram(m.STATEMENT_SECONDS).observe, self._counter(m.STATEMENTS_FAILED).inc)
        self._gauge(m.CONNECTIONS).set_function(self._connections)
        self._up = self._gauge(m.DATABASE_UP)
        self._lock = threading.Lock()
        self._counted = Counted()
        self._read: list[Sample] = []
        self._read_at: float | None = None
        self._registry.register(Told(self._of_records))

    def text(self) -> bytes:
        """What a scrape gets, in `exposition.CONTENT_TYPE`."""
        with self._lock:
            self._refresh()
            return generate_latest(self._registry)

    def under_way(self) -> AbstractContextManager[object]:
        """For the time of a request."""
        return self._in_flight.track_inprogress()

    def answered(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """A request has ended; `seconds` until its answer began, None where none did."""
        self._requests.labels(route, method, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(route, method).observe(seconds)

    def _refresh(self) -> None:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < KEPT_SECONDS:
            return
        try:
            with reading(self._engine) as connection:
                self._read = self._look(connection)
        except ForebayError as error:
            _log.warning("records-not-read", kind=error.kind)
            self._read = []
            self._up.set(0)
        else:
            self._up.set(1)
            self._read_at = now

    def _look(self, connection: Connection) -> list[Sample]:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"SET LOCAL statement_timeout = {_STATEMENT_MS}"))
        now = self._clock.now()
        standing = records.read(connection, now)
        of_sites = site_records.read(connection, now, self._site_terms)
        return [*standing.samples, *of_sites, *self._counted.read(connection, standing.volumes, now)]

    def _of_records(self) -> Iterable[Sample]:
        return self._read

    def _connections(self) -> float:
        pool = self._engine.pool
        return float(pool.checkedout()) if isinstance(pool, QueuePool) else 0.0

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.meaning, family.labels, registry=self._registry)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.meaning, family.labels, registry=self._registry)

    def _histogram(self, family: Family) -> Histogram:
        return Histogram(family.name, family.meaning, family.labels, buckets=family.buckets, registry=self._registry)
