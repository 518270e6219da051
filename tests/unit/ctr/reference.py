"""The click-log format once more, slowly and plainly, to hold the fast parser against."""

from __future__ import annotations

import re
from dataclasses import dataclass

INTEGER = re.compile(rb"-?[0-9]+")
HEX = re.compile(rb"[0-9a-fA-F]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    label: int
    integers: tuple[int | None, ...]
    categories: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    reason: str
    column: int | None
    """0-based; None where the number of columns is wrong"""


def parse_lines(data: bytes) -> list[Row | Bad]:
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [_parse_line(line.removesuffix(b"\r")) for line in lines]


def _parse_line(line: bytes) -> Row | Bad:
    fields = line.split(b"\t")
    if len(fields) != 40:
        return Bad(reason="columns", column=None)
    for column, field in enumerate(fields):
        if column == 0 and field not in {b"0", b"1"}:
            return Bad(reason="label", column=column)
        if 1 <= column <= 13 and field and not _is_int32(field):
            return Bad(reason="integer", column=column)
        if column >= 14 and field and not HEX.fullmatch(field):
            return Bad(reason="category", column=column)
    return Row(
        label=int(fields[0]),
        integers=tuple(int(field) if field else None for field in fields[1:14]),
        categories=tuple(int(field, 16) if field else None for field in fields[14:]),
    )


def _is_int32(field: bytes) -> bool:
    return INTEGER.fullmatch(field) is not None and -(2**31) <= int(field) < 2**31
