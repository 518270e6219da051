"""Which previews an agent makes and when, pure: orders and what has ended in, what is to begin out.

Apart from tasks: nothing waits for a preview, none outlives its agent, and one that is lost is ordered anew.
Invariant: ONCE (none is begun twice for one order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forebay.wire.previews import PreviewOrder

AT_ONCE = 1
"""Each takes a core for some seconds, beside what trains here."""

LookKey = tuple[str, int]


def key_of(order: PreviewOrder) -> LookKey:
    """One order: a preview and its token."""
    return order.preview_id, order.token


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What the newest orders name (`wanted`), what of it is under way, and what has ended and may still be named."""

    wanted: tuple[PreviewOrder, ...] = ()
    going: frozenset[LookKey] = frozenset()
    ended: frozenset[LookKey] = frozenset()

    def ordered(self, orders: Sequence[PreviewOrder]) -> Looks:
        """New orders: what they name no more is forgotten."""
        named = frozenset(map(key_of, orders))
        return replace(self, wanted=tuple(orders), ended=self.ended & named)

    def ended_with(self, key: LookKey) -> Looks:
        """One has ended, however it did."""
        if key not in self.going:
            return self
        named = key in map(key_of, self.wanted)
        return replace(self, going=self.going - {key}, ended=self.ended | {key} if named else self.ended)

    def begin(self) -> tuple[Looks, tuple[PreviewOrder, ...]]:
        """What is begun now, in the order of the orders."""
        waiting = [order for order in self.wanted if key_of(order) not in self.going | self.ended]
        begun = tuple(waiting[: max(0, AT_ONCE - len(self.going))])
        return replace(self, going=self.going | frozenset(map(key_of, begun))), begun
