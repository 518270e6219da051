"""Which power cuts a run makes: a pure function of the seed, so that a cut can be told by its number."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What the power goes away under."""

    FILL = "fill"
    REPAIR = "repair"
    EVICT = "evict"
    FILL_AND_EVICT = "fill and evict"
    RECOVER = "recover"
    PUBLISH = "publish"


EFFECTS = {
    Action.FILL: 200,
    Action.REPAIR: 105,
    Action.EVICT: 75,
    Action.FILL_AND_EVICT: 220,
    Action.RECOVER: 20,
    Action.PUBLISH: 0,
}
"""About as many as the action makes on the disk; a publication's are mostly obstore's own, which nobody counts."""

SECONDS = 0.6
"""About as long as an action lasts in a guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Before the effect `at_effect` when that is not 0, else `after_seconds` from the action's beginning.

    `restless`: the kernel writes back all the time, so that much of what nobody synced is on the disk, in its own
    order; otherwise nearly all of it is lost. `settled`: what was before the action is durable when it begins.
    `recover_first`: the next machine recovers before it uses the cache.
    """

    action: Action
    at_effect: int
    after_seconds: float
    restless: bool
    settled: bool
    recover_first: bool


def planned(seed: str, number: int) -> Cut:
    """Cut `number` (from 0 on) of a run. Every six cuts have every action once."""
    deck = list(Action)
    random.Random(f"{seed} {number // len(deck)}").shuffle(deck)
    action = deck[number % len(deck)]
    chance = random.Random(f"{seed} cut {number}")
    counted = EFFECTS[action] > 0 and chance.random() < 0.6
    return Cut(
        action=action,
        at_effect=chance.randint(1, EFFECTS[action]) if counted else 0,
        after_seconds=0.0 if counted else chance.uniform(0.0, SECONDS),
        restless=chance.random() < 0.5,
        settled=chance.random() < 0.7,
        recover_first=chance.random() < 0.5,
    )
