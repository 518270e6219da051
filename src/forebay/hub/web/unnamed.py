"""A visitor who notices how far anybody asks who they are.

What was shown without asking is the same for everybody with the same rights; where it was only asked whether they are
this one or that one, and they are not, for all of these but those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from forebay.hub.access.rules import Person
from forebay.hub.board.sight import Sight

_USER: Any = Person.__dict__["user"]


class Unnamed(Person):
    """The same person with the same rights. Since `forget`: `was_named`, the name was read, or compared in a way that
    is not noticed; `taken_for` are the names that it was compared with.
    """

    __slots__ = ("taken_for", "was_named")

    taken_for: set[str]
    was_named: bool

    @classmethod
    def of(cls, person: Person) -> Unnamed:
        """Somebody whom nobody asked yet. Of an `Unnamed` this asks nothing either."""
        rights = {each.name: getattr(person, each.name) for each in fields(Person) if each.name != "user"}
        made = cls(user=_USER.__get__(person), **rights)
        made.forget()
        return made

    @property
    def user(self) -> str:
        object.__setattr__(self, "was_named", True)
        return str(_USER.__get__(self))

    @user.setter
    def user(self, value: str) -> None:
        _USER.__set__(self, value)

    def is_called(self, name: str) -> bool:
        self.taken_for.add(name)
        return bool(name) and name == str(_USER.__get__(self))

    def may_be_one_of(self, names: Callable[[], Iterable[str]]) -> bool:
        return any(self.is_called(name) for name in names())

    def forget(self) -> None:
        """Begin anew."""
        object.__setattr__(self, "was_named", False)
        object.__setattr__(self, "taken_for", set())

    @property
    def stands_for_all(self) -> bool:
        """Whether nobody asked anything of who they are."""
        return not self.was_named and not self.taken_for

    def stands_for(self, other: Person) -> bool:
        """Whether somebody else with the same rights would have been answered the same each time."""
        names = {str(_USER.__get__(self)), other.user}
        return len(names) == 1 or (not self.was_named and self.taken_for.isdisjoint(names))


def alike(one: Sight, other: Sight) -> bool:
    """Whether both have the same rights and see the same, whoever they are."""
    return _rights(one) == _rights(other)


def is_known_for(sight: Sight, other: Person) -> bool:
    """Whether a sight that was found for an `Unnamed` is that of somebody else, too."""
    one = sight.principal
    is_like = (one.role, one.teams, one.only) == (other.role, other.teams, other.only)
    return is_like and isinstance(one, Unnamed) and one.stands_for(other)


def _rights(sight: Sight) -> tuple[object, ...]:
    person = sight.principal
    return (person.role, person.teams, person.only, sight.datasets, sight.hidden, sight.not_for_token)
