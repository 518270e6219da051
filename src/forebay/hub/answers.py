"""The answers to writes that came with an idempotency key, so that one whose answer was lost may be asked again.

All hubs of one database share them. A row is there before its write begins: of two requests with one key only the first
one writes. What a hub that was killed left half done counts as never begun once it is `ABANDONED_SECONDS` old.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog import schema as t
from forebay.catalog.engine import writing
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import ConflictError, UnavailableError

KEPT_SECONDS = 24 * 3600.0
ABANDONED_SECONDS = 15.0
_TIDY_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An idempotency key is its caller's: `caller` tells one from another."""

    caller: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.caller} {self.text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a write was answered."""

    status: int
    body: bytes


class Answers(Protocol):
    """Keeps answers by key."""

    def begin(self, key: Key, asked: str) -> Answer | None:
        """The stored answer; None when the caller shall write now, and then `keep` or `forget`.

        `asked` tells one request from another. ConflictError `idempotency-key-reused` when the key was used for
        another one; UnavailableError `request-under-way` while the first one with it has no answer yet.
        """

    def keep(self, key: Key, answer: Answer) -> None:
        """The write is done."""

    def forget(self, key: Key) -> None:
        """Nothing was written."""


class AnswerStore:
    """Implements `Answers` on the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._tidied_at = 0.0

    def begin(self, key: Key, asked: str) -> Answer | None:
        now = self._clock.now()
        values = {"asked": asked, "begun_at": now, "status": 0, "body": b""}
        with writing(self._engine) as connection:
            self._tidy(connection, now)
            if insert_if_absent(connection, t.answer, {"key": key.digest, **values}):
                return None
            row = connection.execute(sa.select(t.answer).where(_of(key)).with_for_update()).first()
            if row is None:
                raise _under_way()
            if row.asked != asked:
                raise ConflictError(
                    "idempotency-key-reused",
                    "This idempotency key came before with another request.",
                    todo="Take a new key for a new request.",
                )
            if row.status:
                return Answer(status=row.status, body=bytes(row.body))
            if row.begun_at > now - ABANDONED_SECONDS:
                raise _under_way()
            connection.execute(sa.update(t.answer).where(_of(key)).values(values))
            return None

    def keep(self, key: Key, answer: Answer) -> None:
        values = {"status": answer.status, "body": answer.body}
        with writing(self._engine) as connection:
            connection.execute(sa.update(t.answer).where(_of(key)).values(values))

    def forget(self, key: Key) -> None:
        with writing(self._engine) as connection:
            connection.execute(sa.delete(t.answer).where(_of(key)))

    def _tidy(self, connection: sa.Connection, now: float) -> None:
        """Old answers go, now and then."""
        if now - self._tidied_at > _TIDY_SECONDS:
            connection.execute(sa.delete(t.answer).where(t.answer.c.begun_at < now - KEPT_SECONDS))
            self._tidied_at = now


def _of(key: Key) -> sa.ColumnElement[bool]:
    return t.answer.c.key == key.digest


def _under_way() -> UnavailableError:
    return UnavailableError(
        "request-under-way",
        "The first request with this idempotency key has no answer yet.",
        todo="Ask again with the same key in a moment.",
    )
