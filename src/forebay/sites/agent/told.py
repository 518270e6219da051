"""What an agent says of its tasks: why one waits, and how each is. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from forebay.sites.agent.state import Agent, Held, Mood, Phase
from forebay.wire.cache import VolumeState
from forebay.wire.sites import Report, TaskKey, TaskKind, TaskState

URGENT = (Mood.STOPPING, Mood.PAUSED, Mood.FENCED)


def waits_for(agent: Agent, held: Held, now: float) -> str:
    """Why it is not begun yet; "" when it may be."""
    others = [item for item in agent.held.values() if item.key != held.key and item.is_live]
    in_turn = sum(item.order.kind is held.order.kind and item.phase is not Phase.WAITING for item in others)
    obstacles: Mapping[str, bool] = {
        "the hub has not said yet whether it goes on here": not held.is_wanted,
        "the agent ends": agent.mood in URGENT,
        "the agent drains": agent.mood is Mood.DRAINING and not held.begun,
        "an earlier attempt at it has not ended yet": any(item.subject == held.subject for item in others),
        f"the volume is {agent.volume}: {agent.volume_reason}": not _volume_lets(agent.volume, held),
        "the hub has not been heard of for too long": held.is_run and now >= agent.runs_until,
        f"{in_turn} others are under way": in_turn >= _at_a_time(agent, held.order.kind),
    }
    return next((why for why, stands_against in obstacles.items() if stands_against), "")


def reports(agent: Agent, now: float) -> tuple[Report, ...]:
    """What the hub is told of each task that it wants here."""
    return tuple(
        _report(agent, held, now)
        for held in agent.held.values()
        if held.phase is Phase.ENDED or (held.is_wanted and held.phase is not Phase.HEARD)
    )


def _report(agent: Agent, held: Held, now: float) -> Report:
    if held.report is not None:
        return held.report
    under_way = held.phase in (Phase.GOING, Phase.STOPPING)
    # A run counts as under way once its command runs, and only its own report says that.
    has_begun = under_way and not held.is_run
    return Report(
        task_id=held.key.task_id,
        token=held.key.token,
        state=TaskState.UNDER_WAY if has_begun else TaskState.ORDERED,
        detail="" if under_way else waits_for(agent, held, now),
    )


def resumes(agent: Agent) -> tuple[TaskKey, ...]:
    """What is still under way, or has ended and was not heard."""
    return tuple(held.key for held in agent.held.values() if held.is_live or held.phase is Phase.ENDED)


def _at_a_time(agent: Agent, kind: TaskKind) -> float:
    limits = agent.limits
    most = {TaskKind.FILL: limits.fills, TaskKind.EVICT: limits.evictions, TaskKind.SCRUB: limits.scrubs}
    return most.get(kind, math.inf)


def _volume_lets(state: VolumeState, held: Held) -> bool:
    """As cache.health has it; what runs already is nobody's business."""
    match state:
        case VolumeState.NORMAL:
            return True
        case VolumeState.UNSTABLE:
            return held.is_run
        case _:
            return held.is_run and held.begun
