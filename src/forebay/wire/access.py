"""Who may do what: users, teams, tokens, the policies of datasets and the audit, and the `Access` protocol.

Values only. A `Token` never holds its secret: `MadeToken` does, once. Times are Unix seconds (UTC); an empty list of
teams or sites in a policy limits nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What somebody may do at most, each role all that the ones before it may. `hub.access.rules` has the table."""

    VIEWER = "viewer"
    SCIENTIST = "scientist"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """Whether this role may do all that the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, or a program that acts in its own name."""

    name: str
    role: Role
    teams: tuple[str, ...]
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Some users under one name: policies name teams, never users."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program signs in with. `role` is the most it may do, never more than its user may at that moment.

    `datasets` are the only ones it may touch (none: all that its user may). With a `site` it is that site's agent's.
    `last_used_at` is coarse; `expires_at` and `revoked_at` are 0 for never.
    """

    token_id: str
    user: str
    role: Role
    datasets: tuple[str, ...]
    site: str
    note: str
    created_at: float
    expires_at: float
    revoked_at: float
    last_used_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A request for a token; `expires_at` 0 for one that lasts until it is revoked."""

    user: str
    role: Role
    expires_at: float = 0.0
    datasets: tuple[str, ...] = ()
    site: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A new token and its secret, which nobody can be shown again."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who asks, as the hub sees it: what its token may do at most, on which datasets (none: all), until when (0: ever).

    The agent of a `site` has no role: what it may do, its site says.
    """

    user: str
    role: Role | None
    teams: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    site: str = ""
    token_id: str = ""
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPolicy:
    """Which teams read, write and run a dataset, and at which sites its bytes may ever be.

    An empty list does not limit: nothing is set, everybody's role decides alone. Who may write or run may read.
    """

    dataset: str
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    set_by: str = ""
    set_at: float = 0.0


class Outcome(StrEnum):
    """What became of a request."""

    ALLOWED = "allowed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One line of the audit: who wanted what, from where, and whether that was allowed. Never changes.

    `call` is the method (`replicas.pin`), `action` what the rules call it; `dataset` and `ref` as they were asked for.
    """

    number: int
    at: float
    user: str
    token_id: str
    action: str
    call: str
    dataset: str
    ref: str
    detail: str
    source: str
    request_id: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which lines, newest first; `before` is the cursor of a page (0: from the newest). Empty texts ask for all.

    Those from `since` on and before `until` (0: whenever).
    """

    user: str = ""
    dataset: str = ""
    action: str = ""
    outcome: Outcome | None = None
    since: float = 0.0
    until: float = 0.0
    before: int = 0
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """`next_before` is the cursor of the next page, 0 after the last one."""

    records: tuple[AuditRecord, ...]
    next_before: int


class Access(Protocol):
    """Users, teams, tokens, policies and the audit of a hub."""

    def me(self) -> Me:
        """Who asks; of a hub without a guard in front, its owner, who has no name there."""

    def users(self) -> list[User]:
        """All users, by name."""

    def add_user(self, name: str, role: Role) -> User:
        """A new user; ConflictError `user-exists`, InputError `bad-user`. One that was removed comes back, teamless."""

    def set_role(self, name: str, role: Role) -> User:
        """Another role; NotFoundError `user-not-found`, ConflictError `last-admin`."""

    def remove_user(self, name: str) -> None:
        """The user's tokens end with it; NotFoundError `user-not-found`, ConflictError `last-admin`."""

    def teams(self) -> list[Team]:
        """All teams, by name."""

    def join_team(self, team: str, users: Sequence[str]) -> Team:
        """Make these users members, and the team where there is none; InputError `bad-team`."""

    def leave_team(self, team: str, users: Sequence[str]) -> Team:
        """They are members no more; NotFoundError `team-not-found`, `not-a-member`."""

    def remove_team(self, team: str) -> None:
        """ConflictError `team-in-use` while a policy names it."""

    def tokens(self, user: str = "") -> list[Token]:
        """All tokens, or a user's, newest first; those that ended too."""

    def make_token(self, new: NewToken) -> MadeToken:
        """A token with a new secret; InputError `bad-token`, NotFoundError `user-not-found`, `dataset-not-found`."""

    def revoke_token(self, token_id: str) -> Token:
        """It ends now. Idempotent; NotFoundError `token-not-found`."""

    def policy(self, dataset: str) -> DatasetPolicy:
        """The dataset's policy, an empty one where none was set; NotFoundError `dataset-not-found`."""

    def set_policy(self, policy: DatasetPolicy) -> DatasetPolicy:
        """Replace the dataset's policy.

        NotFoundError `dataset-not-found`, `team-not-found`; ConflictError `has-replicas` when it would begin or cease
        to be open to everybody while its bytes are on a volume (they would be in the wrong access group).
        """

    def audit(self, query: AuditQuery) -> AuditPage:
        """A page of the audit, newest first."""
