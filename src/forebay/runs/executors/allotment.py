"""Which devices a job gets of those that a machine has, pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def allot_gpus(wanted: int, had: Sequence[str], held: Iterable[str]) -> tuple[str, ...] | None:
    """So many of `had` that nobody holds, the first in order; None when there are too few."""
    taken = set(held)
    free = [device for device in had if device not in taken]
    return tuple(free[:wanted]) if len(free) >= wanted else None


def allot_cpus(wanted: int, had: Iterable[int], held: Iterable[int]) -> tuple[int, ...]:
    """So many of `had`, those that fewest others hold; () for no limit: none was wanted, or as many as there are."""
    cpus = sorted(had)
    if not 0 < wanted < len(cpus):
        return ()
    holders = Counter(held)
    return tuple(sorted(sorted(cpus, key=lambda cpu: (holders[cpu], cpu))[:wanted]))
