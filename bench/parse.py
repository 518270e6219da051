"""Click logs to typed Parquet: forebay's parser beside pandas' C engine, Dask's `read_csv` and polars.

Each entrant is a process of its own, reads the same generated day and writes the same columns: label, 13 nullable
integers of 32 bits, 26 nullable categories as unsigned integers of 32 bits, made from hexadecimal digits; Parquet with
zstd. What each wrote is compared with forebay's, value by value. CPU seconds are of the process with its start and its
imports, which the smallest size shows alone; peak memory is of the process too. A second, four times smaller file shows
whether memory follows the file.
Run: python -m bench.parse [--rounds N] [--scale X]
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import forebay
from bench.machine import machine_facts, start_options
from bench.process import Usage, measure
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.ctr.generate import generate
from forebay.ctr.schema import CATEGORIES, COLUMNS, INTEGERS, LABEL

ROWS = 2_000_000
SMALLER = 4
OURS = "forebay"
AIMS = {"pandas": 5.0, "dask": 3.0, "polars": 1.5}
PEAK_BYTES = 1_500_000_000
MODULE = Path(__file__)


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] in ENTRANTS:
        ENTRANTS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
        return
    options = start_options("bench.parse", __doc__, rounds=5)
    rows = max(10_000, int(ROWS * options.scale))
    facts = machine_facts(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-parse-") as scratch:
        folder = Path(scratch)
        whole, smaller = _logs(folder / "whole", rows), _logs(folder / "smaller", rows // SMALLER)
        outs = {name: folder / f"out-{name}" for name in ENTRANTS}
        for name, out in outs.items():  # compiles, warms the page cache, and shows that all give the same
            _run(name, whole, out)
            _check(name, _written(outs[OURS]), _written(out))
        usages = alternate({name: partial(_run, name, whole, out) for name, out in outs.items()}, options.rounds)
        small = [_run(OURS, smaller, outs[OURS]) for _ in range(options.rounds)]
        size_bytes = (whole / "day_0").stat().st_size
    print(_table(usages, rows))
    facts |= {"rounds": options.rounds, "rows": rows, "bytes": size_bytes, "forebay": forebay.__version__}
    facts["versions"] = {name: importlib.metadata.version(name) for name in (*AIMS, "pyarrow")}
    conclude("parse", _cases(usages, small), facts)


def _logs(folder: Path, rows: int) -> Path:
    generate(folder, days=1, rows_per_day=rows)
    return folder


def _run(name: str, source: Path, out: Path) -> Usage:
    for path in out.rglob("*.parquet"):
        path.unlink()
    out.mkdir(exist_ok=True)
    root = str(MODULE.parent.parent)
    return measure(
        [sys.executable, "-m", "bench.parse", name, source / "day_0", out], env={**os.environ, "PYTHONPATH": root}
    )


def with_forebay(source: Path, out: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from forebay.ctr.parse import parse_range, part_name
    from forebay.ctr.source import plan_ranges

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        tasks = [
            pool.submit(parse_range, each, out / part_name(number), on_bad_rows="error")
            for number, each in enumerate(plan_ranges(source))
        ]
        for task in tasks:
            task.result()


def with_pandas(source: Path, out: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(source, sep="\t", header=None, names=list(COLUMNS), dtype=_pandas_types(), engine="c")
    _typed(frame).to_parquet(out / "part.parquet", compression="zstd", index=False)


def with_dask(source: Path, out: Path) -> None:
    import dask
    import dask.dataframe as dd
    import pandas as pd

    dask.config.set({"dataframe.convert-string": False})
    frame = dd.read_csv(source, sep="\t", header=None, names=list(COLUMNS), dtype=_pandas_types())
    types = {LABEL: "uint8", **dict.fromkeys(INTEGERS, "Int32"), **dict.fromkeys(CATEGORIES, "UInt32")}
    meta = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in types.items()})
    frame.map_partitions(_typed, meta=meta).to_parquet(str(out), compression="zstd", write_index=False)


def with_polars(source: Path, out: Path) -> None:
    import polars as pl

    types = {LABEL: pl.UInt8, **dict.fromkeys(INTEGERS, pl.Int32), **dict.fromkeys(CATEGORIES, pl.String)}
    frame = pl.scan_csv(source, separator="\t", has_header=False, new_columns=list(COLUMNS), schema=types)
    hashes = [pl.col(field).str.to_integer(base=16, dtype=pl.UInt32) for field in CATEGORIES]
    frame.with_columns(hashes).sink_parquet(out / "part.parquet", compression="zstd")


ENTRANTS = {OURS: with_forebay, "pandas": with_pandas, "dask": with_dask, "polars": with_polars}


def _pandas_types() -> dict[str, str]:
    # Categories as pandas categories: each distinct text is then turned into a number once.
    return {LABEL: "uint8", **dict.fromkeys(INTEGERS, "Int32"), **dict.fromkeys(CATEGORIES, "category")}


def _typed(frame: Any) -> Any:
    import numpy as np
    import pandas as pd

    for field in CATEGORIES:
        column = frame[field].cat
        hashes = np.array([int(text, 16) for text in column.categories], np.uint32)
        codes = column.codes.to_numpy()
        blank = codes < 0
        values = hashes[np.where(blank, 0, codes)] if hashes.size else np.zeros(codes.size, np.uint32)
        frame[field] = pd.arrays.IntegerArray(values, blank)
    return frame


def _written(out: Path) -> pa.Table:
    tables = [pq.read_table(path) for path in sorted(out.rglob("*.parquet"))]
    return pa.concat_tables([each.replace_schema_metadata(None) for each in tables])


def _check(name: str, expected: pa.Table, found: pa.Table) -> None:
    for column in COLUMNS:
        if not found[column].cast(expected[column].type).combine_chunks().equals(expected[column].combine_chunks()):
            raise RuntimeError(f"{name} wrote another column {column} than {OURS}")


def _table(usages: Mapping[str, Sequence[Usage]], rows: int) -> str:
    lines = []
    for name, found in usages.items():
        cells = [median_of(found, lambda usage: usage.cpu_s), median_of(found, lambda usage: usage.wall_s)]
        peak = median_of(found, lambda usage: usage.peak_bytes)
        others = median_of(found, lambda usage: usage.others_cpu_s)
        lines.append([name, *(f"{cell:.2f}" for cell in cells), f"{peak / 1e6:,.0f}", f"{others:.2f}"])
    head = ["with", "CPU s", "wall s", "peak MB", "CPU s of others"]
    return table(f"{rows:,} rows to Parquet, medians of {len(usages[OURS])}", head, lines)


def _cases(usages: Mapping[str, Sequence[Usage]], small: Sequence[Usage]) -> list[Case]:
    def cpu_s(name: str) -> float:
        return median_of(usages[name], lambda usage: usage.cpu_s)

    peak, small_peak = (median_of(found, lambda usage: usage.peak_bytes) for found in (usages[OURS], small))
    cases = [
        Case(
            case=f"CPU seconds, {name} / {OURS}",
            measured=f"{cpu_s(name):.2f} s / {cpu_s(OURS):.2f} s",
            ratio=cpu_s(name) / cpu_s(OURS),
            side=Side.AT_LEAST,
            bound=bound,
        )
        for name, bound in AIMS.items()
    ]
    told = f"{peak / 1e6:,.0f} MB"
    cases.append(
        Case(case="peak memory, GB", measured=told, ratio=peak / 1e9, side=Side.AT_MOST, bound=PEAK_BYTES / 1e9)
    )
    cases.append(
        Case(
            case=f"peak memory / that for a file {SMALLER} times smaller",
            measured=f"{told} / {small_peak / 1e6:,.0f} MB",
            ratio=peak / small_peak,
            side=Side.AT_MOST,
            bound=1.2,
        )
    )
    return cases


if __name__ == "__main__":
    main()
