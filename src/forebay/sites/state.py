"""How a site is, pure: from what somebody wants of it, what is heard of its agent, and how its volume is.

`since` is not reset by flapping: trouble that comes back soon after a site got well counts from when it first came.
"""

from __future__ import annotations

from dataclasses import dataclass

from forebay.sites import downtime
from forebay.sites.downtime import Window
from forebay.wire.cache import VolumeState
from forebay.wire.sites import SiteRecord, SiteState, TaskKind

FLAP_S = 300.0
"""Trouble that comes back within so long is the old one."""

HEARD = "its agent is heard of"
"""The reason of a site that is up."""

UNKNOWN_VOLUME = "the hub does not know its volume yet"
"""The reason of a site that is up but for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """`hold_s` after an agent was last heard of, what it had under way may begin elsewhere, once `margin_s` more have
    passed: the clocks of several hubs differ a little.
    """

    hold_s: float = 60.0
    beat_s: float = 10.0
    margin_s: float = 10.0

    @classmethod
    def holding(cls, hold_s: float) -> SiteTerms:
        """With some beats within a hold, however short that is. The margin is the clocks', so it stays."""
        return cls(hold_s=hold_s, beat_s=min(10.0, hold_s / 6))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known now. `volume` None: the hub does not know the volume. `seen_at` 0: no agent was ever heard of.

    `windows` are the site's downtimes, `good_at` is when its volume was last tried out well (0: never).
    """

    wanted: SiteState
    wanted_reason: str
    attached: bool
    seen_at: float
    volume: VolumeState | None
    volume_reason: str = ""
    windows: tuple[Window, ...] = ()
    good_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A site's state. `trouble_since` is when the last trouble began, also after it has passed."""

    state: SiteState
    reason: str
    since: float
    trouble_since: float = 0.0


def stand(before: Standing | None, seen: Seen, now: float, terms: SiteTerms) -> Standing:
    """How it is now; the same standing as before where nothing has changed."""
    state, reason = _judged(seen, now, terms)
    if before is None:
        return Standing(state=state, reason=reason, since=now, trouble_since=0.0 if _is_well(state) else now)
    was_well, is_well = _is_well(before.state), _is_well(state)
    since, trouble_since = before.since, before.trouble_since
    if was_well and is_well:
        since = before.since if state is before.state else now
    elif is_well:
        since = now
    elif was_well:
        flaps = trouble_since > 0 and now - before.since < FLAP_S
        since = trouble_since = trouble_since if flaps else now
    return Standing(state=state, reason=reason, since=since, trouble_since=trouble_since)


def stops(kind: TaskKind, *, wanted: SiteState, volume: VolumeState | None, has_started: bool) -> bool:
    """Whether what is under way at a site shall end there: all of it at a site that shall be down; without its volume,
    all but what runs already and may not need it any more.
    """
    if wanted is SiteState.DOWN:
        return True
    return volume is VolumeState.DOWN and not (kind is TaskKind.RUN and has_started)


def unblocks(record: SiteRecord, volume: VolumeState | None, *, has_downtime: bool) -> str:
    """What would have a site take all work again; "" where it does. `has_downtime`: one is under way, or unproven."""
    if record.state is SiteState.UP:
        return ""
    if record.wanted is not SiteState.UP:
        return f"somebody wants it up again: forebay sites up {record.name}"
    if volume in (VolumeState.DOWN, VolumeState.UNSTABLE):
        return "its volume is tried out well; on it: forebay cache health"
    if record.state is SiteState.DOWN:
        return f"its agent attaches again; there: forebay agent --site {record.name}"
    if has_downtime:
        return f"the downtime ends and its volume is tried out well; or: forebay sites downtime cancel {record.name} ID"
    return "its agent is heard of once more"


def _is_well(state: SiteState) -> bool:
    """A site that drains is as somebody wants it."""
    return state in (SiteState.UP, SiteState.DRAINING)


def _judged(seen: Seen, now: float, terms: SiteTerms) -> tuple[SiteState, str]:
    state, reason = _apart_from_windows(seen, now, terms)
    window = downtime.under_way(seen.windows, now)
    if window is not None:
        # Whoever looks after a site may well end its agent or unmount its volume: then that is told, too.
        story = downtime.story(window)
        return (SiteState.DOWN, f"{story}; {reason}") if state is SiteState.DOWN else (SiteState.DRAINING, story)
    over = downtime.unproven(seen.windows, seen.good_at, now)
    if state is SiteState.UP and over is not None:
        return SiteState.DEGRADED, f"its volume was not tried out since it was {downtime.story(over)}"
    return state, reason


def _apart_from_windows(seen: Seen, now: float, terms: SiteTerms) -> tuple[SiteState, str]:
    if seen.wanted is SiteState.DOWN:
        return SiteState.DOWN, seen.wanted_reason or "somebody took it down"
    if not seen.attached:
        return SiteState.DOWN, "its agent has gone" if seen.seen_at else "it has no agent yet"
    if now > seen.seen_at + terms.hold_s:
        return SiteState.DOWN, "its agent is silent"
    if seen.volume is VolumeState.DOWN:
        return SiteState.DOWN, f"its volume is down: {seen.volume_reason}"
    if seen.wanted is SiteState.DRAINING:
        return SiteState.DRAINING, seen.wanted_reason or "somebody drains it"
    if seen.volume is VolumeState.UNSTABLE:
        return SiteState.DEGRADED, f"its volume is unstable: {seen.volume_reason}"
    if seen.volume is None:
        return SiteState.DEGRADED, UNKNOWN_VOLUME
    return SiteState.UP, HEARD
