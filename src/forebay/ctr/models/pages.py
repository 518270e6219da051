"""Rows as XGBoost takes them on one worker: a part at a time, their bins in files, so memory does not follow the rows.

Of each row a worker holds its label, its gradient and where it stands, some 32 bytes, and on its disk six bytes a
value. XGBoost's way to do so: https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html. With GPUs it
keeps the bins in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.matrix import Piece, Reckon, Rows, read_rows_of
from forebay.errors import CapacityError

_ONE_BYTE_BINS: Final = 256
_FLOAT_BYTES: Final = 4
_PLACE_BYTES: Final = 4

Told = Callable[[int], None]
"""Is told of so many more rows; what it raises ends the reading."""

Put = Callable[[NDArray[np.float32]], Any]
"""Puts a piece's matrix where XGBoost is to make bins of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How pieces are read: columns of the file, names of the whole matrix, and per day what reckons the rest."""

    columns: tuple[str, ...]
    features: tuple[str, ...]
    reckons: tuple[Reckon | None, ...]

    def reckoned(self, piece: Piece, given: Sequence[Sequence[Any]]) -> NDArray[np.float32] | None:
        """Of all rows of its part."""
        reckon = self.reckons[piece.day]
        return None if reckon is None else reckon(piece.path, *given[piece.day])

    def rows(self, piece: Piece, reckoned: NDArray[np.float32] | None) -> Rows:
        """Those of the piece alone."""
        matrix, label = read_rows_of(piece.path, self.columns, reckoned)
        rows = slice(piece.first, None, piece.step)
        return np.ascontiguousarray(matrix[rows]), label[rows]


class Pages(xgboost.DataIter):
    """Gives one piece after the other, as often as XGBoost asks. What was reckoned of one is kept for the next time."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        reading: Reading,
        given: Sequence[Sequence[Any]],
        *,
        cache: Path | None,
        told: Told,
        put: Put | None = None,
    ) -> None:
        self._pieces = pieces
        self._reading = reading
        self._given = given
        self._told = told
        self._put = put
        self._next = 0
        self._reckoned: dict[Piece, NDArray[np.float32] | None] = {}
        super().__init__(cache_prefix=None if cache is None else str(cache))

    def reset(self) -> None:
        """XGBoost's word for: begin at the first piece again."""
        self._next = 0

    def next(self, input_data: Any) -> bool:
        """Give the next piece to `input_data`; False after the last one."""
        if self._next == len(self._pieces):
            return False
        piece = self._pieces[self._next]
        self._next += 1
        is_new = piece not in self._reckoned
        if is_new:
            self._reckoned[piece] = self._reading.reckoned(piece, self._given)
        matrix, label = self._reading.rows(piece, self._reckoned[piece])
        data = matrix if self._put is None else self._put(matrix)
        input_data(data=data, label=label, feature_names=list(self._reading.features))
        self._told(piece.rows if is_new else 0)
        return True


def paged(pages: Pages, *, max_bin: int, threads: int) -> xgboost.DMatrix:
    """The matrix of them; its bins are in files where the pages name a place for these."""
    kind = xgboost.QuantileDMatrix if pages.cache_prefix is None else xgboost.ExtMemQuantileDMatrix
    return kind(pages, max_bin=max_bin, nthread=threads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A worker's own folder: which disk it is on, and what is free there. Equal `where`: the same disk."""

    where: tuple[str, int]
    folder: str
    free_bytes: int


def disk_bytes(train_rows: int, validation_rows: int, features: int, max_bin: int) -> int:
    """What a worker writes at most: bins of train rows, by rows and by columns, and values of validation rows."""
    bin_bytes = 1 if max_bin <= _ONE_BYTE_BINS else 2
    return features * (train_rows * (2 * bin_bytes + _PLACE_BYTES) + validation_rows * _FLOAT_BYTES)


def check_disks(needed: Mapping[str, int], disks: Mapping[str, Disk]) -> None:
    """By worker. CapacityError `disk-too-little` before anything is written; workers may share a disk."""
    for disk in {disk.where: disk for disk in disks.values()}.values():
        together = sum(needed[worker] for worker in needed if disks[worker].where == disk.where)
        if together > disk.free_bytes:
            raise no_room(
                f"what is fitted needs {together >> 20:,} MiB on the disk of {disk.folder} on {disk.where[0]}, "
                f"which has {disk.free_bytes >> 20:,} free"
            )


def no_room(told: str) -> CapacityError:
    """Of a worker's own folder."""
    return CapacityError(
        "disk-too-little",
        told,
        todo="Take more hosts, let the workers have a larger disk (TMPDIR; Dask's --local-directory), or fewer days.",
    )
