"""The messages of wire/ as JSON values and back, by their own annotations: there is no second shape of the same fact.

Pure, and without pydantic, whose import costs more than most commands. Unknown fields are passed over and missing ones
with a default are filled, so that a client and a hub one release apart understand each other. Of the classes of a
union the field `answer` says which one is meant.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

TAG = "answer"
"""The field that names the class among those of a union."""

Message = TypeVar("Message")
_Reader = Callable[[Any], Any]


def to_json(value: Any) -> Any:
    """What `json.dumps` takes, for a message, a list of messages or a plain value."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    kind: Any = type(value)
    return {name: to_json(getattr(value, name)) for name in _names(kind)}


def from_json(kind: type[Message], data: Any) -> Message:
    """The message of this class, union or list that JSON values say; ValueError names the field that is wrong."""
    of_any: Any = kind
    read: Callable[[Any], Message] = _reader(of_any)
    return read(data)


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.cache
def _reader(kind: Any) -> _Reader:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda data: data
    if origin in (Union, types.UnionType):
        return _union_reader(inside)
    if origin is Literal:
        return _checked(lambda data: data in inside, f"one of {inside}")
    if origin in (list, tuple):
        return _list_reader(origin, _reader(inside[0]))
    if kind is float:
        return _float
    if kind in (str, int, bool):
        return _checked(lambda data: type(data) is kind, kind.__name__)
    if kind is type(None):
        return _checked(lambda data: data is None, "null")
    if issubclass(kind, Enum):
        return _enum_reader(kind)
    return _class_reader(kind)


def _enum_reader(kind: type[Enum]) -> _Reader:
    """A word of a later release is read as `unknown` where a class has that, else refused."""
    fallback = kind.__members__.get("UNKNOWN")

    def read(data: Any) -> Enum:
        try:
            return kind(data)
        except ValueError:
            if fallback is None or not isinstance(data, str):
                raise
            return fallback

    return read


def _float(data: Any) -> float:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise ValueError(f"a number is wanted, not {type(data).__name__}")
    return float(data)


def _checked(fits: Callable[[Any], bool], wanted: str) -> _Reader:
    def read(data: Any) -> Any:
        if not fits(data):
            raise ValueError(f"{wanted} is wanted, not {type(data).__name__}")
        return data

    return read


def _list_reader(made: Callable[[list[Any]], Any], read_item: _Reader) -> _Reader:
    def read(data: Any) -> Any:
        if not isinstance(data, list):
            raise ValueError(f"a list is wanted, not {type(data).__name__}")
        return made([read_item(item) for item in data])

    return read


def _union_reader(kinds: tuple[Any, ...]) -> _Reader:
    """Of nothing and one class, or of classes that their tags tell apart."""
    some = [kind for kind in kinds if kind is not type(None)]
    by_tag = {} if len(some) == 1 else {_tag(kind): _reader(kind) for kind in some}
    only = _reader(some[0])

    def read(data: Any) -> Any:
        if data is None and len(some) < len(kinds):
            return None
        if not by_tag:
            return only(data)
        tag = data.get(TAG) if isinstance(data, dict) else None
        if tag not in by_tag:
            raise ValueError(f"{TAG}: one of {', '.join(by_tag)} is wanted")
        return by_tag[tag](data)

    return read


def _tag(kind: Any) -> str:
    return str(next(field.default for field in dataclasses.fields(kind) if field.name == TAG))


def _class_reader(kind: type) -> _Reader:
    hints = get_type_hints(kind)
    fields = [
        (field.name, _reader(hints[field.name]), _has_default(field))
        for field in dataclasses.fields(kind)
        if field.init
    ]

    def read(data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(f"{kind.__name__}: an object is wanted, not {type(data).__name__}")
        given = {}
        for name, read_field, is_optional in fields:
            if name in data:
                try:
                    given[name] = read_field(data[name])
                except ValueError as error:
                    raise ValueError(f"{kind.__name__}.{name}: {error}") from None
            elif not is_optional:
                raise ValueError(f"{kind.__name__}.{name} is missing")
        return kind(**given)

    return read


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
