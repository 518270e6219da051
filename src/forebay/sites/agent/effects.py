"""What an agent's machine wants done: imperative, values only, in the order in which they are to be begun."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from forebay.wire.previews import PreviewOrder
from forebay.wire.sites import Order, Report, TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Ask the hub for the site, with what is still under way."""

    sent_at: float
    resumes: tuple[TaskKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBeat:
    """Tell the hub how all is."""

    agent_token: int
    sent_at: float
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOrders:
    """Ask for what comes after a revision, and wait for that."""

    agent_token: int
    after: int
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewHold:
    """Runs may go on until then (seconds since boot) whatever becomes of this agent, and have `grace_s` to end."""

    until: float
    grace_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTask:
    """Remember, durably, that this attempt is begun; or, with a report, how it ended."""

    order: Order
    report: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTask:
    """Begin, in the background. `resume`: an earlier agent of this machine had begun it."""

    order: Order
    resume: bool


class Why(StrEnum):
    """Why a task is stopped."""

    ASKED = "somebody asked for it"
    GIVEN_AWAY = "the hub wants it here no more"
    HOLD_RAN_OUT = "the hub was away for too long, and may have given it to another site"
    FENCED = "another agent has this site"
    AGENT_ENDS = "its agent ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTask:
    """Have it end, with all that it started; `TaskEnded` comes when it has. It may not run in this process yet."""

    order: Order
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo:
    """Look after it no longer, and leave it as it is: the next agent takes it up."""

    key: TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetTask:
    """Nobody asks for it any more: what is kept of it here may go."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLook:
    """Make a preview, tell the hub, and then `LookEnded`."""

    agent_token: int
    order: PreviewOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Tell the hub that the agent ends with nothing under way."""

    agent_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The agent's end; `kind` is the error's, "" for a good one."""

    kind: str = ""


Effect = (
    Attach
    | SendBeat
    | AskOrders
    | RenewHold
    | NoteTask
    | StartTask
    | StopTask
    | LetGo
    | ForgetTask
    | StartLook
    | Leave
    | End
)
