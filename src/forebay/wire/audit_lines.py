"""The audit as lines of text: JSON, or CSV with a line of the fields' names. Pure; each line ends with a newline."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from forebay.wire.access import AuditRecord
from forebay.wire.codec import to_json

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def json_lines(records: Iterable[AuditRecord]) -> Iterator[str]:
    """An object a line."""
    for record in records:
        yield f"{json.dumps(to_json(record), ensure_ascii=False)}\n"


def csv_lines(records: Iterable[AuditRecord]) -> Iterator[str]:
    """A row a line; what a spreadsheet would take for a formula stays text, control characters are replaced."""
    columns = [field.name for field in fields(AuditRecord)]
    yield _row(columns)
    for record in records:
        told = to_json(record)
        yield _row([_cell(told[column]) for column in columns])


def _row(cells: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    plain = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value)
    return f"'{plain}" if value.startswith(_FORMULAS) else plain
