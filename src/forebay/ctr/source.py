"""Where click logs lie: the days of a directory, and byte ranges of a day that begin and end with whole lines.

Blank lines at the very end of a file are no rows and belong to no range; a blank line anywhere else is a bad row.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from forebay.errors import InputError, NotFoundError

Compression = Literal["gzip", "zstd"]

RANGE_BYTES: Final = 32 << 20
MAX_LINE_BYTES: Final = 1 << 20
KAGGLE_FILE: Final = "train.txt"
KAGGLE_DAYS: Final = 7
_KAGGLE_UNLABELLED: Final = "test.txt"
_WINDOW: Final = 1 << 16
_DAY: Final = re.compile(r"day_(?P<number>0|[1-9][0-9]{0,5})(?P<ending>\.gz|\.zst)?")
_COMPRESSIONS: Final[dict[str, Compression]] = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's click log: a file, or the whole lines [start, end) of one."""

    number: int
    path: Path
    compression: Compression | None = None
    start: int = 0
    end: int | None = None
    """None: up to the end of the file"""

    @property
    def name(self) -> str:
        return f"day_{self.number}"

    @property
    def size_bytes(self) -> int:
        """As it lies on the disk."""
        return (self.path.stat().st_size if self.end is None else self.end) - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Bytes [start, end) of a file: whole lines."""

    path: Path
    start: int
    end: int


def find_days(directory: Path) -> tuple[Day, ...]:
    """The days in `directory`, ascending: files `day_N`, `day_N.gz` or `day_N.zst`, or Criteo Kaggle's `train.txt`.

    A name that only resembles a day is an error. `train.txt` is in the order of time over 7 days and does not tell
    where one ends: it is cut into 7 days of equal bytes.
    """
    if not directory.is_dir():
        raise NotFoundError("no-such-directory", f"{directory} is not a directory")
    kaggle = directory / KAGGLE_FILE
    days = [_day(path) for path in sorted(directory.glob("day_*"))]
    if days and kaggle.exists():
        raise InputError("two-sources", f"{directory} holds days and {KAGGLE_FILE}", todo="keep one of them there")
    if not days:
        return _kaggle_days(kaggle)
    days.sort(key=lambda day: day.number)
    for before, after in itertools.pairwise(days):
        if before.number == after.number:
            raise InputError("same-day-twice", f"{before.path} and {after.path} are the same day", todo="keep one")
    return tuple(days)


def plan_ranges(
    path: Path, *, range_bytes: int = RANGE_BYTES, start: int = 0, end: int | None = None
) -> tuple[ByteRange, ...]:
    """Cut whole lines [start, end) of a file into ranges of about `range_bytes`; no range for none.

    Reads only around the cuts.
    """
    content = _content_end(path)
    stop = content if end is None else min(end, content)
    cuts = [start]
    while cuts[-1] < stop:
        cuts.append(_line_start(path, min(cuts[-1] + range_bytes, stop), stop))
    return tuple(ByteRange(path=path, start=begin, end=stop) for begin, stop in itertools.pairwise(cuts))


def count_lines(path: Path, end: int) -> int:
    """Newlines in the first `end` bytes."""
    count = 0
    with path.open("rb") as file:
        while end > 0 and (block := file.read(min(end, 1 << 20))):
            count += block.count(b"\n")
            end -= len(block)
    return count


def too_long(path: Path, line: int) -> InputError:
    """The error for a line of more than MAX_LINE_BYTES."""
    return InputError(
        "bad-row",
        f"{path}, line {line}: longer than {MAX_LINE_BYTES} bytes",
        todo="a click log is 40 tab-separated columns per line; compressed ones are named day_N.gz or day_N.zst",
    )


def _day(path: Path) -> Day:
    match = _DAY.fullmatch(path.name)
    if match is None or not path.is_file():
        raise InputError(
            "bad-day-name",
            f"{path} is not a click log named day_0, day_1, ..., day_0.gz or day_0.zst",
            todo="rename or move it: nothing that looks like a day is left out silently",
        )
    return Day(number=int(match["number"]), path=path, compression=_COMPRESSIONS.get(match["ending"] or ""))


def _kaggle_days(path: Path) -> tuple[Day, ...]:
    if path.is_file():
        end = _content_end(path)
        cuts = [0, *(_line_start(path, end * day // KAGGLE_DAYS, end) for day in range(1, KAGGLE_DAYS)), end]
        return tuple(
            Day(number=number, path=path, start=start, end=stop)
            for number, (start, stop) in enumerate(itertools.pairwise(cuts))
        )
    for packed in (path.with_name(f"{KAGGLE_FILE}{ending}") for ending in _COMPRESSIONS):
        if packed.exists():
            raise InputError(
                "compressed-kaggle", f"{packed} cannot be cut into days", todo=f"decompress it to {KAGGLE_FILE}"
            )
    if path.with_name(_KAGGLE_UNLABELLED).exists():
        raise InputError(
            "no-labels",
            f"{path.with_name(_KAGGLE_UNLABELLED)} has no labels: nothing can be learnt from it, nor measured on it",
            todo=f"prepare {KAGGLE_FILE}, which comes with it",
        )
    raise NotFoundError(
        "no-days", f"{path.parent} holds no click logs named day_0, day_1, ... (or .gz, .zst) and no {KAGGLE_FILE}"
    )


def _line_start(path: Path, position: int, end: int) -> int:
    """The first line start at or after `position`, or `end`."""
    if position <= 0:
        return 0
    with path.open("rb") as file:
        file.seek(position - 1)
        for window in range(position - 1, position + MAX_LINE_BYTES, _WINDOW):
            if window >= end:
                return end
            found = file.read(min(_WINDOW, end - window)).find(b"\n")
            if found >= 0:
                return window + found + 1
    raise too_long(path, count_lines(path, position) + 1)


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
