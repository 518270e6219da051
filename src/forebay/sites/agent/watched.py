"""What an agent has seen so far and its machine has no use for: for its metrics. Pure: values in, values out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from forebay.sites.agent import events as seen
from forebay.sites.agent.events import Event
from forebay.sites.agent.state import Agent, Mood, Phase
from forebay.wire.sites import TaskKey, TaskKind, TaskState

Ended = tuple[TaskKind, TaskState]

_OVER = (Phase.ENDED, Phase.HEARD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Since the process began. `heard_at`: the last beat that the hub took, or the attaching, was sent then."""

    heard_at: float = -math.inf
    beats_failed: int = 0
    ended: Mapping[Ended, int] = field(default_factory=dict)


def watch(so_far: Watched, before: Agent, event: Event, after: Agent) -> Watched:
    """With one step of the machine. What is late or doubled counts for nothing, as it does there."""
    match event:
        case seen.Attached(sent_at=sent_at) if after.agent_token != before.agent_token:
            so_far = replace(so_far, heard_at=max(so_far.heard_at, sent_at))
        case seen.BeatAnswered(agent_token=token, sent_at=sent_at) if token == before.agent_token:
            so_far = replace(so_far, heard_at=max(so_far.heard_at, sent_at))
        case seen.BeatFailed():
            so_far = replace(so_far, beats_failed=so_far.beats_failed + 1)
        case _:
            pass
    ended = [] if before.held is after.held else _ended(before, event, after)
    return replace(so_far, ended=Counter(so_far.ended) + Counter(ended)) if ended else so_far


def unready(agent: Agent, watched: Watched, now: float) -> str:
    """Why the hub gives this agent nothing to do; "" while it may."""
    if agent.mood is Mood.FENCED:
        return "another agent has the site"
    if agent.has_ended:
        return "it has ended"
    if not agent.agent_token:
        return "it is not attached to the hub"
    if now >= watched.heard_at + agent.hold_s:
        return f"the hub took no beat for {now - watched.heard_at:.0f} s"
    return ""


def _ended(before: Agent, event: Event, after: Agent) -> list[Ended]:
    found = [
        (held.order.kind, held.report.state)
        for key, held in after.held.items()
        if held.phase is Phase.ENDED and held.report is not None and not _was_over(before, key)
    ]
    if isinstance(event, seen.TaskEnded):
        key = TaskKey(task_id=event.report.task_id, token=event.report.token)
        # Nobody wants to hear of it, but its work has ended all the same.
        if key in before.held and key not in after.held and not _was_over(before, key):
            found.append((before.held[key].order.kind, event.report.state))
    return found


def _was_over(agent: Agent, key: TaskKey) -> bool:
    return key in agent.held and agent.held[key].phase in _OVER
