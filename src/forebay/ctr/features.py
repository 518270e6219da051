"""The tasks that turn parsed days into features: count a field, encode a part. Files in, files out.

Invariant: counting sees parsed parts of train days only; encoding a part reads that part and the encoder. So no row
of the evaluation day can reach a train feature, and no label of it any feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.ctr.encoder import Encoder, EncoderOptions, encode_integers, load_encoder
from forebay.ctr.feature_set import FeaturePart
from forebay.ctr.files import new_file, sha256
from forebay.ctr.schema import CATEGORIES, INTEGERS, LABEL
from forebay.ctr.tables import CategoryTable, count_categories, fold_of_rows, keep_frequent, merge

_COMPRESSION: Final = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRows:
    """A parsed part and where its rows lie in their day; at least one row."""

    path: Path
    day: int
    first_row: int
    rows: int

    def folds(self, options: EncoderOptions) -> NDArray[np.uint8]:
        return fold_of_rows(options.seed, self.day, self.first_row, self.rows, options.folds)


def count_field(parts: Sequence[ParsedRows], field: str, options: EncoderOptions) -> CategoryTable:
    """The table of one field over all given parts (at least one), read one after the other."""
    table: CategoryTable | None = None
    for part in parts:
        read = pq.ParquetFile(part.path).read(columns=[LABEL, field], use_threads=False)
        label = read[LABEL].to_numpy()
        counted = count_categories(*_values(read, field), label, part.folds(options), options.folds)
        table = counted if table is None else merge(table, counted)
    if table is None:
        raise ValueError("count_field needs a part")
    return keep_frequent(table, options.min_rows)


def encode_part(part: ParsedRows, encoder_folder: Path, out: Path, *, is_train: bool) -> FeaturePart:
    """Write the features of a parsed part as Parquet to `out`, which lies two levels below the features directory."""
    encoder = load_encoder(encoder_folder)
    read = pq.ParquetFile(part.path).read(use_threads=False)
    with new_file(out) as file:
        pq.write_table(_features(read, encoder, part, is_train=is_train), file, compression=_COMPRESSION)
    clicks = int(np.count_nonzero(read[LABEL].to_numpy()))
    return FeaturePart(path=f"{out.parent.name}/{out.name}", rows=part.rows, clicks=clicks, sha256=sha256(out))


def _features(read: pa.Table, encoder: Encoder, part: ParsedRows, *, is_train: bool) -> pa.Table:
    fold = part.folds(encoder.options) if is_train else None
    columns = {LABEL: pa.array(read[LABEL].to_numpy())}
    for field in INTEGERS:
        columns[field] = pa.array(encode_integers(*_values(read, field)))
    for field in CATEGORIES:
        rate, share = encoder.encode_field(field, *_values(read, field), fold)
        columns |= {f"{field}_rate": pa.array(rate), f"{field}_share": pa.array(share)}
    return pa.table(columns)


def _values(table: pa.Table, column: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(n,) values, 0 where null, and (n,) validity."""
    array = table[column].combine_chunks()
    return array.fill_null(0).to_numpy(), array.is_valid().to_numpy(zero_copy_only=False)
