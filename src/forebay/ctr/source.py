"""Where click logs lie: the days of a directory, and byte ranges of a day that begin and end with whole lines.

Blank lines at the very end of a file are no rows and belong to no range; a blank line anywhere else is a bad row.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forebay.errors import InputError, NotFoundError

RANGE_BYTES: Final = 32 << 20
MAX_LINE_BYTES: Final = 1 << 20
_WINDOW: Final = 1 << 16
_DAY: Final = re.compile(r"day_(0|[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's click log."""

    number: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Bytes [start, end) of a file: whole lines."""

    path: Path
    start: int
    end: int


def find_days(directory: Path) -> tuple[Day, ...]:
    """The files `day_N` right in `directory`, ascending by N. A name that only resembles one is an error."""
    if not directory.is_dir():
        raise NotFoundError("no-such-directory", f"{directory} is not a directory")
    names = sorted(path.name for path in directory.glob("day_*"))
    for name in names:
        if not _DAY.fullmatch(name) or not (directory / name).is_file():
            raise InputError(
                "bad-day-name",
                f"{directory / name} is not a click log named day_0, day_1, ...",
                todo="decompress, rename or move it: nothing that looks like a day is left out silently",
            )
    numbers = sorted(int(name.removeprefix("day_")) for name in names)
    if not numbers:
        raise NotFoundError("no-days", f"{directory} holds no click logs named day_0, day_1, ...")
    return tuple(Day(number=number, path=directory / f"day_{number}") for number in numbers)


def plan_ranges(path: Path, *, range_bytes: int = RANGE_BYTES) -> tuple[ByteRange, ...]:
    """Cut a file into ranges of about `range_bytes`; no range for an empty file. Reads only around the cuts."""
    end = _content_end(path)
    cuts = [0]
    while cuts[-1] < end:
        cuts.append(_line_start(path, min(cuts[-1] + range_bytes, end), end))
    return tuple(ByteRange(path=path, start=start, end=stop) for start, stop in itertools.pairwise(cuts))


def count_lines(path: Path, end: int) -> int:
    """Newlines in the first `end` bytes."""
    count = 0
    with path.open("rb") as file:
        while end > 0 and (block := file.read(min(end, 1 << 20))):
            count += block.count(b"\n")
            end -= len(block)
    return count


def _line_start(path: Path, position: int, end: int) -> int:
    """The first line start at or after `position`, or `end`."""
    with path.open("rb") as file:
        file.seek(position - 1)
        for window in range(position - 1, position + MAX_LINE_BYTES, _WINDOW):
            if window >= end:
                return end
            found = file.read(min(_WINDOW, end - window)).find(b"\n")
            if found >= 0:
                return window + found + 1
    raise InputError(
        "bad-row",
        f"{path}, line {count_lines(path, position) + 1}: longer than {MAX_LINE_BYTES} bytes",
        todo="a click log is 40 tab-separated columns per line, not compressed",
    )


def _content_end(path: Path) -> int:
    """The file's size without blank lines at its end; the last row's own newline stays."""
    end = path.stat().st_size
    with path.open("rb") as file:
        while end > 0:
            start = max(0, end - _WINDOW)
            file.seek(start)
            block = file.read(end - start)
            content = block.rstrip(b"\r\n")
            if content:
                newline = block.find(b"\n", len(content))
                return start + (newline + 1 if newline >= 0 else len(block))
            end = start
    return 0
