"""Who may do what, pure: a principal, an action and what it is about give a verdict. No database, no clock.

Three tables decide: the least role of an action, the right that a dataset's policy must give for it, and what an
agent may do. More rights never see less. Invariant: PRIVATE, what is not `visible` is answered like what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.catalog import DEFAULT_GROUP


class Action(StrEnum):
    """What somebody wants to do. To keep a dataset is to make a rule, which brings it to sites and keeps it there; to
    tend a volume is what its agent does there: keep its account, report, recover.
    """

    READ = "read"
    OPEN = "open"
    WARM = "warm"
    RUN = "run"
    PIN = "pin"
    KEEP = "keep"
    WRITE = "write"
    TAG = "tag"
    EVICT = "evict"
    REMOVE = "remove"
    GOVERN = "govern"
    TEND = "tend"
    MANAGE = "manage"
    AUDIT = "audit"


class Right(StrEnum):
    """What a policy gives to teams; owning it gives all of them."""

    READ = "read"
    WRITE = "write"
    RUN = "run"
    OWN = "own"


LEAST_ROLE: Mapping[Action, Role] = {
    Action.READ: Role.VIEWER,
    Action.OPEN: Role.SCIENTIST,
    Action.WARM: Role.SCIENTIST,
    Action.RUN: Role.SCIENTIST,
    Action.PIN: Role.SCIENTIST,
    Action.KEEP: Role.SCIENTIST,
    Action.WRITE: Role.SCIENTIST,
    Action.TAG: Role.SCIENTIST,
    Action.EVICT: Role.ENGINEER,
    Action.REMOVE: Role.ENGINEER,
    Action.GOVERN: Role.SCIENTIST,
    Action.TEND: Role.ENGINEER,
    Action.MANAGE: Role.ADMIN,
    Action.AUDIT: Role.ADMIN,
}

NEEDS: Mapping[Action, Right] = {
    Action.RUN: Right.RUN,
    Action.KEEP: Right.WRITE,
    Action.WRITE: Right.WRITE,
    Action.TAG: Right.WRITE,
    Action.REMOVE: Right.WRITE,
    Action.GOVERN: Right.OWN,
}
"""The right that an action on a dataset needs; the others need `read`. An engineer, who may bring to a site what may be
read, may keep that there, too."""

MOVES_BYTES = frozenset({Action.WARM, Action.EVICT, Action.TEND})
"""On a site's volume its agent does these, or an engineer; a volume of no site is somebody's own machine: there a
scientist may."""

OF_ALL = frozenset({Action.EVICT, Action.TEND, Action.MANAGE, Action.AUDIT})
"""These need to see everything that is there: a token for some datasets may not do them."""

BRINGS_BYTES = frozenset({Action.OPEN, Action.WARM, Action.RUN, Action.PIN})
"""These bring a dataset's bytes to a site, or keep them there: residency decides."""

AGENT_MAY = frozenset({Action.READ, Action.OPEN, Action.WARM, Action.EVICT, Action.TEND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user, as a token makes it: `only` are the datasets that it is for (none: all), `until` is when it expires."""

    user: str
    role: Role
    teams: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    until: float = 0.0
    token_id: str = ""

    @property
    def name(self) -> str:
        return self.user

    def is_called(self, name: str) -> bool:
        """Whether a record that has this name means them; "" means nobody."""
        return bool(name) and name == self.user

    def is_for(self, dataset: str) -> bool:
        """Whether the token is for this dataset, too."""
        return not self.only or dataset in self.only

    def may_be_one_of(self, names: Callable[[], Iterable[str]]) -> bool:
        """False: surely none of the names is theirs, and nothing of their own need be looked for. Finding the names
        costs something: here nobody does, since looking costs less.
        """
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """The agent of one site; `user` made its token, which expires at `until`."""

    site: str
    user: str
    until: float = 0.0
    token_id: str = ""

    @property
    def name(self) -> str:
        """What records call it. No user can have such a name."""
        return f"agent:{self.site}"


Principal = Person | Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A volume, by its site; "" for one that no site's agent keeps."""

    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A dataset. `at` is the volume where something is to happen with it, if any.

    `here` says that its bytes, or a fill's, are at the site of the agent that asks. One that was `removed` has rules
    still: for its history, and for whoever makes it again.
    """

    name: str
    owner: str
    policy: DatasetPolicy
    group: str = DEFAULT_GROUP
    removed: bool = False
    at: Place | None = None
    here: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The hub itself: its users, its tokens, its audit, and files that belong to no dataset yet."""


Subject = Data | Place | Whole


class OnRun(StrEnum):
    """What somebody wants with a run: know of it, read the reports that it left, read its log and code, or end it and
    have it tried again.
    """

    SEE = "see"
    REVIEW = "read the reports of"
    INSPECT = "read the log of"
    STEER = "end or retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run: whose it is, at which sites its attempts were, and the datasets that it reads and makes.

    A dataset that nobody ever made yet is in neither: its name is the run's own.
    """

    submitter: str
    team: str
    sites: frozenset[str]
    reads: tuple[Data, ...]
    makes: tuple[Data, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`reason` says why not; it is told only where the subject is `visible`."""

    allowed: bool
    visible: bool = True
    reason: str = ""


ALLOWED = Verdict(allowed=True)
HIDDEN = Verdict(allowed=False, visible=False, reason="hidden")
UNKNOWN = Verdict(allowed=False, visible=False, reason="unknown")
"""For the audit, which tells both apart."""


def decide(principal: Principal, action: Action, subject: Subject) -> Verdict:
    """The one decision."""
    if isinstance(principal, Agent):
        return _decide_for_agent(principal, action, subject)
    if isinstance(subject, Data):
        return _decide_for_person(principal, action, subject)
    least = least_role(action, subject if isinstance(subject, Place) else None)
    if action is Action.GOVERN:
        least = Role.ADMIN  # what holds for a whole volume, as the teams' quotas do, nobody owns
    return _not_for_some(principal, action, subject) or _role_is_enough(principal, action, least) or ALLOWED


def decide_on_run(principal: Principal, want: OnRun, job: Job) -> Verdict:
    """The same for a run: who may not know of all its datasets does not know of it, unless it is their own.

    Whose it is, is asked last: what was decided without is the same for all with the same rights (`web.unnamed`).
    """
    if isinstance(principal, Agent):
        if principal.site not in job.sites:
            return HIDDEN
        return ALLOWED if want is OnRun.SEE else Verdict(allowed=False, reason=f"a site's agent may not {want} a run")
    hidden = [data for data in (*job.reads, *job.makes) if not decide(principal, Action.READ, data).visible]
    if hidden:
        # Of one's own run one has named them oneself; but a token for some datasets knows no others.
        is_known = all(principal.is_for(data.name) for data in hidden) and principal.is_called(job.submitter)
        return ALLOWED if is_known else HIDDEN
    if want is OnRun.SEE or principal.role.covers(Role.ENGINEER):
        return ALLOWED
    of_its_team = bool(job.team) and job.team in principal.teams
    if want is OnRun.REVIEW and of_its_team:
        return ALLOWED
    if want is OnRun.INSPECT and of_its_team:
        may_run = all(decide(principal, Action.RUN, data).allowed for data in job.reads)
        if may_run and principal.role.covers(LEAST_ROLE[Action.RUN]):
            return ALLOWED
    if principal.is_called(job.submitter):
        return ALLOWED
    others = {
        OnRun.REVIEW: "its team's members, ",
        OnRun.INSPECT: "its team's members who may run on its data, ",
    }.get(want, "")
    return Verdict(allowed=False, reason=f"only who submitted it, {others}an engineer or an admin may {want} it")


def decide_as_agent(principal: Principal, site: str) -> Verdict:
    """Whether this is the agent of that site: nobody else speaks for it, whatever their role."""
    if isinstance(principal, Agent) and principal.site == site:
        return ALLOWED
    if isinstance(principal, Agent):
        return Verdict(allowed=False, reason=f"the token is for the agent of the site {principal.site!r} alone")
    return Verdict(allowed=False, reason=f"only the agent of the site {site!r} may, with a token for it")


def least_role(action: Action, at: Place | None) -> Role:
    """The least role of an action, at a volume or anywhere."""
    if at is not None and action in MOVES_BYTES:
        return Role.ENGINEER if at.site else Role.SCIENTIST
    return LEAST_ROLE[action]


def is_open(policy: DatasetPolicy) -> bool:
    """Whether everybody on the hub may read the dataset."""
    return not policy.read


def sees_all(principal: Principal) -> bool:
    """Whether nothing is hidden from this one."""
    return isinstance(principal, Person) and principal.role is Role.ADMIN and not principal.only


def _decide_for_person(person: Person, action: Action, data: Data) -> Verdict:
    if not person.is_for(data.name) or not _has(person, Right.READ, data):
        return HIDDEN
    by_hand = action is Action.KEEP and person.role.covers(Role.ENGINEER)
    right = Right.READ if by_hand else NEEDS.get(action, Right.READ)
    if not _has(person, right, data):
        only = "its owner or an admin" if right is Right.OWN else f"the teams {', '.join(getattr(data.policy, right))}"
        return Verdict(allowed=False, reason=f"only {only} may {action} it")
    return (
        _not_for_some(person, action, data)
        or _role_is_enough(person, action, least_role(action, data.at))
        or resides(action, data)
        or ALLOWED
    )


def _decide_for_agent(agent: Agent, action: Action, subject: Subject) -> Verdict:
    if isinstance(subject, Data) and not (_may_be_at(subject.policy, agent.site) or subject.here):
        return HIDDEN
    place = subject.at if isinstance(subject, Data) else subject
    # One of no site yet may be looked at: it becomes the site's whose agent adds it first.
    if isinstance(place, Place) and place.site != agent.site and (place.site or action is not Action.READ):
        return Verdict(allowed=False, reason=f"the token is for the agent of the site {agent.site!r} alone")
    if action not in AGENT_MAY or (isinstance(subject, Whole) and action is not Action.WARM):
        return Verdict(allowed=False, reason=f"a site's agent may not {action}")
    return (resides(action, subject) if isinstance(subject, Data) else None) or ALLOWED


def _has(person: Person, right: Right, data: Data) -> bool:
    return person.role is Role.ADMIN or _is_given(person, right, data.policy) or person.is_called(data.owner)


def _is_given(person: Person, right: Right, policy: DatasetPolicy) -> bool:
    match right:
        case Right.OWN:
            return False
        case Right.READ:
            return is_open(policy) or not person.teams.isdisjoint((*policy.read, *policy.write, *policy.run))
        case Right.WRITE | Right.RUN:
            teams = policy.write if right is Right.WRITE else policy.run
            return not teams or not person.teams.isdisjoint(teams)


def _not_for_some(person: Person, action: Action, subject: Subject) -> Verdict | None:
    of_all = action in OF_ALL or (action in (Action.GOVERN, Action.KEEP) and not isinstance(subject, Data))
    if person.only and of_all:
        return Verdict(allowed=False, reason=f"a token for some datasets may not {action}")
    return None


def _role_is_enough(person: Person, action: Action, least: Role) -> Verdict | None:
    if person.role.covers(least):
        return None
    return Verdict(allowed=False, reason=f"that needs the role {least}, this is a {person.role}")


def resides(action: Action, data: Data) -> Verdict | None:
    """Why an action may not bring a dataset's bytes where they would be; None where nothing is in the way."""
    if data.at is None or action not in BRINGS_BYTES or _may_be_at(data.policy, data.at.site):
        return None
    where = f"the site {data.at.site!r}" if data.at.site else "a volume of no site"
    return Verdict(allowed=False, reason=f"its bytes may be at {', '.join(data.policy.sites)}, not at {where}")


def _may_be_at(policy: DatasetPolicy, site: str) -> bool:
    return not policy.sites or site in policy.sites
