"""The counters that the records have: histories of volumes, the ledger, and what the audit refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.policy import Rule
from forebay.catalog import schema as t
from forebay.hub.ledger import IS_USE
from forebay.hub.metrics.tally import Tally
from forebay.metrics import hub_families as m
from forebay.metrics.family import Family, Sample, sample

OTHER = "other"
REASONS: Mapping[str, str] = {
    "its bytes are needed%": Rule.SPACE,
    "its version is retired%": Rule.RETIRED,
    "idle for %": Rule.STALE,
    "its eviction was interrupted: %": Rule.INTERRUPTED,
    "damaged: %": Rule.DAMAGED,
    "the team % holds %": Rule.QUOTA,
    "% asked for it": Rule.ASKED,
}
"""The kind of an eviction's reason, by how `cache.policy` words it: a reason itself may name a team or a person."""

_OUTCOMES: Mapping[str, str] = {"filled": "filled", "fill-failed": "failed"}
_CHANGES = ("damaged", "adopted", "forgotten", "stuck")
_STATE = "volume-"
_LAKE, _PEER = "lake", "peer"

Totals = defaultdict[tuple[Family, tuple[str, ...]], float]


class Counted:
    """What was counted so far, and goes on from there."""

    def __init__(self) -> None:
        kind = sa.case(*((t.event.c.reason.like(like), rule) for like, rule in REASONS.items()), else_=OTHER)
        told = sa.case((t.event.c.event == "evicted", kind), else_="")
        self._events = Tally(
            t.event.c.event_id,
            t.event.c.at,
            keys=(t.event.c.volume_id, t.event.c.event, told),
            sums=(t.event.c.size_bytes,),
        )
        is_use = sa.case((IS_USE, 1), else_=0)
        sums = (t.use.c.size_bytes, t.use.c.moved_bytes, t.use.c.peer_bytes, t.use.c.seconds_saved)
        self._ledger = Tally(t.use.c.use_id, t.use.c.at, keys=(t.use.c.volume_id, is_use), sums=sums)
        refused = t.audit.c.outcome == "refused"
        self._refused = Tally(t.audit.c.audit_id, t.audit.c.at, keys=(t.audit.c.action,), where=refused)

    def read(self, connection: Connection, volumes: list[str], now: float) -> Iterator[Sample]:
        """Every counter that has been counted to its end; those of known volumes also where they are 0."""
        totals: Totals = defaultdict(float)
        self._add_events(totals, connection, volumes, now)
        self._add_ledger(totals, connection, volumes, now)
        for (action,), (count,) in (self._refused.read(connection, now) or {}).items():
            totals[m.REFUSALS, (action,)] += count
        for (family, labels), value in totals.items():
            yield sample(family, value, **dict(zip(family.labels, labels, strict=True)))

    def _add_events(self, totals: Totals, connection: Connection, volumes: list[str], now: float) -> None:
        found = self._events.read(connection, now)
        if found is None:
            return
        for volume in volumes:
            for outcome in _OUTCOMES.values():
                totals[m.FILLS, (volume, outcome)] += 0
            for reason in (*sorted(set(REASONS.values())), OTHER):
                totals[m.EVICTIONS, (volume, reason)] += 0
                totals[m.EVICTED_BYTES, (volume, reason)] += 0
        for (volume, event, reason), (count, size_bytes) in found.items():
            if event in _OUTCOMES:
                totals[m.FILLS, (volume, _OUTCOMES[event])] += count
                totals[m.FILLED_BYTES, (volume,)] += size_bytes
            elif event == "evicted":
                totals[m.EVICTIONS, (volume, reason)] += count
                totals[m.EVICTED_BYTES, (volume, reason)] += size_bytes
            elif event in _CHANGES:
                totals[m.CHANGES, (volume, event)] += count
            elif event.startswith(_STATE):
                totals[m.ILLNESSES, (volume, event.removeprefix(_STATE))] += count

    def _add_ledger(self, totals: Totals, connection: Connection, volumes: list[str], now: float) -> None:
        found = self._ledger.read(connection, now)
        if found is None:
            return
        for volume in volumes:
            totals[m.USES, (volume,)] += 0
            for source in (_LAKE, _PEER):
                totals[m.MOVED_BYTES, (volume, source)] += 0
        for (volume, is_use), (count, size_bytes, moved_bytes, peer_bytes, seconds) in found.items():
            if is_use:
                totals[m.USES, (volume,)] += count
                totals[m.USED_BYTES, (volume,)] += size_bytes
                totals[m.SAVED_SECONDS, (volume,)] += seconds
            else:
                totals[m.MOVED_BYTES, (volume, _LAKE)] += moved_bytes
                totals[m.MOVED_BYTES, (volume, _PEER)] += peer_bytes
