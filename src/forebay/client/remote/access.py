"""`wire.access.Access` of a served hub."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forebay.client.remote.connection import Connection, at, of_dataset
from forebay.wire.access import (
    AuditPage,
    AuditQuery,
    AuditRecord,
    DatasetPolicy,
    MadeToken,
    Me,
    NewToken,
    Role,
    Team,
    Token,
    User,
)
from forebay.wire.codec import to_json

_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _AuditLines:
    items: list[AuditRecord]
    next: str | None


class RemoteAccess:
    """Implements `wire.access.Access`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def me(self) -> Me:
        return self._connection.get(Me, at("me"))

    def users(self) -> list[User]:
        return self._connection.pages(User, at("users"))

    def add_user(self, name: str, role: Role) -> User:
        return self._connection.write(User, "POST", at("users"), {"name": name, "role": role}, once=True)

    def set_role(self, name: str, role: Role) -> User:
        return self._connection.write(User, "PUT", at("users", name, "role"), {"role": role})

    def remove_user(self, name: str) -> None:
        self._connection.do("DELETE", at("users", name), once=True)

    def teams(self) -> list[Team]:
        return self._connection.pages(Team, at("teams"))

    def join_team(self, team: str, users: Sequence[str]) -> Team:
        return self._connection.write(Team, "POST", at("teams", team, "members"), {"users": list(users)})

    def leave_team(self, team: str, users: Sequence[str]) -> Team:
        address = at("teams", team, "members")
        return self._connection.write(Team, "DELETE", address, query={"user": list(users)}, once=True)

    def remove_team(self, team: str) -> None:
        self._connection.do("DELETE", at("teams", team), once=True)

    def tokens(self, user: str = "") -> list[Token]:
        return self._connection.pages(Token, at("tokens"), {"user": user})

    def make_token(self, new: NewToken) -> MadeToken:
        """ConflictError `secret-told-once` where it was made, and the answer with its secret was lost."""
        return self._connection.write(MadeToken, "POST", at("tokens"), to_json(new), once=True)

    def revoke_token(self, token_id: str) -> Token:
        return self._connection.write(Token, "DELETE", at("tokens", token_id))

    def policy(self, dataset: str) -> DatasetPolicy:
        return self._connection.get(DatasetPolicy, of_dataset(dataset, "policy"))

    def set_policy(self, policy: DatasetPolicy) -> DatasetPolicy:
        address = of_dataset(policy.dataset, "policy")
        return self._connection.write(DatasetPolicy, "PUT", address, to_json(policy))

    def audit(self, query: AuditQuery) -> AuditPage:
        asked: dict[str, Any] = to_json(query)
        asked["limit"] = max(1, min(query.limit, _MOST))
        page = self._connection.get(_AuditLines, at("audit"), asked)
        return AuditPage(records=tuple(page.items), next_before=page.items[-1].number if page.next else 0)
