"""A program: one field of two days with so many distinct categories, from parsed parts to looked-up rows.

Arguments: an empty folder, the number of categories. Prints its highest private memory and what it found, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forebay.ctr.encoder import EncoderOptions, fold_table_path, save_encoder, table_path
from forebay.ctr.features import FieldCounts, ParsedRows, add_up_field, count_field, group_parts
from forebay.ctr.table_files import TableFile

PART_ROWS = 250_000
OPTIONS = EncoderOptions(min_rows=1)


class Watch:
    """Looks at this process's private memory a hundred times a second."""

    def __init__(self) -> None:
        self.peak_bytes = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text().splitlines()
            line = next(line for line in status if line.startswith("RssAnon"))
            self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) << 10)
            time.sleep(0.01)


def category(rows: np.ndarray) -> np.ndarray:
    """Distinct values, spread over all of 32 bits, in no order."""
    return (rows.astype(np.uint64) * np.uint64(0x9E3779B1) & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def write_parts(folder: Path, day: int, first: int, rows: int) -> list[ParsedRows]:
    parts = []
    for start in range(0, rows, PART_ROWS):
        path = folder / f"day_{day}-{start}.parquet"
        numbers = np.arange(first + start, first + start + PART_ROWS)
        label = (numbers % 10 == 0).astype(np.uint8)
        pq.write_table(pa.table({"label": label, "C1": category(numbers)}), path, use_dictionary=False)
        parts.append(ParsedRows(path=path, day=day, first_row=start, rows=PART_ROWS, clicks=int(label.sum())))
    return parts


def main(folder: Path, categories: int) -> None:
    watch, half = Watch(), categories // 2
    encoders = (folder / "after-0", folder / "after-1")
    for made in (*encoders, folder / "folds", folder / "scratch"):
        made.mkdir()
    runs: list[tuple[Path, ...]] = []
    fold_runs: list[Path] = []
    for day in (0, 1):
        groups = group_parts(write_parts(folder, day, day * half, half))
        runs.append(tuple(folder / f"run-{day}-{number}.arrow" for number in range(len(groups))))
        for group, run in zip(groups, runs[-1], strict=True):
            fold_run = run.with_stem(f"{run.stem}-folds") if day == 0 else None
            fold_runs += [] if fold_run is None else [fold_run]
            count_field(group, "C1", run, fold_run, OPTIONS)
    counts = FieldCounts(
        field="C1",
        runs=tuple(runs),
        encoders=encoders,
        fold_runs=tuple(fold_runs),
        folds=folder / "folds",
        scratch=folder / "scratch",
    )
    add_up_field(counts, OPTIONS.min_rows)
    encoder = save_encoder(encoders[1], options=OPTIONS, days=(0, 1), rows=categories, clicks=categories // 10)
    asked = category(np.arange(0, categories, 101))
    _, share = encoder.encode_field("C1", asked, np.ones(asked.size, np.bool_))
    found = {
        "peak_bytes": watch.peak_bytes,
        "entries": sum(map(len, TableFile(table_path(encoders[1], "C1")))),
        "fold_entries": sum(map(len, TableFile(fold_table_path(folder / "folds", "C1")))),
        "looked_up": asked.size,
        "known": int(np.count_nonzero(share)),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
