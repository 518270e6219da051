"""The tasks that turn parsed days into features: count a field, add its tables up, encode a part. Files in, files out.

Invariant: counting sees parsed parts of days before the test day only; encoding a part reads that part and the encoder
of the days before it. A task that runs twice, or again after it was killed, leaves the same bytes: what is there and
whole is not made again.
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

from forebay.ctr.encoder import Encoder, EncoderOptions, encode_integers, fold_table_path, load_encoder, table_path
from forebay.ctr.feature_set import FeaturePart
from forebay.ctr.files import new_file, sha256
from forebay.ctr.schema import CATEGORIES, INTEGERS, LABEL
from forebay.ctr.table_files import TableFile, is_table, write_table
from forebay.ctr.tables import count_keys, fold_of_rows, frequent, keys_of, merge, with_fold, without_folds

GROUP_ROWS: Final = 1 << 21
"""Rows that are counted at once: what bounds the memory of counting."""
FAN_IN: Final = 32
"""Tables that are merged at once: a block of each is in memory."""
_COMPRESSION: Final = "zstd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRows:
    """A parsed part and where its rows lie in their day; at least one row."""

    path: Path
    day: int
    first_row: int
    rows: int
    clicks: int

    def folds(self, options: EncoderOptions) -> NDArray[np.uint8]:
        return fold_of_rows(options.seed, self.day, self.first_row, self.rows, options.folds)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCounts:
    """One field's counts on their way from runs (tables of a few parts each) into encoders.

    `runs` has those of each past day, ascending; `encoders` the folder of the encoder that knows that day and those
    before it. `fold_runs` are the first day's, by fold; their sum goes into the folder `folds`.
    """

    field: str
    runs: tuple[tuple[Path, ...], ...]
    encoders: tuple[Path, ...]
    fold_runs: tuple[Path, ...]
    folds: Path
    scratch: Path


def group_parts(parts: Sequence[ParsedRows], group_rows: int = GROUP_ROWS) -> list[list[ParsedRows]]:
    """Parts in their order, in groups that end with the part that fills them up to `group_rows`."""
    groups: list[list[ParsedRows]] = []
    room = 0
    for part in parts:
        if room <= 0:
            groups.append([])
            room = group_rows
        groups[-1].append(part)
        room -= part.rows
    return groups


def count_field(
    parts: Sequence[ParsedRows], field: str, out: Path, fold_out: Path | None, options: EncoderOptions
) -> None:
    """Write the table of one field over a group of parts to `out`, and by fold to `fold_out` where there is one."""
    if is_table(out) and (fold_out is None or is_table(fold_out)):
        return
    read = [pq.ParquetFile(part.path).read(columns=[LABEL, field], use_threads=False) for part in parts]
    keys = np.concatenate([keys_of(*_values(table, field)) for table in read])
    label = np.concatenate([table[LABEL].to_numpy() for table in read])
    if fold_out is None:
        write_table(out, [count_keys(keys, label)], searched=False)
        return
    by_fold = count_keys(with_fold(keys, np.concatenate([part.folds(options) for part in parts])), label)
    write_table(fold_out, [by_fold], searched=False)
    write_table(out, [without_folds(by_fold)], searched=False)


def add_up_field(counts: FieldCounts, min_rows: int) -> None:
    """Write one field's table of every encoder, and of the first day's folds; day by day, each on top of the last."""
    field, scratch = counts.field, counts.scratch
    by_fold = fold_table_path(counts.folds, field)
    if not is_table(by_fold):
        _write_sum(by_fold, counts.fold_runs, scratch / f"{field}-folds", searched=True)
    before: tuple[Path, ...] = ()
    for number, (runs, encoder) in enumerate(zip(counts.runs, counts.encoders, strict=True)):
        total, table = scratch / f"{field}-{number}.arrow", table_path(encoder, field)
        if not is_table(total):
            _write_sum(total, (*runs, *before), scratch / f"{field}-{number}", searched=False)
        if not is_table(table):
            write_table(table, frequent(TableFile(total), min_rows), searched=True)
        before = (total,)


def encode_part(part: ParsedRows, encoder_folder: Path, folds: Path | None, out: Path) -> FeaturePart:
    """Write the features of a parsed part as Parquet to `out`, which lies two levels below the features directory.

    With `folds` (the folder of the first day's counts by fold) the part is of the day that the encoder was made of.
    """
    if not _is_parquet(out):
        encoder = load_encoder(encoder_folder)
        read = pq.ParquetFile(part.path).read(use_threads=False)
        table = _features(read, encoder, part, folds)
        encoded = [name for name in table.column_names if name not in CATEGORIES]
        with new_file(out) as file:
            pq.write_table(table, file, compression=_COMPRESSION, use_dictionary=encoded)
    name = f"{out.parent.name}/{out.name}"
    return FeaturePart(path=name, rows=part.rows, clicks=part.clicks, sha256=sha256(out))


def _write_sum(out: Path, tables: Sequence[Path], scratch: Path, *, searched: bool) -> None:
    """Merge any number of tables, FAN_IN at a time; those on the way are `scratch` with a number behind it."""
    waiting, round_number = list(tables), 0
    while len(waiting) > FAN_IN:
        between = scratch.with_name(f"{scratch.name}-round-{round_number}.arrow")
        if not is_table(between):
            write_table(between, merge([TableFile(path) for path in waiting[:FAN_IN]]), searched=False)
        waiting, round_number = [between, *waiting[FAN_IN:]], round_number + 1
    write_table(out, merge([TableFile(path) for path in waiting]), searched=searched)


def _features(read: pa.Table, encoder: Encoder, part: ParsedRows, folds: Path | None) -> pa.Table:
    fold = None if folds is None else part.folds(encoder.options)
    columns = {LABEL: pa.array(read[LABEL].to_numpy())}
    for field in INTEGERS:
        columns[field] = pa.array(encode_integers(*_values(read, field)))
    for field in CATEGORIES:
        columns[field] = read[field]
    for field in CATEGORIES:
        values, valid = _values(read, field)
        if folds is None or fold is None:
            rate, share = encoder.encode_field(field, values, valid)
        else:
            rate, share = encoder.encode_field_out_of_fold(field, values, valid, fold, folds)
        columns |= {f"{field}_rate": pa.array(rate), f"{field}_share": pa.array(share)}
    return pa.table(columns)


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def _values(table: pa.Table, column: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(n,) values, 0 where null, and (n,) validity."""
    array = table[column].combine_chunks()
    return array.fill_null(0).to_numpy(), array.is_valid().to_numpy(zero_copy_only=False)
