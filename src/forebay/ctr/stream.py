"""A compressed click log as a stream: decompressed once, cut into blocks of whole lines, with their line numbers.

Memory holds one block at a time, whatever the file's size. Blank lines at the very end are no rows, as in plain files.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import pyarrow as pa

from forebay.ctr.source import MAX_LINE_BYTES, RANGE_BYTES, Day, too_long
from forebay.errors import DamagedError


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBlock:
    """Whole lines of a log, the first of which has this number (1-based)."""

    data: bytes
    first_line: int


def read_blocks(day: Day, *, block_bytes: int = RANGE_BYTES) -> Iterator[LineBlock]:
    """The lines of `day` in blocks of about `block_bytes`. DamagedError where it cannot be decompressed to its end."""
    with open_day(day) as stream:
        line, rest = 1, b""
        while True:
            read = _read(day, stream, block_bytes)
            rest += read
            cut = _whole_lines(rest, at_end=not read)
            if cut:
                block = LineBlock(data=rest[:cut], first_line=line)
                line, rest = line + block.data.count(b"\n"), rest[cut:]
                yield block
            if not read:
                return
            if len(rest) > MAX_LINE_BYTES and b"\n" not in rest:
                raise too_long(day.path, line)


@contextmanager
def open_day(day: Day) -> Iterator[IO[bytes]]:
    """The bytes of a day, decompressed, from its first line to its last; for readers that take a file."""
    if day.compression is not None:
        with pa.OSFile(str(day.path)) as file, pa.CompressedInputStream(file, day.compression) as stream:
            yield cast("IO[bytes]", stream)
        return
    with day.path.open("rb") as file:
        yield file if (day.start, day.end) == (0, None) else io.BufferedReader(_Part(file, day))


class _Part(io.RawIOBase):
    """The bytes [start, end) of a file that is read once from start to end."""

    def __init__(self, file: IO[bytes], day: Day) -> None:
        self._file = file
        self._left = day.size_bytes
        file.seek(day.start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _read(day: Day, stream: IO[bytes], size: int) -> bytes:
    try:
        return stream.read(size)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedError(
            "damaged-log", f"{day.path} cannot be decompressed: {error}", todo="fetch it again"
        ) from error


def _whole_lines(data: bytes, *, at_end: bool) -> int:
    """How many bytes of `data` are rows for sure: the rest is part of a line, or blank lines and perhaps the end."""
    content = len(data.rstrip(b"\r\n"))
    newline = data.find(b"\n", content)
    if at_end:
        return 0 if not content else (newline + 1 if newline >= 0 else len(data))
    if not content and len(data) > MAX_LINE_BYTES:
        return data.rfind(b"\n") + 1
    return newline + 1 if content and newline >= 0 else data.rfind(b"\n", 0, content) + 1
