"""What would go from a place if it made room now, and why, decided by `cache.policy` as its agent would.

PRIVATE: decided over what the one who looks may know of, as if nothing else were there. Contents that versions share
count with each of them here: the agent, which has the manifests, frees less, and the pages say "at most".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.bandwidth import bandwidths
from forebay.cache.machine import Terms
from forebay.cache.policy import Candidates, Decision, TeamQuota, decide
from forebay.cache.trial import Trial
from forebay.catalog import schema as t
from forebay.hub import rows
from forebay.hub.access.jobs import without
from forebay.hub.board.places import Place
from forebay.hub.board.sight import Sight
from forebay.wire.cache import Quota, Replica, ReplicaState


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """`going` in the order in which they would go; `staying`, the least worth first, are those that nothing keeps but
    that their turn has not come. Sums are of `going`.
    """

    going: tuple[Decision, ...]
    staying: tuple[Decision, ...]

    @property
    def frees_bytes(self) -> int:
        return sum(item.frees_bytes for item in self.going)

    @property
    def refill_s(self) -> float:
        """To bring all of it back, one after another; what nobody knows the time of counts nothing."""
        return sum(item.refill_seconds for item in self.going)


def going(
    connection: Connection, sight: Sight, place: Place, now: float, *, missing_bytes: int = 0, staying: int = 50
) -> Going:
    """What would go, with at most so many of those that stay; `missing_bytes` is what a fill would lack."""
    seen = [item for item in rows.replicas(connection, place.volume_id, now) if _is_seen(item, sight)]
    alone = [item.size_bytes for item in seen]
    decisions = decide(
        Candidates(
            replicas=seen,
            bandwidths_bytes_s=bandwidths(seen, place.bandwidth_bytes_s),
            trial=Trial.apart(alone),
        ),
        place.policy,
        used_bytes=place.full_bytes,
        limit_bytes=place.limit_bytes,
        missing_bytes=missing_bytes,
        now=now,
        hold_seconds=Terms().hold_seconds,
        quotas=[_of_team(quota, seen) for quota in quotas(connection, sight, place.volume_id)],
    )
    goes = decisions.going
    others = decisions[len(goes) : len(goes) + staying]
    return Going(going=_told(goes, sight), staying=_told(others, sight))


def quotas(connection: Connection, sight: Sight, volume_id: str) -> list[Quota]:
    """The teams' quotas there: all for who sees everything, else those of one's own teams."""
    query = sa.select(t.quota).where(t.quota.c.volume_id == volume_id).order_by(t.quota.c.team)
    if not sight.sees_all:
        query = query.where(t.quota.c.team.in_(sorted(sight.teams)))
    return [Quota(**row) for row in connection.execute(query).mappings()]


def _is_seen(replica: Replica, sight: Sight) -> bool:
    return replica.state is not ReplicaState.ABSENT and sight.sees(replica.dataset)


def _of_team(quota: Quota, seen: list[Replica]) -> TeamQuota:
    is_whole = [item.state is not ReplicaState.FILLING for item in seen]
    own = [
        item.size_bytes if whole and item.team == quota.team else 0 for item, whole in zip(seen, is_whole, strict=True)
    ]
    return TeamQuota(quota=quota, held_bytes=sum(own), trial=Trial.apart(own))


def _told(decisions: Iterable[Decision], sight: Sight) -> tuple[Decision, ...]:
    hidden = sight.hidden
    return tuple(
        replace(item, reason=without(item.reason, hidden, "what happened to it can't be told")) for item in decisions
    )
