"""What an identity provider says of somebody becomes a user: name, role and teams by its groups. Pure.

The groups decide at every log-in: whoever left one has not its role and not its team any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forebay.catalog.names import check_team_name
from forebay.errors import ForebayError, InputError, NotAllowedError
from forebay.hub.access.people import check_user_name
from forebay.wire.access import Role

ANYBODY = "*"
"""In a list of groups: everybody whom the provider lets in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """How claims are read. `roles` and `teams` are by group."""

    user_claim: str
    groups_claim: str
    roles: Mapping[str, Role]
    teams: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """Somebody whom the provider vouches for. Of the teams that any group gives, `teams` are theirs."""

    issuer: str
    subject: str
    user: str
    role: Role
    teams: frozenset[str]
    teams_by_group: frozenset[str]


def parse_roles(text: str) -> dict[str, Role]:
    """What `admins=admin, data=engineer, *=viewer` means; InputError `bad-setting`."""
    try:
        return {group: Role(role) for group, role in _pairs("oidc_roles", text)}
    except ValueError:
        told = f"oidc_roles: {text!r} names a role that there is not."
        raise InputError("bad-setting", told, todo=f"The roles: {', '.join(Role)}.") from None


def parse_teams(text: str) -> dict[str, str]:
    """What `data-ads=ads, data-maps=maps` means; InputError `bad-setting`, `bad-team`."""
    return {group: check_team_name(team) for group, team in _pairs("oidc_teams", text)}


def entrant_of(claims: Mapping[str, Any], mapped: Mapped) -> Entrant:
    """NotAllowedError `log-in-refused` when the claims name nobody, or nobody who may come in."""
    name = claims.get(mapped.user_claim)
    if not isinstance(name, str) or not name:
        raise log_in_refused(f"the provider tells no {mapped.user_claim}")
    if mapped.user_claim == "email" and claims.get("email_verified") is not True:
        raise log_in_refused("the provider has not verified the e-mail address")
    try:
        user = check_user_name(name.lower())
    except ForebayError:
        raise log_in_refused(f"{name!r} cannot be the name of a user") from None
    groups = _groups(claims.get(mapped.groups_claim)) | {ANYBODY}
    roles = [role for group, role in mapped.roles.items() if group in groups]
    if not roles:
        raise log_in_refused(f"{user} is in no group that may come in")
    return Entrant(
        issuer=str(claims["iss"]),
        subject=str(claims["sub"]),
        user=user,
        role=max(roles, key=list(Role).index),
        teams=frozenset(team for group, team in mapped.teams.items() if group in groups),
        teams_by_group=frozenset(mapped.teams.values()),
    )


def log_in_refused(why: str) -> NotAllowedError:
    """The provider knows somebody whom the hub does not let in, or what it says does not hold."""
    return NotAllowedError("log-in-refused", f"This log-in is refused: {why}.", todo="Ask an admin of this hub.")


def _groups(told: Any) -> set[str]:
    if isinstance(told, str):
        return {told}
    return {str(group) for group in told} if isinstance(told, list) else set()


def _pairs(setting: str, text: str) -> list[tuple[str, str]]:
    found = []
    for pair in filter(None, (part.strip() for part in text.split(","))):
        group, equals, meaning = pair.rpartition("=")
        if not equals or not group.strip():
            raise InputError("bad-setting", f"{setting}: {pair!r} is no pair.", todo="Write GROUP=NAME, GROUP=NAME.")
        found.append((group.strip(), meaning.strip()))
    return found
