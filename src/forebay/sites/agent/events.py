"""What an agent's machine is told: in the past tense, values only. Times are seconds on a clock that counts since boot.

What was asked of the hub goes in a request of its own, so answers may come late, doubled, in any order, or never.
"""

from __future__ import annotations

from dataclasses import dataclass

from forebay.wire import sites
from forebay.wire.cache import VolumeState
from forebay.wire.sites import Beaten, Orders, Report, TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """The hub took this agent for the site's; it was asked at `sent_at`."""

    sent_at: float
    terms: sites.Attached


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachFailed:
    """`is_final`: asking again can't help."""

    kind: str
    is_final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersCame:
    """The answer to a question of the agent with this token."""

    agent_token: int
    orders: Orders


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdersFailed:
    """The hub could not be asked for orders; one that refused says so in `HubRefused`."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatAnswered:
    """`told` are the final reports that were in it."""

    agent_token: int
    sent_at: float
    told: tuple[TaskKey, ...]
    beaten: Beaten


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatFailed:
    """The hub did not answer."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRefused:
    """`is_fenced`: another agent has the site. Otherwise the hub knows the site no more."""

    agent_token: int
    is_fenced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The hub was told that the agent ends, or could not be."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgressed:
    """How a task is that has not ended."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEnded:
    """None of its work goes on: what the hub shall know of it."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class LookEnded:
    """A preview was made or not, and the hub has been told, or could not be."""

    preview_id: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed:
    """Comes a few times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSeen:
    """The volume was tried out."""

    state: VolumeState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldToDrain:
    """Begin nothing more, and end when what is under way has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldToPause:
    """End now. Runs go on as long as the hold lasts; the next agent takes them up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldToStop:
    """End with nothing left under way; what was, is told to the hub."""


Event = (
    Attached
    | AttachFailed
    | OrdersCame
    | OrdersFailed
    | BeatAnswered
    | BeatFailed
    | HubRefused
    | Left
    | TaskProgressed
    | TaskEnded
    | LookEnded
    | TimePassed
    | VolumeSeen
    | ToldToDrain
    | ToldToPause
    | ToldToStop
)
