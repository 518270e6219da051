"""What host and guest say to each other on the console, between the kernel's own words: one JSON object a line."""

from __future__ import annotations

import json
from typing import Any

MARK = "@@"


def spoken(said: str, **facts: Any) -> str:
    """A line that says it."""
    return f"{MARK}{json.dumps({'said': said, **facts})}\n"


def heard(line: str) -> dict[str, Any] | None:
    """What a line says; None for the kernel's words, and for a line that a power cut tore."""
    _, mark, body = line.partition(MARK)
    if not mark:
        return None
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "said" in told else None
