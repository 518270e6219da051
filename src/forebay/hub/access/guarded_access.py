"""Users, teams, tokens, policies and the audit for one principal: an admin's, but for one's own tokens and datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from forebay.errors import NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import Action, Person, Whole, sees_all
from forebay.hub.access.secret import WEB
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Deed
from forebay.wire.access import (
    AuditPage,
    AuditQuery,
    DatasetPolicy,
    MadeToken,
    Me,
    NewToken,
    Role,
    Team,
    Token,
    User,
)


class GuardedAccess:
    """Implements `wire.access.Access`."""

    def __init__(self, access: AccessStore, gate: Gate) -> None:
        self._access = access
        self._gate = gate

    def me(self) -> Me:
        who = self._gate.principal
        if not isinstance(who, Person):
            return Me(user=who.name, role=None, site=who.site, token_id=who.token_id, expires_at=who.until)
        return Me(
            user=who.user,
            role=who.role,
            teams=tuple(sorted(who.teams)),
            datasets=tuple(sorted(who.only)),
            token_id=who.token_id,
            expires_at=who.until,
        )

    def users(self) -> list[User]:
        self._manage("access.users", quiet=True)
        return self._access.users()

    def add_user(self, name: str, role: Role) -> User:
        self._manage("access.add_user", f"user {name}, {role}")
        return self._access.add_user(name, role)

    def set_role(self, name: str, role: Role) -> User:
        self._manage("access.set_role", f"user {name}, {role}")
        return self._access.set_role(name, role)

    def remove_user(self, name: str) -> None:
        self._manage("access.remove_user", f"user {name}")
        self._access.remove_user(name)

    def teams(self) -> list[Team]:
        self._manage("access.teams", quiet=True)
        return self._access.teams()

    def join_team(self, team: str, users: Sequence[str]) -> Team:
        self._manage("access.join_team", f"team {team}: {' '.join(users)}")
        return self._access.join_team(team, users)

    def leave_team(self, team: str, users: Sequence[str]) -> Team:
        self._manage("access.leave_team", f"team {team}: {' '.join(users)}")
        return self._access.leave_team(team, users)

    def remove_team(self, team: str) -> None:
        self._manage("access.remove_team", f"team {team}")
        self._access.remove_team(team)

    def tokens(self, user: str = "") -> list[Token]:
        """One's own; all for an admin."""
        who = self._gate.principal
        if not self._manages() and isinstance(who, Person) and user in ("", who.user):
            return self._access.tokens(who.user)
        self._manage("access.tokens", quiet=True)
        return self._access.tokens(user)

    def make_token(self, new: NewToken) -> MadeToken:
        """For oneself, with no more rights than the token that asks; for others and for agents an admin's."""
        told = f"token of {new.user}, {new.role}"
        told += f", site {new.site}" if new.site else ""
        told += f", datasets {' '.join(new.datasets)}" if new.datasets else ""
        for dataset in new.datasets:
            self._gate.on_dataset("access.make_token", Action.READ, dataset)
        self._own_or_manage("access.make_token", told, own=self._may_make(new))
        return self._access.make_token(new)

    def revoke_token(self, token_id: str) -> Token:
        """One's own, or any for an admin. Whose token it is is told to nobody else, nor whether there is one."""
        who = self._gate.principal
        mine = False
        if isinstance(who, Person) and not self._manages():
            mine = any(item.token_id == token_id for item in self._access.tokens(who.user))
            if not mine:
                todo = "forebay token ls shows all of yours."
                raise NotFoundError("token-not-found", f"There is no token {token_id!r}.", todo=todo)
        self._own_or_manage("access.revoke_token", f"token {token_id}", own=mine)
        return self._access.revoke_token(token_id)

    def policy(self, dataset: str) -> DatasetPolicy:
        self._gate.on_dataset("access.policy", Action.READ, dataset)
        return self._access.policy(dataset)

    def set_policy(self, policy: DatasetPolicy) -> DatasetPolicy:
        lists = {"read": policy.read, "write": policy.write, "run": policy.run, "sites": policy.sites}
        told = ", ".join(f"{name} {' '.join(names) or '*'}" for name, names in lists.items())
        self._gate.on_dataset("access.set_policy", Action.GOVERN, policy.dataset, detail=told)
        return self._access.set_policy(replace(policy, set_by=self._gate.principal.name))

    def audit(self, query: AuditQuery) -> AuditPage:
        self._gate.on_whole("access.audit", Action.AUDIT, quiet=True)
        return self._access.audit(query)

    def _manages(self) -> bool:
        return sees_all(self._gate.principal)

    def _manage(self, call: str, detail: str = "", *, quiet: bool = False) -> None:
        self._gate.on_whole(call, Action.MANAGE, detail=detail, quiet=quiet)

    def _own_or_manage(self, call: str, detail: str, *, own: bool) -> None:
        deed = Deed(action=Action.MANAGE.value, call=call, detail=detail)
        if own:
            self._gate.record(deed)
        else:
            self._gate.on(deed, Action.MANAGE, Whole())

    def _may_make(self, new: NewToken) -> bool:
        """A token begets no more than itself: no higher role, no other datasets, no longer life, and no agent's.

        A web session is short since it is a browser's; its user may make tokens as long as they want.
        """
        who = self._gate.principal
        if not isinstance(who, Person) or new.user != who.user or new.site or not who.role.covers(new.role):
            return False
        if who.until and not who.token_id.startswith(WEB) and not 0 < new.expires_at <= who.until:
            return False
        return not who.only or (bool(new.datasets) and who.only.issuperset(new.datasets))
