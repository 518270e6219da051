"""Tables of counts as files: Arrow IPC, a block a batch, so that each is read, merged and searched a block at a time.

A table that is searched lies uncompressed and is mapped into memory: the kernel may drop its pages, workers of one
machine share them, and opening costs nothing that grows with it. Files appear whole and never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from forebay.ctr.files import new_file
from forebay.ctr.tables import Block, Counts, Keys, in_blocks
from forebay.errors import DamagedError

_COLUMNS: Final = {"key": pa.uint64(), "rows": pa.int64(), "clicks": pa.int64()}
_SCHEMA: Final = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _COLUMNS.items()])


def write_table(path: Path, blocks: Iterable[Block], *, searched: bool) -> None:
    """Write a table (ascending blocks); uncompressed where it is to be `searched`."""
    options = pa.ipc.IpcWriteOptions(compression=None if searched else "zstd")
    with new_file(path) as file, pa.ipc.new_file(file, _SCHEMA, options=options) as writer:
        for block in in_blocks(blocks):
            writer.write_batch(pa.record_batch([block.keys, block.rows, block.clicks], schema=_SCHEMA))


class TableFile:
    """A table on disk. DamagedError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        try:
            self._reader = pa.ipc.open_file(pa.memory_map(str(path)))
            if self._reader.schema != _SCHEMA:
                raise pa.ArrowInvalid("it is no table of counts")
        except (OSError, pa.ArrowInvalid) as error:
            told = f"{path} cannot be read: {error}"
            raise DamagedError("bad-table", told, todo="prepare the features again") from error

    def __iter__(self) -> Iterator[Block]:
        return map(self._block, range(self._reader.num_record_batches))

    def counts(self, keys: Keys) -> tuple[Counts, Counts]:
        """(n,) rows and (n,) clicks of any n keys; 0 rows where the table does not hold the key."""
        rows, clicks = np.zeros((2, keys.size), np.int64)
        if self._reader.num_record_batches <= 1:
            for block in self:
                rows[:], clicks[:] = _find(block, keys)
            return rows, clicks
        order = np.argsort(keys)
        ascending, start = keys[order], 0
        for block in self:
            end = start + int(np.searchsorted(ascending[start:], block.keys[-1], side="right"))
            if end > start:
                rows[order[start:end]], clicks[order[start:end]] = _find(block, ascending[start:end])
            start = end
        return rows, clicks

    def _block(self, number: int) -> Block:
        key, rows, clicks = (_numpy(column) for column in self._reader.get_batch(number).columns)
        return Block(keys=key, rows=rows, clicks=clicks)


def is_table(path: Path) -> bool:
    """Whether a whole table is there: a power cut may leave a name without its bytes."""
    try:
        TableFile(path)
    except DamagedError:
        return False
    return True


def _find(block: Block, keys: Keys) -> tuple[Counts, Counts]:
    place = np.minimum(np.searchsorted(block.keys, keys), len(block) - 1)
    found = block.keys[place] == keys
    return np.where(found, block.rows[place], 0), np.where(found, block.clicks[place], 0)


def _numpy(column: pa.Array) -> Any:
    return column.to_numpy(zero_copy_only=True)
