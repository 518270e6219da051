"""A cut file reads as the object does with `columns` and `filters`; nothing in it is decoded or encoded on the way."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from forebay.catalog.recipe import Cut
from forebay.errors import InputError
from forebay.lake.parquet.cut import cut
from forebay.lake.parquet.where import Term

CODECS = [
    name
    for name in ("none", "snappy", "gzip", "brotli", "lz4", "zstd")
    if name == "none" or pa.Codec.is_available(name)
]


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"compression": "none", **options})
    return sink.getvalue()


def footer_of(data: bytes) -> bytes:
    return data[-8 - int.from_bytes(data[-8:-4], "little") : -8]


def planned(
    data: bytes, columns: list[str] | None = None, where: list[Term] | None = None, **options: Any
) -> Cut | None:
    return cut(footer_of(data), len(data), columns or [], where or [], **options)


def made(found: Cut, data: bytes) -> bytes:
    """The file that a fill would put together."""
    whole = b"".join(
        part if isinstance(part, bytes) else data[part.start : part.end] for part in found.parts(0, found.size_bytes)
    )
    assert len(whole) == found.size_bytes
    return whole


def read(data: bytes, **options: Any) -> pa.Table:
    # Verified checksums and pages read whole: a wrong offset does not pass as a value.
    return pq.read_table(io.BytesIO(data), page_checksum_verification=True, **options)


SCALARS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "i": (pa.int64(), st.integers(-5, 5)),
    "u": (pa.uint32(), st.integers(0, 2**32 - 1)),
    "f": (pa.float64(), st.floats(width=32)),
    "s": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    "d": (pa.date32(), st.dates(date(1990, 1, 1), date(2030, 1, 1))),
    "t": (pa.timestamp("us", "UTC"), st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))),
    "b": (pa.bool_(), st.booleans()),
    "n": (pa.decimal128(9, 2), st.decimals(-100, 100, places=2)),
    "y": (pa.binary(), st.binary(max_size=4)),
}
NESTED: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "l": (pa.list_(pa.int32()), st.lists(st.none() | st.integers(0, 9), max_size=3)),
    "r": (
        pa.struct([("x", pa.string()), ("y", pa.list_(pa.struct([("z", pa.int8())])))]),
        st.fixed_dictionaries(
            {"x": st.text("ab"), "y": st.lists(st.fixed_dictionaries({"z": st.integers(0, 3)}), max_size=2)}
        ),
    ),
    "m": (
        pa.map_(pa.string(), pa.int16()),
        st.lists(st.tuples(st.text("ab", max_size=2), st.integers(0, 9)), max_size=2),
    ),
}
KINDS = SCALARS | NESTED
BULK = pa.array([b"x" * 900], pa.binary())


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table with some columns of every kind, nulls, and one that makes leaving it out worth it."""
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5, unique=True))
    rows = draw(st.integers(0, 12))
    columns = {}
    for name in names:
        kind, values = KINDS[name]
        columns[name] = pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
    columns["bulk"] = pa.array([b"x" * 900 + bytes([row]) for row in range(rows)], pa.binary())
    order = draw(st.permutations(sorted(columns)))
    return pa.table({name: columns[name] for name in order})


OPTIONS = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(CODECS),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "version": st.sampled_from(["1.0", "2.6"]),
        "row_group_size": st.integers(1, 6),
        "data_page_size": st.sampled_from([1, 1 << 20]),
        "write_statistics": st.booleans(),
        "write_page_index": st.booleans(),
        "write_page_checksum": st.booleans(),
        "store_schema": st.booleans(),
    }
)


@settings(max_examples=80)
@given(table=tables(), options=OPTIONS, gap=st.sampled_from([0, 1, 64, 1 << 20]), data=st.data())
def test_columns_are_those_of_the_object(
    table: pa.Table, options: dict[str, Any], gap: int, data: st.DataObject
) -> None:
    names = data.draw(st.sets(st.sampled_from(table.column_names), min_size=1))
    chosen = [name for name in table.column_names if name in names]
    whole = written(table, **options)
    found = planned(whole, chosen, gap_bytes=gap)
    if found is None:
        assert chosen == table.column_names or _kept_share(whole, chosen) > 0.5, "it was worth cutting"
        return
    file = made(found, whole)
    assert len(file) <= 0.9 * len(whole)
    try:
        expected = read(whole, columns=chosen)
    except pa.ArrowInvalid:
        reject()  # Arrow can write a nested column in pages of one value that it cannot read itself
    assert read(file).equals(expected, check_metadata=True)
    assert pq.ParquetFile(io.BytesIO(file)).schema_arrow.names == chosen
    one = chosen[-1]
    assert read(file, columns=[one]).equals(read(whole, columns=[one]))


def _kept_share(whole: bytes, names: list[str]) -> float:
    metadata = pq.read_metadata(io.BytesIO(whole))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    chunks = [group.column(index) for group in groups for index in range(metadata.num_columns)]
    kept = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in names)
    share: float = (kept + metadata.serialized_size) / len(whole)
    return share


OPERATORS = ["==", "=", "!=", "<", "<=", ">", ">="]


@settings(max_examples=80)
@given(table=tables(), options=OPTIONS, data=st.data())
def test_rows_that_match_are_all_there(table: pa.Table, options: dict[str, Any], data: st.DataObject) -> None:
    usable = [name for name in table.column_names if name in SCALARS and name != "y"]
    if not usable:
        return
    terms: list[tuple[str, str, Any]] = []
    for name in data.draw(st.lists(st.sampled_from(usable), min_size=1, max_size=2)):
        operator = data.draw(st.sampled_from([*OPERATORS, "in", "not in"]))
        values = SCALARS[name][1]
        if name == "f":
            values = values.filter(lambda value: value == value)  # pyarrow itself refuses to look for NaN
        listed = operator in ("in", "not in")
        terms.append((name, operator, data.draw(st.lists(values, min_size=1, max_size=3) if listed else values)))
    whole = written(table, **options)
    ours: list[Term] = [(name, operator, _plain(value)) for name, operator, value in terms]
    found = planned(whole, [], ours)
    if found is None:
        return
    file = made(found, whole)
    expected = read(whole, filters=terms)
    assert read(file, filters=terms).equals(expected)
    assert expected.num_rows <= pq.read_metadata(io.BytesIO(file)).num_rows < table.num_rows


def _plain(value: Any) -> Any:
    """A value as a selection's text holds it."""
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def days(**options: Any) -> bytes:
    """Four row groups, a day each."""
    table = pa.table({"day": [0, 0, 1, 1, 2, 2, 3, 3], "v": [f"{number:0>3000}" for number in range(8)]})
    return written(table, **{"row_group_size": 2, "use_dictionary": False, "write_statistics": ["day"], **options})


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ([("day", ">=", 2)], [2, 2, 3, 3]),
        ([("day", ">", 2)], [3, 3]),
        ([("day", "<", 1)], [0, 0]),
        ([("day", "==", 1)], [1, 1]),
        ([("day", "!=", 1)], [0, 0, 2, 2, 3, 3]),
        ([("day", "in", (0, 3))], [0, 0, 3, 3]),
        ([("day", "not in", (0, 3))], [1, 1, 2, 2]),
        ([("day", ">=", 1), ("day", "<=", 2)], [1, 1, 2, 2]),
        ([("day", ">", 7)], []),
    ],
)
def test_only_row_groups_that_may_match_are_kept(where: list[Term], left: list[int]) -> None:
    whole = days()
    found = planned(whole, [], where, gap_bytes=0)
    assert found is not None
    file = made(found, whole)
    assert read(file)["day"].to_pylist() == left
    assert len(file) < len(whole) * (len(left) / 8 + 0.1)
    assert pq.read_metadata(io.BytesIO(file)).num_row_groups == len(left) // 2


def test_without_statistics_every_row_group_stays() -> None:
    assert planned(days(write_statistics=False), [], [("day", ">=", 2)]) is None


def test_what_is_not_there_and_what_cannot_be_compared() -> None:
    whole = days()
    with pytest.raises(InputError, match="'dya'") as missing:
        planned(whole, ["dya"])
    assert missing.value.kind == "no-column"
    assert "day" in missing.value.todo
    wheres: list[list[Term]] = [[("dya", "==", 1)], [("day", "==", "x")], [("v", "<", 3)]]
    for where in wheres:
        with pytest.raises(InputError) as refused:
            planned(days(write_statistics=True), [], where)
        assert refused.value.kind == "bad-where"
    for torn in (b"", b"nonsense", footer_of(whole)[:-10]):
        with pytest.raises(ValueError, match=r".+"):
            cut(torn, len(whole), ["day"], [])


def test_little_saved_is_not_worth_a_file_of_its_own() -> None:
    table = pa.table({"big": [b"x" * 1000] * 50, "small": list(range(50))})
    whole = written(table, use_dictionary=False)
    assert planned(whole, ["big"]) is None
    assert planned(whole, ["small"]) is not None
    assert planned(whole) is None


def test_page_indexes_and_bloom_filters_are_left_out_and_sorting_is_kept() -> None:
    table = pa.table({"a": list(range(3000)), "b": [b"x" * 50] * 3000, "c": [0] * 3000})
    sorting = [pq.SortingColumn(2), pq.SortingColumn(1), pq.SortingColumn(0)]
    whole = written(table, write_page_index=True, sorting_columns=sorting, use_dictionary=False)
    found = planned(whole, ["a", "c"])
    assert found is not None
    metadata = pq.read_metadata(io.BytesIO(made(found, whole)))
    assert [column.column_index for column in metadata.row_group(0).sorting_columns] == [1]
    assert not metadata.row_group(0).column(0).has_offset_index
    assert not metadata.row_group(0).column(0).has_column_index
    assert metadata.row_group(0).column(0).statistics.max == 2999


def test_pandas_and_spark_find_only_what_is_there() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x" * 4000, "y" * 4000]}, index=pandas.Index([7, 8], name="key"))
    spark = {"type": "struct", "fields": [{"name": name, "type": "long"} for name in ("a", "b", "key")]}
    key = "org.apache.spark.sql.parquet.row.metadata"
    table = pa.Table.from_pandas(frame)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), key: json.dumps(spark)})
    whole = written(table)
    with_key, without = planned(whole, ["a", "key"]), planned(whole, ["a"])
    assert with_key is not None
    assert without is not None
    assert pandas.read_parquet(io.BytesIO(made(with_key, whole))).equals(frame[["a"]])
    assert pandas.read_parquet(io.BytesIO(made(without, whole)))["a"].tolist() == [1, 2]
    told = pq.read_metadata(io.BytesIO(made(without, whole))).metadata
    assert [field["name"] for field in json.loads(told[key.encode()])["fields"]] == ["a"]


def test_rows_left_out_take_a_range_index_along() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"day": [0, 1], "v": ["x" * 3000, "y" * 3000]})
    whole = written(pa.Table.from_pandas(frame), row_group_size=1)
    found = planned(whole, [], [("day", "==", 1)])
    assert found is not None
    assert pandas.read_parquet(io.BytesIO(made(found, whole)))["day"].tolist() == [1]


@given(start=st.integers(0, 5000), size=st.integers(0, 5000))
def test_any_range_of_a_cut_file_can_be_asked_for(start: int, size: int) -> None:
    found = planned(WIDE, ["c1", "c3"], gap_bytes=0)
    assert found is not None
    file = made(found, WIDE)
    end = min(start + size, len(file))
    parts = found.parts(min(start, end), end)
    assert (
        b"".join(part if isinstance(part, bytes) else WIDE[part.start : part.end] for part in parts) == file[start:end]
    )


WIDE = written(
    pa.table({f"c{number}": pc.add(pa.array(range(200)), number) for number in range(8)}), use_dictionary=False
)
