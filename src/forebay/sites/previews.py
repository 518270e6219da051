"""How a preview goes on at a site, pure: ordered, made, given up, tried again. Values in, values out.

waiting -> ordered -> ready, or back to waiting; failed where another try helps only once something has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forebay.sites.due import is_due
from forebay.wire.previews import PreviewDone, PreviewState

PATIENCE_S = 180.0
"""An agent that was told and says nothing for so long is not waited for: it may be too old to know of previews."""

_FIRST_S, _LONGEST_S, _FAILED_S = 30.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A preview, with the reason of its state, and since when. `token` grows with each order."""

    state: PreviewState = PreviewState.WAITING
    reason: str = ""
    since: float = 0.0
    unblock: str = ""
    site: str = ""
    token: int = 0
    attempts: int = 0
    next_try_at: float = 0.0


def wants_a_site(errand: Errand, sites: Sequence[str], now: float, *, again: bool = False) -> bool:
    """Whether it is to be ordered now, when somebody looks at it. `sites` are those that could make it."""
    match errand.state:
        case PreviewState.READY:
            return False
        case PreviewState.ORDERED:
            return errand.site not in sites or is_overdue(errand, now)
        case _:
            return again or is_due(errand.next_try_at, errand.since, now, _FAILED_S)


def is_overdue(errand: Errand, now: float) -> bool:
    """Whether its agent has been silent about it for too long, or the clock was set back meanwhile."""
    return errand.state is PreviewState.ORDERED and not errand.since <= now <= errand.since + PATIENCE_S


def ordered(errand: Errand, sites: Sequence[str], now: float) -> Errand:
    """At the first of some sites, or at another one than the last time, where there is any."""
    if errand.state is PreviewState.ORDERED and is_overdue(errand, now):
        errand = replace(errand, attempts=errand.attempts + 1)
    others = [site for site in sites if site != errand.site]
    site = others[0] if others and errand.attempts else sites[0]
    return replace(
        errand,
        state=PreviewState.ORDERED,
        reason=f"{site} looks into it",
        unblock="",
        since=now,
        site=site,
        token=errand.token + 1,
    )


def nowhere(errand: Errand, ref: str, now: float) -> Errand:
    """No site could make it now. It is looked for again with the next look."""
    reason = f"no site that is up has {ref} ready"
    since = errand.since if errand.reason == reason else now
    unblock = f"Bring it to one: forebay cache warm {ref}"
    return replace(
        errand,
        state=PreviewState.WAITING,
        reason=reason,
        since=since,
        unblock=unblock,
        site="",
        token=errand.token + 1,
        next_try_at=since,
    )


def done(errand: Errand, told: PreviewDone, now: float) -> Errand:
    """What its agent says of the order. A late word changes nothing: the same errand."""
    if errand.state is not PreviewState.ORDERED or told.token != errand.token:
        return errand
    attempts = errand.attempts + 1
    if not told.kind:
        reason = f"{errand.site} has looked into it"
        return replace(errand, state=PreviewState.READY, reason=reason, since=now, attempts=attempts, next_try_at=0.0)
    pause_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(errand.attempts, 20)) if told.retryable else _FAILED_S
    return replace(
        errand,
        state=PreviewState.WAITING if told.retryable else PreviewState.FAILED,
        reason=told.detail or told.kind,
        unblock=told.todo,
        since=now,
        attempts=attempts,
        next_try_at=now + pause_s,
    )
