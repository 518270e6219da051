"""Which rows each worker fits, and what matrix is made of them. Pure but for reading a part.

Parts are dealt to the workers by position, so the same workers see the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from distributed import Client
from numpy.typing import NDArray

from forebay.ctr.feature_set import FeatureDay, read_part

Rows = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(n, features) matrix and (n,) labels."""

Reckon = Callable[..., NDArray[np.float32]]
"""`reckon(path, *given)`: (n, more) columns of all rows of a part; runs on a worker."""


class Reader(Protocol):
    """Which matrix is made of a part: columns of the part, then what is reckoned of its rows."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def features(self) -> tuple[str, ...]:
        """Of the matrix: `columns`, and the names of what is reckoned."""
        ...

    def of(self, client: Client, day: FeatureDay) -> tuple[Reckon | None, tuple[Any, ...]]:
        """How more columns of this day's parts are reckoned, and what is given beside paths: values or futures."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns as they are in the part."""

    columns: tuple[str, ...]

    @property
    def features(self) -> tuple[str, ...]:
        return self.columns

    def of(self, client: Client, day: FeatureDay) -> tuple[None, tuple[Any, ...]]:
        return None, ()


def read_columns(features: tuple[str, ...], blank: float | None, path: Path) -> Rows:
    """Runs on a worker. `blank` stands in place of NaN where it is not None."""
    matrix, label = read_part(path, features)
    if blank is not None:
        np.nan_to_num(matrix, copy=False, nan=blank)
    return matrix, label


def read_rows_of(path: Path, columns: Sequence[str], more: NDArray[np.float32] | None) -> Rows:
    """Runs on a worker. A part's columns, `more` beside them."""
    matrix, label = read_part(path, columns)
    return (matrix if more is None else np.column_stack([matrix, more])), label


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part, or every `step`-th of its rows from `first` on. `day`: its day's place among those that are read."""

    path: Path
    rows: int
    day: int
    first: int = 0
    step: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker fits, and what of the validation day it measures on."""

    train: tuple[Piece, ...]
    validation: tuple[Piece, ...]

    @property
    def train_rows(self) -> int:
        return sum(piece.rows for piece in self.train)

    @property
    def validation_rows(self) -> int:
        return sum(piece.rows for piece in self.validation)


def dealt(train: Sequence[Piece], validation: Sequence[Piece], workers: int) -> list[Share]:
    """Shares of at most so many workers: each has rows to train on, and of the validation day, if there are any.

    Where that day has fewer parts than workers, its parts are cut by rows.
    """
    train, validation = ([piece for piece in pieces if piece.rows] for pieces in (train, validation))
    workers = min(workers, len(train))
    if validation and len(validation) < workers:
        workers = min(workers, max(piece.rows for piece in validation))
        cuts = [[_every(piece, workers, first) for piece in validation] for first in range(workers)]
    else:
        cuts = [validation[first::workers] for first in range(workers)]
    return [
        Share(train=tuple(train[first::workers]), validation=tuple(piece for piece in cuts[first] if piece.rows))
        for first in range(workers)
    ]


def _every(piece: Piece, step: int, first: int) -> Piece:
    return replace(piece, rows=len(range(first, piece.rows, step)), first=first, step=step)
