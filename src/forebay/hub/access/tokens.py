"""Tokens and whom they speak for. Every function works inside the caller's transaction.

A secret goes out once, when it is made; the tables have its hash. Whether a token expired, was revoked or never was
looks the same from outside.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from forebay.catalog import schema as t
from forebay.catalog.names import check_team_name, did_you_mean
from forebay.catalog.records import dataset_id, storable
from forebay.errors import InputError, NotAllowedError, NotFoundError
from forebay.hub.access import people
from forebay.hub.access.rules import Agent, Person, Principal
from forebay.hub.access.secret import hash_of, is_secret, new_secret, new_token_id
from forebay.wire.access import MadeToken, NewToken, Role, Token

LAST_USED_SECONDS = 600.0
"""So coarse is the time of a token's last use: not every request writes."""

_WITH_USER = (
    sa.select(
        t.token, t.hub_user.c.name, t.hub_user.c.role.label("user_role"), t.hub_user.c.removed_at, t.membership.c.team
    )
    .join(t.hub_user, t.hub_user.c.user_id == t.token.c.user_id)
    .outerjoin(t.membership, t.membership.c.user_id == t.token.c.user_id)
)
"""A row for each team of its user, or one without a team."""

_BY_HASH = _WITH_USER.where(t.token.c.sha256 == sa.bindparam("sha256"))
_BY_HASHES = _WITH_USER.where(t.token.c.sha256.in_(sa.bindparam("hashes", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A token that is or was: whom it speaks for, why it does so no more ("" while it does).

    `stale`: its last use is to be noted again.
    """

    principal: Principal
    ended: str
    stale: bool


def not_signed_in() -> NotAllowedError:
    """The one answer to whoever has no token that holds."""
    return NotAllowedError(
        "not-signed-in",
        "This needs a token that holds.",
        todo="Set FOREBAY_TOKEN to one; an admin makes it with: forebay token make",
    )


def make(
    connection: Connection, new: NewToken, now: float, secret: str = "", token_id: str = "", made_with: str = ""
) -> MadeToken:
    """A token with a new secret, or the one given, which ends with the token `made_with`.

    InputError `bad-token`; NotFoundError as to whom it is for.
    """
    owner = people.one_user(connection, new.user)
    _check(connection, new, owner.role, now)
    secret = secret or new_secret()
    if not is_secret(secret):
        raise InputError(
            "bad-token",
            "The secret of a token is fbt_ and 43 random letters, digits, - and _.",
            todo="Leave FOREBAY_TOKEN out, and the hub makes one.",
        )
    token_id = token_id or new_token_id()
    values = {
        "token_id": token_id,
        "sha256": hash_of(secret),
        "user_id": people.user_id(connection, new.user),
        "role": new.role.value,
        "datasets": " ".join(sorted(set(new.datasets))),
        "site": new.site,
        "note": storable(new.note),
        "created_at": now,
        "expires_at": new.expires_at,
        "revoked_at": 0.0,
        "last_used_at": 0.0,
        "made_with": made_with,
    }
    connection.execute(sa.insert(t.token).values(values))
    return MadeToken(token=one(connection, token_id), secret=secret)


def list_tokens(connection: Connection, *where: ColumnElement[bool]) -> list[Token]:
    """Tokens, newest first."""
    query = sa.select(t.token, t.hub_user.c.name).join(t.hub_user, t.hub_user.c.user_id == t.token.c.user_id)
    rows = connection.execute(query.where(*where).order_by(t.token.c.created_at.desc(), t.token.c.token_id)).mappings()
    return [_token(row) for row in rows]


def one(connection: Connection, token_id: str) -> Token:
    """One token; NotFoundError `token-not-found`."""
    found = list_tokens(connection, t.token.c.token_id == token_id)
    if not found:
        known = connection.execute(sa.select(t.token.c.token_id)).scalars()
        todo = did_you_mean(token_id, known, otherwise="forebay token ls shows all of them.")
        raise NotFoundError("token-not-found", f"There is no token {token_id!r}.", todo=todo)
    return found[0]


def revoke(connection: Connection, token_id: str, now: float) -> Token:
    """It ends now, or had ended before; so do the sessions that began with it."""
    its = sa.or_(t.token.c.token_id == token_id, sa.and_(t.token.c.made_with == token_id, t.token.c.made_with != ""))
    live = sa.and_(its, t.token.c.revoked_at == 0)
    connection.execute(sa.update(t.token).where(live).values(revoked_at=now))
    return one(connection, token_id)


def look_up(connection: Connection, secret: str | None, now: float) -> Found | None:
    """What is known of a secret; None for one that never was.

    The database is asked for the hash of what was given, so no comparison of secrets takes longer the nearer they are.
    """
    if secret is None or not is_secret(secret):
        return None
    asked = hash_of(secret)
    return _found(connection.execute(_BY_HASH, {"sha256": asked}).mappings().all(), asked, now)


def look_up_all(connection: Connection, secrets: Collection[str], now: float) -> dict[str, Found]:
    """The same of many, by their secrets, in one question; without those that never were."""
    hashes = {hash_of(secret): secret for secret in secrets if is_secret(secret)}
    rows: dict[str, list[Any]] = {}
    for row in connection.execute(_BY_HASHES, {"hashes": list(hashes)}).mappings():
        rows.setdefault(row["sha256"], []).append(row)
    found = {secret: _found(rows.get(asked, ()), asked, now) for asked, secret in hashes.items()}
    return {secret: one for secret, one in found.items() if one is not None}


def _found(rows: Sequence[Any], asked: str, now: float) -> Found | None:
    if not rows or not hmac.compare_digest(rows[0]["sha256"], asked):
        return None
    row = rows[0]
    stale = abs(now - row["last_used_at"]) >= LAST_USED_SECONDS
    teams = frozenset(item["team"] for item in rows if item["team"] is not None)
    return Found(principal=_principal(row, teams), ended=_ended(row, now), stale=stale)


def note_use(connection: Connection, token_id: str, now: float) -> None:
    """The token was used, about now."""
    connection.execute(sa.update(t.token).where(t.token.c.token_id == token_id).values(last_used_at=now))


def _check(connection: Connection, new: NewToken, own: Role, now: float) -> None:
    if not own.covers(new.role):
        raise InputError(
            "bad-token",
            f"{new.user!r} is a {own}: no token of theirs can be a {new.role}'s.",
            todo=f"Ask for the role {own} or less.",
        )
    if new.expires_at and new.expires_at <= now:
        raise InputError("bad-token", "The token would have expired already.", todo="Name a moment to come.")
    if new.site:
        check_team_name(new.site)
    if new.site and new.datasets:
        raise InputError(
            "bad-token",
            "An agent's token is for a site, not for datasets.",
            todo="Leave one of them out. Which datasets may be at a site is in their policies.",
        )
    for name in new.datasets:
        dataset_id(connection, name)


def _principal(row: Any, teams: frozenset[str]) -> Principal:
    if row["site"]:
        return Agent(site=row["site"], user=row["name"], until=row["expires_at"], token_id=row["token_id"])
    given, own = Role(row["role"]), Role(row["user_role"])
    return Person(
        user=row["name"],
        role=given if own.covers(given) else own,
        teams=teams,
        only=frozenset(row["datasets"].split()),
        until=row["expires_at"],
        token_id=row["token_id"],
    )


def _ended(row: Any, now: float) -> str:
    if row["removed_at"]:
        return "its user was removed"
    if row["revoked_at"]:
        return "it was revoked"
    return "it has expired" if 0 < row["expires_at"] <= now else ""


def _token(row: Any) -> Token:
    return Token(
        token_id=row["token_id"],
        user=row["name"],
        role=Role(row["role"]),
        datasets=tuple(row["datasets"].split()),
        site=row["site"],
        note=row["note"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
