"""What reading from the lake costs, as far as it is known: the setting `read_price`. Never guesses a price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forebay.cache.policy import Decision
from forebay.client.session import Session
from forebay.settings import Settings
from forebay.wire.catalog import Version

_GB = 2**30


def cost_of_reading(settings: Settings, version: Version, size_bytes: int) -> float | None:
    """In the currency of the setting; 0 where nothing is charged (`file://`), None where no price is known."""
    if version.lake_url.startswith("file://"):
        return 0.0
    price = settings.price
    return None if price is None else size_bytes / _GB * price.amount


def with_costs(session: Session, decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions, each with what it would cost to bring the bytes back that come free."""
    return [_with_cost(session, decision) for decision in decisions]


def _with_cost(session: Session, decision: Decision) -> Decision:
    version = session.hub.catalog.resolve(decision.candidate.replica.ref)
    cost = cost_of_reading(session.settings, version, decision.frees_bytes)
    return replace(decision, refill_cost=cost)
