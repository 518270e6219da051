"""Results as JSON values: a dataclass gives its fields and its public properties, under the same names.

Times are Unix seconds, sizes bytes, as the names say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from forebay.errors import ForebayError


def jsonable(value: Any) -> Any:
    """What `json.dumps` takes, for any result of a command."""
    match value:
        case None | bool() | int() | float():
            return value
        case Enum():
            return value.value
        case str() | Path():
            return str(value)
        case ForebayError():
            return {"kind": value.kind, "message": value.message, "todo": value.todo}
        case Mapping():
            return {str(jsonable(key)): jsonable(item) for key, item in value.items()}
        case Sequence():
            return [jsonable(item) for item in value]
    return {name: jsonable(getattr(value, name)) for name in names(type(value))}


def names(kind: type) -> Iterator[str]:
    """The fields of a dataclass, then its public properties."""
    yield from (field.name for field in dataclasses.fields(kind))
    yield from (name for name, item in vars(kind).items() if isinstance(item, property) and not name.startswith("_"))
