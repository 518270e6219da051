"""What happens to a run, past tense: what `runs.machine` takes. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from forebay.wire.sites import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """It goes to that site ("": to none, for now); `because` of what failed where it was placed before."""

    site: str
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """What a run waits for; `filling` says that it is data."""

    reason: str
    unblock: str
    filling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Its site is told to begin the next attempt."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The agent with that token spoke."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The site's next agent goes on with the attempt that has this token."""

    token: int
    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLeft:
    """The agent with that token ended, with nothing under way."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """An agent tells how an attempt is."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """Nothing else happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAsked:
    """The attempt shall end, since its site can't have it any more."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """Somebody wants the run no more."""

    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAsked:
    """Somebody wants a run that failed or was cancelled once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFailed:
    """What it reads can't be brought to it, however often that is tried."""

    reason: str
    unblock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RightLost:
    """Whoever submitted it may not have it run any more."""

    reason: str


Event = (
    Placed
    | Waited
    | Ordered
    | Heard
    | Resumed
    | AgentLeft
    | Reported
    | TimePassed
    | StopAsked
    | CancelAsked
    | RetryAsked
    | DataFailed
    | RightLost
)
