"""Values as short text. Pure."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, time
from typing import Any


def cell(value: Any, most_chars: int) -> str | None:
    """A value as people read it, cut to a length; None where there is none. NaN is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return cut(_text(value), most_chars)


def cut(text: str, most_chars: int) -> str:
    """With an ellipsis where something is missing."""
    return text if len(text) <= most_chars else text[: most_chars - 1] + "…"


def _text(value: Any) -> str:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.6g}"
        case bytes():
            return _bytes(value)
        case datetime() | date() | time():
            return value.isoformat()
        case list() | dict() | tuple():
            return json.dumps(value, default=_inside, ensure_ascii=False)
        case _:
            return str(value)


def _bytes(value: bytes) -> str:
    """As text where it is some, else the number of bytes and the first of them."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes: {value[:16].hex(' ')}"


def _inside(value: Any) -> str:
    return _text(value)
