"""The same rows for everybody: folders that hold the first rows of each day, made once for each number of rows.

Plain files `day_N`, whatever the source is packed in. The test rows are one file, linked into every folder. Nothing is
written into the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forebay.ctr.compare.plan import share_rows, validation_rows
from forebay.ctr.source import Day, find_days
from forebay.ctr.split import Split, default_split
from forebay.ctr.stream import read_blocks

_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The days of a source and their rows, counted line by line, not assumed."""

    days: Mapping[int, Day]
    rows: Mapping[int, int]
    split: Split

    @property
    def train_rows(self) -> int:
        return sum(self.rows[day] for day in self.split.train)


def count_days(source: Path) -> Counted:
    """Reads every day once. InputError `too-few-days` for fewer than two."""
    days = find_days(source)
    split = default_split([day.number for day in days])
    return Counted(
        days={day.number: day for day in days}, rows={day.number: count_rows(day) for day in days}, split=split
    )


def count_rows(day: Day) -> int:
    """Lines without those that are blank at the end."""
    rows = 0
    for block in read_blocks(day, block_bytes=_BLOCK_BYTES):
        rows += block.data.count(b"\n") + int(not block.data.endswith(b"\n"))
    return rows


class Cuts:
    """Folders of rows below `scratch`, which the caller removes."""

    def __init__(self, counted: Counted, scratch: Path, *, test_rows: int) -> None:
        self._counted = counted
        self._scratch = scratch
        self.test_rows = min(test_rows, counted.rows[counted.split.test])
        self._test = scratch / "test"
        copy_rows(counted.days[counted.split.test], self._test, self.test_rows)

    def folder(self, rows: int) -> Path:
        """Files `day_N`: `rows` rows of the train days together, some to validate on (see `validation_rows`), and the
        test rows. A train day that has no row there has no file."""
        folder = self._scratch / f"rows-{rows}"
        if folder.exists():
            return folder
        building = self._scratch / f"making-{rows}"
        building.mkdir()
        split, has = self._counted.split, self._counted.rows
        shares = share_rows(rows, {day: has[day] for day in split.train})
        if split.validate is not None:
            shares[split.validate] = validation_rows(
                rows, self._counted.train_rows, has[split.validate], self.test_rows
            )
        for day in (day for day, share in shares.items() if share):
            copy_rows(self._counted.days[day], building / f"day_{day}", shares[day])
        (building / f"day_{split.test}").hardlink_to(self._test)
        return building.rename(folder)


def copy_rows(day: Day, target: Path, rows: int) -> None:
    """The first `rows` lines; fewer where there are fewer."""
    left = rows
    with target.open("xb") as out:
        for block in read_blocks(day, block_bytes=_BLOCK_BYTES):
            lines = block.data.count(b"\n")
            if lines >= left:
                out.write(block.data[: _end_of_line(block.data, left)])
                return
            out.write(block.data)
            left -= lines


def _end_of_line(block: bytes, number: int) -> int:
    """Where the line with this number (1-based) ends in `block`, which has as many."""
    end = 0
    for _ in range(number):
        end = block.index(b"\n", end) + 1
    return end
