"""The bounded log on disk: a writer for one process, and a reader that may follow while it is written.

`shape.json` says how it is cut; `NNNNNNNN` is a segment. `split` of coreutils writes the same names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from forebay.errors import DamagedError
from forebay.fsio import Disk
from forebay.runs.executors.log_shape import LogShape, next_kept, shape_for

DIGITS = 8
_SHAPE = "shape.json"
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPart:
    """Bytes of a log that begin at `offset`, after `missing_bytes` that were asked for and are gone.

    The next part is read from `next_offset`. No data: nothing more is there now.
    """

    offset: int
    data: bytes
    missing_bytes: int = 0

    @property
    def next_offset(self) -> int:
        return self.offset + len(self.data)


def make_log(folder: Path, bound_bytes: int) -> LogShape:
    """Prepare the folder for a log of at most so many bytes; one that is prepared already stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / _SHAPE).exists():
        Disk().write_json(folder / _SHAPE, asdict(shape_for(bound_bytes)))
    return _shape(folder)


def read_log(folder: Path, offset: int = 0, size_bytes: int = _READ_BYTES) -> LogPart:
    """Up to `size_bytes` from `offset`, of one segment: the log's end is where a part has no data.

    A log that is not there yet is empty. DamagedError `log-damaged` when the folder holds something else.
    """
    try:
        shape = _shape(folder)
    except FileNotFoundError:
        return LogPart(offset=offset, data=b"")
    # A segment may go between the look at the names and the read: then the look is an old one.
    while True:
        begin = next_kept(shape, offset, _segments(folder))
        if begin is None:
            return LogPart(offset=offset, data=b"")
        with suppress(FileNotFoundError):
            return LogPart(offset=begin, data=_read(folder, shape, begin, size_bytes), missing_bytes=begin - offset)


def whole_log(folder: Path) -> Iterator[bytes]:
    """All that is kept, with a line in between that says how many bytes are missing."""
    part = read_log(folder)
    while part.data:
        if part.missing_bytes:
            yield f"\n... {part.missing_bytes} bytes are missing here: the log is bounded ...\n".encode()
        yield part.data
        part = read_log(folder, part.next_offset)


class LogWriter:
    """Writes the log of one process. A disk that refuses loses bytes, never the job: `lost_bytes` counts them."""

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        self._shape = make_log(folder, bound_bytes)
        self._folder = folder
        self._offset = 0
        self._open: tuple[int, int] | None = None
        self.lost_bytes = 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            segment = self._shape.segment_of(self._offset)
            room = self._shape.end_of(segment) - self._offset
            try:
                count = os.write(self._descriptor(segment), view[:room])
            except OSError:
                self.lost_bytes += len(view)
                return
            self._offset += count
            view = view[count:]

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open[1])
            self._open = None

    def _descriptor(self, segment: int) -> int:
        if self._open is not None and self._open[0] == segment:
            return self._open[1]
        self.close()
        for surplus in self._shape.surplus((*_segments(self._folder), segment)):
            (self._folder / _segment_name(surplus)).unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._open = segment, os.open(self._folder / _segment_name(segment), flags, 0o644)
        return self._open[1]


def _segment_name(segment: int) -> str:
    return f"{segment:0{DIGITS}d}"


def _segments(folder: Path) -> list[int]:
    return [int(name) for name in os.listdir(folder) if name.isdigit()]


def _shape(folder: Path) -> LogShape:
    text = (folder / _SHAPE).read_text()
    try:
        return LogShape(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise DamagedError("log-damaged", f"{folder} holds no log: its {_SHAPE} can't be read") from error


def _read(folder: Path, shape: LogShape, begin: int, size_bytes: int) -> bytes:
    """Of one segment; at its end, go on with the next one if that is there."""
    segment = shape.segment_of(begin)
    with (folder / _segment_name(segment)).open("rb", buffering=0) as file:
        return os.pread(file.fileno(), min(size_bytes, shape.end_of(segment) - begin), begin - shape.start_of(segment))
