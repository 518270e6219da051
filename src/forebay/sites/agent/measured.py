"""An agent's own metrics, made from what it knows and has seen. Pure. PRIVATE: kinds and numbers, never what of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from forebay.metrics import agent_families as m
from forebay.metrics.family import Sample, sample
from forebay.sites.agent.state import Agent, Phase
from forebay.sites.agent.watched import Watched, unready
from forebay.wire.sites import TaskKind, TaskState

_UNDER_WAY = (Phase.GOING, Phase.STOPPING)


def samples(site: str, release: str, agent: Agent, watched: Watched, now: float) -> Iterator[Sample]:
    """All of them, as it is at `now` on the agent's clock; kinds that never came are told as 0."""
    yield sample(m.INFO, 1, site=site, version=release)
    yield sample(m.READY, not unready(agent, watched, now), site=site)
    going = Counter(held.order.kind for held in agent.held.values() if held.phase in _UNDER_WAY)
    for kind in _told(going):
        yield sample(m.TASKS, going[kind], site=site, kind=kind.value)
    for kind in _told(kind for kind, _ in watched.ended):
        for state in TaskState:
            if state.is_final:
                count = watched.ended.get((kind, state), 0)
                yield sample(m.TASKS_ENDED, count, site=site, kind=kind.value, outcome=state.value)
    if math.isfinite(watched.heard_at):
        yield sample(m.BEAT_AGE, max(0.0, now - watched.heard_at), site=site)
    yield sample(m.BEATS_FAILED, watched.beats_failed, site=site)


def _told(came: Iterable[TaskKind]) -> list[TaskKind]:
    """The kinds that there are, and `unknown` only if it came."""
    found = set(came)
    return [kind for kind in TaskKind if kind is not TaskKind.UNKNOWN or kind in found]
