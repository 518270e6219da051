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
    """A worker's share of the validation day, its values in a file: not mapped, which would count as memory held."""

    def __init__(
        self, pieces: Sequence[Piece], reading: Reading, given: Sequence[Sequence[Any]], *, file: Path, told: Told
    ) -> None:
        self._file = file
        self._label = np.empty(sum(piece.rows for piece in pieces), np.uint8)
        self._features = len(reading.features)
        self._margin: NDArray[np.float32] | None = None
        end = 0
        with file.open("wb", buffering=0) as values:
            for piece in pieces:
                matrix, label = reading.rows(piece, reading.reckoned(piece, given))
                self._label[end : end + piece.rows] = label
                end += piece.rows
                matrix.tofile(values)
                told(piece.rows)

    def loss(self, booster: xgboost.Booster) -> tuple[float, int]:
        """The sum of the log loss after the booster's last round, and of how many rows.

        Each call after the first one is for one round more.
        """
        before = self._margin
        # The new trees alone, and here where the values are: asked on a GPU, XGBoost first makes a matrix of these,
        # which takes far longer than the trees do.
        new = booster[0 if before is None else booster.num_boosted_rounds() - 1 :]
        new.set_param({"device": "cpu"})
        margin = np.empty(self._label.size, np.float32)
        with self._file.open("rb", buffering=0) as values:
            for start in range(0, margin.size, _ROWS_AT_ONCE):
                rows = slice(start, min(start + _ROWS_AT_ONCE, margin.size))
                matrix = np.fromfile(values, np.float32, (rows.stop - start) * self._features)
                margin[rows] = new.inplace_predict(
                    matrix.reshape(-1, self._features),
                    predict_type="margin",
                    base_margin=None if before is None else before[rows],
                )
        self._margin = margin
        sign = np.where(self._label == 1, np.float32(-1.0), np.float32(1.0))
        return float(np.logaddexp(np.float32(0.0), sign * margin).sum(dtype=np.float64)), margin.size
