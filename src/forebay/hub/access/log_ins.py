"""Log-ins that are under way, and who came in by one: which user an identity is. Works on the database.

A state is taken once, by the browser that began, within ten minutes. A web session is a token like any other: hashed,
expiring, listed, revocable, gone with its user; its id begins with `web-`.
"""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import writing
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import ConflictError, NotAllowedError
from forebay.hub.access import people, tokens, trail
from forebay.hub.access.claims import Entrant, log_in_refused
from forebay.hub.access.oidc import Proof
from forebay.hub.access.secret import WEB, hash_of, new_token_id
from forebay.wire.access import MadeToken, NewToken, Outcome, Role

BEGUN_SECONDS = 600.0
_KEPT_SECONDS = 30 * 86400.0
_DEED = trail.Deed(action="sign-in", call="access.log_in")


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A log-in that its browser may finish."""

    proof: Proof
    next: str


class LogIns:
    """Keeps them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def begin(self, state: str, browser: str, begun: Begun) -> None:
        """Remember a log-in by its state; `browser` is a secret that only the browser which began has."""
        now = self._clock.now()
        values = {
            "state_sha256": hash_of(state),
            "browser_sha256": hash_of(browser),
            "nonce": begun.proof.nonce,
            "verifier": begun.proof.verifier,
            "next": begun.next,
            "expires_at": now + BEGUN_SECONDS,
        }
        with writing(self._engine) as connection:
            connection.execute(sa.delete(t.log_in).where(t.log_in.c.expires_at < now))
            connection.execute(sa.insert(t.log_in).values(values))

    def take(self, state: str, browser: str) -> Begun:
        """The log-in of a state, this once; NotAllowedError `log-in-refused` for any other, all alike."""
        here = t.log_in.c.state_sha256 == hash_of(state)
        with writing(self._engine) as connection:
            row = connection.execute(sa.select(t.log_in).where(here).with_for_update()).first()
            connection.execute(sa.delete(t.log_in).where(here))
        holds = row is not None and hmac.compare_digest(row.browser_sha256, hash_of(browser))
        if row is None or not holds or row.expires_at <= self._clock.now():
            raise log_in_refused("it was not begun here, is over, or took too long")
        return Begun(proof=Proof(nonce=row.nonce, verifier=row.verifier), next=row.next)

    def enter(self, entrant: Entrant, seconds: float, request: trail.Request, *, adopt: bool) -> MadeToken:
        """Let somebody in: their user is made or brought up to date. NotAllowedError `log-in-refused`."""
        now = self._clock.now()
        try:
            with writing(self._engine) as connection:
                _user_of(connection, entrant, now, adopt=adopt)
                _bring_up_to_date(connection, entrant)
                tidy(connection, now)
                role = people.one_user(connection, entrant.user).role
                new = NewToken(user=entrant.user, role=role, expires_at=now + seconds, note="web log-in")
                made = tokens.make(connection, new, now, token_id=WEB + new_token_id())
                told = f"{role}, teams {' '.join(sorted(entrant.teams)) or 'none'}"
                line = self._line(entrant.user, made.token.token_id, Outcome.ALLOWED, request, detail=told)
                trail.write(connection, line, now)
                return made
        except NotAllowedError as error:
            self.refused(entrant.user, error, request)
            raise

    def refused(self, user: str, error: NotAllowedError, request: trail.Request) -> None:
        """Write down who was not let in."""
        with writing(self._engine) as connection:
            line = self._line(user, "", Outcome.REFUSED, request, reason=error.message)
            trail.write(connection, line, self._clock.now())

    def _line(
        self, user: str, token_id: str, outcome: Outcome, request: trail.Request, *, detail: str = "", reason: str = ""
    ) -> trail.Line:
        deed = trail.Deed(action=_DEED.action, call=_DEED.call, detail=detail)
        return trail.Line(
            user=user, token_id=token_id, deed=deed, request=request, outcome=outcome, reason=reason[:200]
        )


def _user_of(connection: Connection, entrant: Entrant, now: float, *, adopt: bool) -> None:
    """The entrant's user is there and theirs. A name is never taken from whoever has it, but where that is allowed."""
    identity = hashlib.sha256(f"{entrant.issuer}\0{entrant.subject}".encode()).hexdigest()
    known = connection.execute(
        sa.select(t.hub_user.c.name, t.hub_user.c.removed_at)
        .join(t.identity, t.identity.c.user_id == t.hub_user.c.user_id)
        .where(t.identity.c.identity_sha256 == identity)
    ).first()
    if known is not None:
        if known.removed_at:
            raise log_in_refused(f"the user {known.name} was removed")
        if known.name != entrant.user:
            raise log_in_refused(f"the provider calls {known.name} by another name now, {entrant.user}")
        return
    taken = log_in_refused(f"the name {entrant.user} is somebody else's here")
    user = connection.execute(sa.select(t.hub_user).where(t.hub_user.c.name == entrant.user)).first()
    if user is None:
        try:
            people.add_user(connection, entrant.user, entrant.role, now)
        except ConflictError:
            raise taken from None  # somebody of that name came in meanwhile
    elif not adopt or user.removed_at or user.role == Role.ADMIN.value:
        raise taken
    values = {
        "identity_sha256": identity,
        "user_id": people.user_id(connection, entrant.user),
        "issuer": entrant.issuer,
        "subject": entrant.subject,
    }
    if not insert_if_absent(connection, t.identity, values):
        raise taken


def _bring_up_to_date(connection: Connection, entrant: Entrant) -> None:
    # A hub keeps its last admin, whatever a provider says.
    with suppress(ConflictError):
        people.set_role(connection, entrant.user, entrant.role)
    is_in = set(people.one_user(connection, entrant.user).teams)
    for team in sorted(entrant.teams - is_in):
        people.join_team(connection, team, [entrant.user])
    for team in sorted((entrant.teams_by_group - entrant.teams) & is_in):
        people.leave_team(connection, team, [entrant.user])


def tidy(connection: Connection, now: float) -> None:
    """Sessions that ended long ago: of each log-in one would stay for ever."""
    over = sa.and_(t.token.c.token_id.startswith(WEB, autoescape=True), t.token.c.expires_at < now - _KEPT_SECONDS)
    connection.execute(sa.delete(t.token).where(over))
