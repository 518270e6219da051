"""The parser on a GPU takes nothing that the other one would read otherwise.

pandas stands in for cuDF, whose strings promise its interface; what is cuDF's alone is made here.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.ctr import gpu
from forebay.ctr.law import LawOptions
from forebay.ctr.parse import OnBadRows, parse_range
from forebay.ctr.scan import ScannedRows, scan
from forebay.ctr.scan_on_gpu import scan_on_gpu
from forebay.ctr.source import plan_ranges
from forebay.ctr.workload import generate, prepare
from forebay.errors import InputError
from tests.unit.ctr.test_parse import GOOD, replaced
from tests.unit.ctr.test_scan import lines, to_array, to_rows

ARRAYS = ("label", "integers", "integers_valid", "categories", "categories_valid")


def read_text(source: BytesIO, delimiter: str, strip_delimiters: bool) -> pd.Series:
    assert strip_delimiters
    text = source.getvalue().decode()
    return pd.Series(text.removesuffix(delimiter).split(delimiter), dtype=object)


def htoi(accessor: Any) -> Any:
    return accessor._parent.map(lambda text: int(text, 16)).astype("int64")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of what was taken from cuDF's stand-in."""
    rows = list[int]()

    def look(data: np.ndarray) -> ScannedRows | None:
        found = scan_on_gpu(data)
        rows.append(0 if found is None else found.label.size)
        return found

    stand_in = SimpleNamespace(read_text=read_text, concat=pd.concat)
    monkeypatch.setattr("forebay.ctr.scan_on_gpu.required", lambda name, what: stand_in)
    monkeypatch.setattr(type(pd.Series([""]).str), "htoi", htoi, raising=False)
    monkeypatch.setattr("forebay.ctr.parse.scan_on_gpu", look)
    return rows


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines(), max_size=4), st.booleans())
def test_what_it_takes_is_what_the_parser_reads(taken: list[int], rows: list[bytes], ended: bool) -> None:
    data = to_array(b"".join(rows) if ended else b"".join(rows).removesuffix(b"\n"))
    found = scan_on_gpu(data)
    if found is None:
        return
    known = scan(data, skip_bad_rows=False)
    assert isinstance(known, ScannedRows)
    assert to_rows(found) == to_rows(known)
    for name in ARRAYS:
        assert getattr(found, name).dtype == getattr(known, name).dtype
        assert (getattr(found, name) == getattr(known, name)).all(), "also where nothing is given"
    assert (found.bad_rows, found.first_bad) == (known.bad_rows, ())


@pytest.mark.parametrize(
    "line",
    [
        replaced(0, b""),
        replaced(0, b"2"),
        replaced(1, b"-"),
        replaced(1, b"2147483648"),
        replaced(1, b"-2147483649"),
        replaced(1, b"0" * 11),
        replaced(14, b"0000000g"),
        replaced(39, b"0000000\xff"),
        GOOD + b"\t0",
        GOOD.rpartition(b"\t")[0],
        GOOD + b"\r",
        b"",
    ],
)
def test_what_is_bad_or_unusual_is_left_to_the_parser(taken: list[int], line: bytes) -> None:
    for data in (line + b"\n", GOOD + b"\n" + line + b"\n", line + b"\n" + GOOD):
        assert scan_on_gpu(to_array(data)) is None
    assert scan_on_gpu(to_array(b"")) is None


@pytest.mark.parametrize("column", [replaced(1, b"-2147483648"), replaced(13, b"2147483647"), replaced(39, b"")])
def test_what_is_plainly_good_is_taken(taken: list[int], column: bytes) -> None:
    found = scan_on_gpu(to_array(column + b"\n" + GOOD))
    assert found is not None
    assert found.label.size == 2


@pytest.mark.parametrize("on_bad_rows", ["error", "skip"])
def test_the_same_bytes_of_a_range(taken: list[int], tmp_path: Path, on_bad_rows: OnBadRows) -> None:
    path = tmp_path / "day_0"
    generate(tmp_path, days=1, rows_per_day=500, options=LawOptions(ctr=0.1))
    if on_bad_rows == "skip":
        path.write_bytes(path.read_bytes() + replaced(1, b"-") + b"\n")
    (source,) = plan_ranges(path, range_bytes=1 << 30)
    by_gpu = parse_range(source, tmp_path / "gpu.parquet", on_bad_rows=on_bad_rows, on_gpu=True)
    without = parse_range(source, tmp_path / "cpu.parquet", on_bad_rows=on_bad_rows)
    assert (tmp_path / "gpu.parquet").read_bytes() == (tmp_path / "cpu.parquet").read_bytes()
    assert (by_gpu.bad_rows, by_gpu.first_bad) == (without.bad_rows, without.first_bad)
    assert taken == ([500] if on_bad_rows == "error" else [0])


def test_the_same_features_of_plain_and_compressed_days(taken: list[int], tmp_path: Path) -> None:
    generate(tmp_path / "c", days=2, rows_per_day=400, options=LawOptions(ctr=0.1, cardinality_scale=0.01))
    compressed = tmp_path / "c" / "day_1"
    compressed.with_suffix(".zst").write_bytes(pa.compress(compressed.read_bytes(), "zstd", asbytes=True))
    compressed.unlink()
    here = prepare(tmp_path / "c", tmp_path / "here").features
    assert not taken
    assert prepare(tmp_path / "c", tmp_path / "there", on_gpu=True).features.digest == here.digest
    assert taken == [400, 400]


def test_without_cudf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="cudf") as caught:
        scan_on_gpu(to_array(GOOD))
    assert caught.value.kind == "missing-extra"
    assert "forebay[gpu12]" in str(caught.value.todo)
