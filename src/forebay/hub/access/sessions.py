"""Web sessions of people who have a token, or who started the hub: tokens like any other, ids beginning with `web-`.

A session can do what its token can, lasts no longer, and ends with it.
"""

from __future__ import annotations

import secrets
import threading

from sqlalchemy import Connection, Engine

from forebay.catalog.engine import writing
from forebay.clock import Clock
from forebay.errors import NotAllowedError
from forebay.hub.access import people, tokens, trail
from forebay.hub.access.claims import log_in_refused
from forebay.hub.access.log_ins import tidy
from forebay.hub.access.rules import Person
from forebay.hub.access.secret import WEB, hash_of, new_token_id
from forebay.wire.access import MadeToken, NewToken, Outcome

_KEY_SECONDS = 3600.0


class Sessions:
    """Begins them. The keys of one-time links are in this process's memory alone."""

    def __init__(self, engine: Engine, clock: Clock, seconds: float) -> None:
        self.seconds = seconds
        self._engine = engine
        self._clock = clock
        self._keys: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def begin(self, secret: str, request: trail.Request) -> MadeToken:
        """For the bearer of a token; NotAllowedError `not-signed-in`, `log-in-refused`."""
        now = self._clock.now()
        with writing(self._engine) as connection:
            found = tokens.look_up(connection, secret, now)
            if found is None or found.ended:
                raise tokens.not_signed_in()
            who = found.principal
            if not isinstance(who, Person):
                raise log_in_refused("it is a site's agent's token, and pages are for people")
            new = NewToken(
                user=who.user,
                role=who.role,
                datasets=tuple(sorted(who.only)),
                expires_at=min(now + self.seconds, who.until or now + self.seconds),
                note="web log-in with a token",
            )
            made = tokens.make(connection, new, now, token_id=WEB + new_token_id(), made_with=who.token_id)
            self._note(connection, made, request, now)
            return made

    def key_for(self, user: str) -> str:
        """The key of a link that lets this user in, once, within the hour."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._keys[hash_of(key)] = (user, self._clock.now() + _KEY_SECONDS)
        return key

    def take(self, key: str, request: trail.Request) -> MadeToken:
        """For whoever has the link; NotAllowedError `log-in-refused` for the second one, too."""
        now = self._clock.now()
        with self._lock:
            user, until = self._keys.pop(hash_of(key), ("", 0.0))
        if until <= now:
            raise log_in_refused("the link was used already, is too old, or is of another start of the hub")
        with writing(self._engine) as connection:
            role = people.one_user(connection, user).role
            new = NewToken(user=user, role=role, expires_at=now + self.seconds, note="web log-in with a link")
            made = tokens.make(connection, new, now, token_id=WEB + new_token_id())
            self._note(connection, made, request, now)
            return made

    def refused(self, error: NotAllowedError, request: trail.Request) -> None:
        """Write down who was not let in."""
        deed = trail.Deed(action="sign-in", call="sessions.begin")
        line = trail.Line(
            user="", token_id="", deed=deed, request=request, outcome=Outcome.REFUSED, reason=error.message[:200]
        )
        with writing(self._engine) as connection:
            trail.write(connection, line, self._clock.now())

    def end(self, secret: str) -> None:
        """A session ends; nothing happens to one that has ended, and to what is no session."""
        now = self._clock.now()
        with writing(self._engine) as connection:
            found = tokens.look_up(connection, secret, now)
            if found is not None and not found.ended and found.principal.token_id.startswith(WEB):
                tokens.revoke(connection, found.principal.token_id, now)

    def _note(self, connection: Connection, made: MadeToken, request: trail.Request, now: float) -> None:
        tidy(connection, now)
        deed = trail.Deed(action="sign-in", call="sessions.begin", detail=made.token.note)
        line = trail.Line(
            user=made.token.user,
            token_id=made.token.token_id,
            deed=deed,
            request=request,
            outcome=Outcome.ALLOWED,
        )
        trail.write(connection, line, now)
