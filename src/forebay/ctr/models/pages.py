"""Rows as XGBoost takes them on one worker: a part at a time, their bins in files, so memory does not follow the rows.

Of each row a worker holds its label, its gradient and where it stands, some 32 bytes, and five bytes a value on its disk.
XGBoost's way to do so: https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html. On GPUs the bins are in
their memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.matrix import Piece, Reckon, read_rows_of
from forebay.errors import CapacityError

_VALUE_BYTES: Final = 6
"""By rows, and once more by columns with their rows' numbers; 5.1 were seen where some values are blank."""

Told = Callable[[int], object]
"""Is told of so many more rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How pieces are read: columns of the file, names of the whole matrix, and per day what reckons the rest."""

    columns: tuple[str, ...]
    features: tuple[str, ...]
    reckons: tuple[Reckon | None, ...]


class Pages(xgboost.DataIter):
    """Gives one piece after the other, as often as XGBoost asks. What was reckoned of one is kept for the next time."""

    def __init__(
        self, pieces: Sequence[Piece], sight: Sight, given: Sequence[tuple[Any, ...]], *, cache: Path | None, told: Told
    ) -> None:
        self._pieces = pieces
        self._sight = sight
        self._given = given
        self._told = told
        self._next = 0
        self._reckoned: dict[Piece, NDArray[np.float32]] = {}
        self._seen: set[Piece] = set()
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
        matrix, label = read_rows_of(piece.path, self._sight.columns, self._more(piece))
        rows = slice(piece.first, None, piece.step)
        input_data(data=np.ascontiguousarray(matrix[rows]), label=label[rows], feature_names=list(self._sight.features))
        if piece not in self._seen:
            self._seen.add(piece)
            self._told(piece.rows)
        return True

    def _more(self, piece: Piece) -> NDArray[np.float32] | None:
        reckon = self._sight.reckons[piece.day]
        if reckon is None:
            return None
        if piece not in self._reckoned:
            self._reckoned[piece] = reckon(piece.path, *self._given[piece.day])
        return self._reckoned[piece]


def paged(pages: Pages, *, max_bin: int, threads: int, reference: xgboost.DMatrix | None) -> xgboost.DMatrix:
    """The matrix of them. Bins of `reference`, where there is one; in files where the pages name a place for these."""
    kind = xgboost.QuantileDMatrix if pages.cache_prefix is None else xgboost.ExtMemQuantileDMatrix
    return kind(pages, max_bin=max_bin, nthread=threads, ref=reference)


def bins_bytes(rows: int, features: int) -> int:
    """What the bins of so many rows take on disk at most."""
    return _VALUE_BYTES * rows * features


def check_disk(folder: Path, needed_bytes: int) -> None:
    """CapacityError `disk-too-little` before anything is written."""
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise CapacityError(
            "disk-too-little",
            f"a worker's share needs {needed_bytes >> 20:,} MiB for its bins; its folder {folder} has {free >> 20:,}",
            todo="Take more workers or hosts, let the workers have a larger disk (TMPDIR; Dask's --local-directory), "
            "or take fewer days.",
        )
