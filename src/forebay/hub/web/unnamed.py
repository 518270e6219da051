"""A visitor who notices whether anybody asks who they are.

What was shown without asking is the same for everybody like them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from forebay.hub.access.rules import Person
from forebay.hub.board.sight import Sight

_USER: Any = Person.__dict__["user"]


class Unnamed(Person):
    """The same person with the same rights. `was_asked`: the name was read, or compared, since `forget`."""

    __slots__ = ("was_asked",)

    was_asked: bool

    @classmethod
    def of(cls, person: Person) -> Unnamed:
        """Somebody whom nobody asked yet."""
        made = cls(**{each.name: getattr(person, each.name) for each in fields(Person)})
        made.forget()
        return made

    @property
    def user(self) -> str:
        object.__setattr__(self, "was_asked", True)
        return str(_USER.__get__(self))

    @user.setter
    def user(self, value: str) -> None:
        _USER.__set__(self, value)

    def forget(self) -> None:
        """Begin anew."""
        object.__setattr__(self, "was_asked", False)


def alike(one: Sight, other: Sight) -> bool:
    """Whether both have the same rights and see the same, whoever they are."""
    return like(one) == like(other)


def like(sight: Sight) -> tuple[object, ...]:
    """All of a sight but who it is."""
    person = sight.principal
    return (person.role, person.teams, person.only, sight.datasets, sight.hidden, sight.not_for_token)
