"""Rows to model features, learnt from past days only; saved beside the features and shared with serving.

Invariant: an encoder is a function of its days. A row of the first of all days, which has no past, is encoded by that
day's own encoder from the other folds only, so its features never depend on its own label. Features: the 13 integers
(blank is NaN), and per category field its smoothed click rate and its share of the encoder's rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from forebay.ctr.files import read_json, write_json
from forebay.ctr.schema import CATEGORIES, INTEGERS
from forebay.ctr.table_files import TableFile
from forebay.ctr.tables import MAX_FOLDS, keys_of, with_fold
from forebay.errors import DamagedError, InputError

FEATURES: Final = (*INTEGERS, *(f"{field}_{kind}" for field in CATEGORIES for kind in ("rate", "share")))
ENCODER_FORMAT: Final = 2
_JSON_FILE: Final = "encoder.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """`folds`: a row of the first day is encoded from the others. `min_rows`: rarer categories count as unseen.

    `smoothing_rows`: a rate is (clicks + smoothing_rows x past CTR) / (rows + smoothing_rows). `seed`: of the folds.
    """

    folds: int = 5
    min_rows: int = 10
    smoothing_rows: float = 500.0
    seed: int = 1

    def __post_init__(self) -> None:
        wrong = {
            "folds": not 2 <= self.folds <= MAX_FOLDS,
            "min_rows": self.min_rows < 1,
            "smoothing_rows": not 0.0 < self.smoothing_rows < 1e9,
            "seed": not 0 <= self.seed < 1 << 63,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise InputError("bad-option", f"{name}={getattr(self, name)} is outside the encoder's range")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """What was counted over some days, in a folder: `encoder.json` and one table a category field, `C1.arrow`, ...

    The tables hold frequent categories and blanks only. Nothing of them is in memory but what is being looked up.
    """

    folder: Path
    options: EncoderOptions
    days: tuple[int, ...]
    rows: int
    clicks: int

    def encode_field(
        self, field: str, categories: NDArray[np.uint32], valid: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(rate, share) of one category field for n rows of later days.

        Blanks are a category of their own; an unseen or rare category has the past CTR and share 0.
        """
        rows, clicks = TableFile(table_path(self.folder, field)).counts(keys_of(categories, valid))
        return self._rate(rows, clicks), self._share(rows)

    def encode_field_out_of_fold(
        self, field: str, categories: NDArray[np.uint32], valid: NDArray[np.bool_], fold: NDArray[np.uint8], folds: Path
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same for rows that were counted themselves: the rate comes from the folds other than the row's own.

        `folds` is the folder of the encoder's counts by fold. The share holds no label: folds do not matter to it.
        """
        keys = keys_of(categories, valid)
        rows, clicks = TableFile(table_path(self.folder, field)).counts(keys)
        own_rows, own_clicks = TableFile(fold_table_path(folds, field)).counts(with_fold(keys, fold))
        known = rows > 0
        return self._rate(rows - own_rows * known, clicks - own_clicks * known), self._share(rows)

    def _rate(self, rows: NDArray[np.int64], clicks: NDArray[np.int64]) -> NDArray[np.float32]:
        # The prior is one number for all folds: a prior per fold would tell the fold's own labels.
        smoothing, prior = self.options.smoothing_rows, self.clicks / self.rows
        rate: NDArray[np.float32] = ((clicks + smoothing * prior) / (rows + smoothing)).astype(np.float32)
        return rate

    def _share(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        share: NDArray[np.float32] = (rows / self.rows).astype(np.float32)
        return share


def encode_integers(values: NDArray[np.int32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The values as they are (exact up to 2^24), NaN where blank."""
    return np.where(valid, values, np.nan).astype(np.float32)


def encode_rows(
    encoder: Encoder,
    integers: NDArray[np.int32],
    integers_valid: NDArray[np.bool_],
    categories: NDArray[np.uint32],
    categories_valid: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """(n, features) matrix, in the order of FEATURES, of n rows by column: (13, n) integers, (26, n) categories.

    What serving calls. The same rows in the parts of the test day hold the very same numbers.
    """
    columns = list(map(encode_integers, integers, integers_valid))
    for field, values, valid in zip(CATEGORIES, categories, categories_valid, strict=True):
        columns += encoder.encode_field(field, values, valid)
    return np.stack(columns, axis=1)


def table_path(folder: Path, field: str) -> Path:
    """Where an encoder's table of a field lies: what tasks write before the encoder is saved."""
    return folder / f"{field}.arrow"


def fold_table_path(folds: Path, field: str) -> Path:
    """Where the first day's counts of a field by fold lie: not in the encoder, for serving needs none."""
    return folds / f"{field}.arrow"


def save_encoder(folder: Path, *, options: EncoderOptions, days: Sequence[int], rows: int, clicks: int) -> Encoder:
    """Write `encoder.json`, which makes an encoder of the tables in `folder`."""
    description = {
        "format": ENCODER_FORMAT,
        "features": FEATURES,
        "options": dataclasses.asdict(options),
        "days": list(days),
        "rows": rows,
        "clicks": clicks,
    }
    write_json(folder / _JSON_FILE, description)
    return Encoder(folder=folder, options=options, days=tuple(days), rows=rows, clicks=clicks)


def load_encoder(folder: Path) -> Encoder:
    """Read what `save_encoder` wrote; DamagedError where it is not that, is not whole, or of another format."""
    description = read_json(folder / _JSON_FILE, todo="prepare the features again")
    try:
        if description["format"] != ENCODER_FORMAT or tuple(description["features"]) != FEATURES:
            raise DamagedError(
                "unknown-format",
                f"{folder} was written by another version of forebay",
                todo="prepare the features again",
            )
        encoder = Encoder(
            folder=folder,
            options=EncoderOptions(**description["options"]),
            days=tuple(description["days"]),
            rows=description["rows"],
            clicks=description["clicks"],
        )
    except (KeyError, TypeError) as error:
        raise DamagedError("bad-encoder", f"{folder} lacks or has unknown fields: {error}") from error
    for path in (table_path(folder, field) for field in CATEGORIES):
        if not path.is_file():
            raise DamagedError("bad-encoder", f"{path} is not there", todo="prepare the features again")
    return encoder
