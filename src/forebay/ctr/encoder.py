"""Rows to model features, learnt from the train days only; saved beside the features and shared with serving.

Invariant: the encoder is a function of the train days, and a training row's features never depend on the label of a
row in its own fold (so not on its own). Features: the 13 integers (blank is NaN), and per category field its smoothed
click rate and its share of the train rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.ctr.files import new_file, read_json, write_json
from forebay.ctr.schema import CATEGORIES, INTEGERS
from forebay.ctr.tables import CategoryTable
from forebay.errors import DamagedError, InputError

FEATURES: Final = (*INTEGERS, *(f"{field}_{kind}" for field in CATEGORIES for kind in ("rate", "share")))
ENCODER_FORMAT: Final = 1
_TABLES_FILE: Final = "tables.parquet"
_JSON_FILE: Final = "encoder.json"
MAX_FOLDS: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """`folds`: a training row is encoded from the other folds. `min_rows`: rarer categories count as unseen.

    `smoothing_rows`: a rate is (clicks + smoothing_rows x train CTR) / (rows + smoothing_rows). `seed`: of the folds.
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
    """The fitted encoder: what was counted over the train days."""

    options: EncoderOptions
    train_rows: int
    train_clicks: int
    tables: Mapping[str, CategoryTable]
    """per category field, frequent categories only"""

    def encode_field(
        self,
        field: str,
        categories: NDArray[np.uint32],
        valid: NDArray[np.bool_],
        fold: NDArray[np.uint8] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(rate, share) of one category field for n rows.

        `fold` (n,) for training rows: their rate comes from the other folds. None for any other row: from all train
        rows. Blanks are a category of their own; an unseen or rare category has the train CTR and share 0.
        """
        table = self.tables[field]
        line = _lines(table, categories, valid)
        held_out = line.dtype.type(self.options.folds) if fold is None else fold
        return self._rates(table)[line, held_out], self._shares(table)[line]

    def _rates(self, table: CategoryTable) -> NDArray[np.float32]:
        """(n + 2, K + 1): smoothed rate per line, by the fold held out; last line unseen, last column none held out."""
        rows, clicks = (self._held_out(counts) for counts in (table.rows, table.clicks))
        smoothing = self.options.smoothing_rows
        # The prior is one number for all folds: a prior per fold would tell the fold's own labels.
        prior = self.train_clicks / self.train_rows
        rates: NDArray[np.float32] = ((clicks + smoothing * prior) / (rows + smoothing)).astype(np.float32)
        return rates

    def _held_out(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        total = counts.sum(axis=1, keepdims=True)
        return np.pad(np.hstack([total - counts, total]), ((0, 1), (0, 0)))

    def _shares(self, table: CategoryTable) -> NDArray[np.float32]:
        """(n + 2,) share of the train rows per line; it holds no label, so folds do not matter."""
        shares: NDArray[np.float32] = (np.append(table.rows.sum(axis=1), 0) / self.train_rows).astype(np.float32)
        return shares


def encode_integers(values: NDArray[np.int32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The values as they are (exact up to 2^24), NaN where blank."""
    return np.where(valid, values, np.nan).astype(np.float32)


def save_encoder(encoder: Encoder, directory: Path) -> None:
    """Write `tables.parquet` and `encoder.json` into `directory` (made if absent)."""
    directory.mkdir(parents=True, exist_ok=True)
    with new_file(directory / _TABLES_FILE) as file:
        pq.write_table(_to_table(encoder), file, compression="zstd")
    description = {
        "format": ENCODER_FORMAT,
        "features": FEATURES,
        "options": dataclasses.asdict(encoder.options),
        "train_rows": encoder.train_rows,
        "train_clicks": encoder.train_clicks,
    }
    write_json(directory / _JSON_FILE, description)


def load_encoder(directory: Path) -> Encoder:
    """Read what `save_encoder` wrote; DamagedError where it is not that, or of another format."""
    description = read_json(directory / _JSON_FILE, todo="prepare the features again")
    try:
        if description["format"] != ENCODER_FORMAT or tuple(description["features"]) != FEATURES:
            raise DamagedError("unknown-format", f"{directory} was written by another version of forebay")
        return Encoder(
            options=EncoderOptions(**description["options"]),
            train_rows=description["train_rows"],
            train_clicks=description["train_clicks"],
            tables=_from_table(pq.read_table(directory / _TABLES_FILE)),
        )
    except (KeyError, TypeError, OSError, pa.ArrowInvalid) as error:
        raise DamagedError("bad-encoder", f"{directory} cannot be read: {error}") from error


def _lines(table: CategoryTable, categories: NDArray[np.uint32], valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) line of the table per row: of its category, of blanks (n), or of what the table does not know (n + 1)."""
    known = table.categories
    place = np.searchsorted(known, categories)
    found = np.append(known, np.uint32(0))[place] == categories
    found &= place < known.size
    return np.where(valid, np.where(found, place, known.size + 1), known.size)


def _to_table(encoder: Encoder) -> pa.Table:
    folds = encoder.options.folds
    parts = []
    for number, table in enumerate(encoder.tables.values()):
        blanks = np.arange(table.rows.shape[0]) == table.categories.size
        counts = [pa.FixedSizeListArray.from_arrays(each.ravel(), folds) for each in (table.rows, table.clicks)]
        field = pa.array(np.full(blanks.size, number, np.uint8))
        category = pa.array(np.append(table.categories, np.uint32(0)), mask=blanks)
        parts.append(pa.table([field, category, *counts], names=["field", "category", "rows", "clicks"]))
    return pa.concat_tables(parts)


def _from_table(saved: pa.Table) -> dict[str, CategoryTable]:
    field = saved["field"].to_numpy()
    return {name: _one_table(saved.filter(pa.array(field == number))) for number, name in enumerate(CATEGORIES)}


def _one_table(lines: pa.Table) -> CategoryTable:
    def counts(column: str) -> Any:
        chunk = lines[column].combine_chunks()
        return chunk.flatten().to_numpy(zero_copy_only=False).reshape(len(chunk), -1)

    categories = lines["category"].combine_chunks().drop_null().to_numpy(zero_copy_only=False)
    return CategoryTable(categories=categories, rows=counts("rows"), clicks=counts("clicks"))
