"""The words of the metrics: a family is a name with its kind, its labels and what it means. Values only.

The page docs/metrics.md is made from these, and dashboard and rules are held to them: a name is written here alone.
PRIVATE: a label may name a volume, a site, a route or a reason, never a dataset or who uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Of what a number tells: whether those of several hubs are to be added up."""

    PROCESS = "process"
    """Of one hub's process, from its start on: add those of all hubs."""
    DATABASE = "database"
    """Of the records: every hub of one database tells the same. Never add them: `max without (instance)`."""
    VOLUME = "volume"
    """Of one volume, as one machine sees it."""
    AGENT = "agent"
    """Of one agent's process, from its start on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A counter's `name` ends with `_total`. `buckets` are a histogram's upper bounds, in seconds."""

    name: str
    kind: Kind
    scope: Scope
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus has it."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}{end}" for end in ("_bucket", "_sum", "_count"))
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number of a family; `labels` in the family's order."""

    family: Family
    value: float
    labels: tuple[str, ...] = ()

    @property
    def by_label(self) -> dict[str, str]:
        return dict(zip(self.family.labels, self.labels, strict=True))


def sample(family: Family, value: float, **labels: str) -> Sample:
    """A sample; KeyError when a label is missing."""
    assert len(labels) == len(family.labels), (family.name, labels)
    return Sample(family=family, value=float(value), labels=tuple(labels[name] for name in family.labels))


def states(family: Family, names: Iterable[str], now: str, **labels: str) -> list[Sample]:
    """One sample for each state that there is: 1 for the one that holds."""
    return [sample(family, float(name == now), **labels, state=name) for name in names]


def by_family(samples: Iterable[Sample]) -> Mapping[Family, Sequence[Sample]]:
    """Samples in the order in which their families first come."""
    found: dict[Family, list[Sample]] = {}
    for item in samples:
        found.setdefault(item.family, []).append(item)
    return found
