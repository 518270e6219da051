"""Samples in Prometheus' text format: for a scrape, or as a file for node_exporter's textfile collector.

prometheus-client is imported with this module and nowhere else at the top: only who serves metrics loads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from forebay.errors import NotAllowedError
from forebay.fsio import Disk
from forebay.metrics.family import Family, Kind, Sample, by_family

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Told:
    """A collector of what a function tells when it is asked."""

    def __init__(self, tell: Callable[[], Iterable[Sample]]) -> None:
        self._tell = tell

    def collect(self) -> Iterator[Metric]:
        """Families with their samples."""
        for family, samples in by_family(self._tell()).items():
            metric = _metric(family)
            for item in samples:
                metric.add_metric(item.labels, item.value)
            yield metric

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked before the first scrape."""
        return []


def rendered(samples: Iterable[Sample]) -> bytes:
    """The text of these samples alone."""
    registry = CollectorRegistry()
    found = list(samples)
    registry.register(Told(lambda: found))
    return generate_latest(registry)


def write_textfile(path: Path, samples: Iterable[Sample], disk: Disk) -> None:
    """Replace the file whole, so that node_exporter never reads half of one; everybody may read it.

    NotAllowedError `textfile`.
    """
    try:
        disk.write_durable(path, rendered(samples))
    except OSError as error:
        raise NotAllowedError(
            "textfile",
            f"cannot write {path}: {error.strerror}",
            todo="Name a file in a folder that is there and where you may write.",
        ) from error


def _metric(family: Family) -> GaugeMetricFamily | CounterMetricFamily:
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(family.name, family.meaning, labels=family.labels)
