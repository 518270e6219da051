"""The log loss of rows that are not fitted, round by round: each new tree is added to what the earlier ones said.

XGBoost's own evaluation of rows that it holds as bins takes six times as long: it restores all values of a row for the
few that a tree asks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost
from numpy.typing import NDArray

from forebay.ctr.models.matrix import Piece
from forebay.ctr.models.pages import Reading, Told

_ROWS_AT_ONCE: Final = 131_072


class HeldOut:
    """A worker's share of the validation day, its values in a file."""

    def __init__(
        self, pieces: Sequence[Piece], reading: Reading, given: Sequence[Sequence[Any]], *, file: Path, told: Told
    ) -> None:
        rows = sum(piece.rows for piece in pieces)
        self._matrix = np.lib.format.open_memmap(file, "w+", np.float32, (rows, len(reading.features)))
        self._label = np.empty(rows, np.uint8)
        self._margin: NDArray[np.float32] | None = None
        end = 0
        for piece in pieces:
            place = slice(end, end + piece.rows)
            self._matrix[place], self._label[place] = reading.rows(piece, reading.reckoned(piece, given))
            end = place.stop
            told(piece.rows)

    def loss(self, booster: xgboost.Booster) -> tuple[float, int]:
        """The sum of the log loss after the booster's last round, and of how many rows.

        Each call after the first one is for one round more.
        """
        rounds = booster.num_boosted_rounds()
        first = 0 if self._margin is None else rounds - 1
        margin = np.empty(self._label.size, np.float32)
        for start in range(0, margin.size, _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            margin[rows] = booster.inplace_predict(
                np.asarray(self._matrix[rows]),
                iteration_range=(first, rounds),
                predict_type="margin",
                base_margin=None if self._margin is None else self._margin[rows],
            )
        self._margin = margin
        sign = np.where(self._label == 1, np.float32(-1.0), np.float32(1.0))
        return float(np.logaddexp(np.float32(0.0), sign * margin).sum(dtype=np.float64)), margin.size
