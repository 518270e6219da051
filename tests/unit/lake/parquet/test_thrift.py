"""Any struct of Thrift's compact protocol comes back as it was; no input makes the reader do harm."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.lake.parquet.thrift import (
    BINARY,
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRUCT,
    UUID,
    Items,
    Pairs,
    read_struct,
    write_struct,
)

INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    BYTE: st.binary(min_size=1, max_size=1),
    I16: st.integers(-(2**15), 2**15 - 1),
    I32: st.integers(-(2**31), 2**31 - 1),
    I64: INTEGERS,
    DOUBLE: st.binary(min_size=8, max_size=8),
    BINARY: st.binary(max_size=300),
    UUID: st.binary(min_size=16, max_size=16),
}


def _structs(inner: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[dict[int, tuple[int, Any]]]:
    flags = st.tuples(st.just(BOOL), st.booleans())
    made = st.dictionaries(st.integers(1, 2000), flags | inner, max_size=6)
    return made.map(lambda fields: dict(sorted(fields.items())))


def _extended(inner: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[tuple[int, Any]]:
    def items(kind: int) -> st.SearchStrategy[tuple[int, Any]]:
        values = st.lists(VALUES[kind], max_size=20).map(lambda found: Items(kind, found))
        return st.tuples(st.sampled_from([LIST, SET]), values)

    flags = st.lists(st.sampled_from([1, 2]), max_size=3).map(lambda found: (LIST, Items(BOOL, found)))
    pairs = st.lists(st.tuples(VALUES[BINARY], VALUES[I64]), min_size=1, max_size=3)
    maps = pairs.map(lambda found: (MAP, Pairs(BINARY, I64, found)))
    structs = _structs(inner)
    listed = st.lists(structs, max_size=17).map(lambda found: (LIST, Items(STRUCT, found)))
    return st.sampled_from(sorted(VALUES)).flatmap(items) | flags | maps | listed | st.tuples(st.just(STRUCT), structs)


SIMPLE = st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind]))


@given(struct=_structs(st.recursive(SIMPLE, _extended, max_leaves=6)))
def test_a_struct_comes_back_and_is_written_the_same(struct: dict[int, tuple[int, Any]]) -> None:
    written = write_struct(struct)
    found = read_struct(written)
    assert found == struct
    assert write_struct(found) == written


@given(data=st.binary(max_size=200))
def test_no_input_is_more_than_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        read_struct(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x15", b"\x19\xf5\xff\xff\xff\x0f\x00", b"\x1c" * 100, b"\x16" + b"\xff" * 11, b"\x1e\x00", b"\x00\x00"],
)
def test_torn_and_hostile_input(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_struct(data)


def test_a_real_footer_is_written_as_it_was_read() -> None:
    sink = io.BytesIO()
    table = pa.table({"a": [1, None, 3], "b": [{"x": [1.5]}, None, {"x": []}], "c": ["x", "y", None]})
    pq.write_table(table, sink, write_page_index=True, sorting_columns=[pq.SortingColumn(0)])
    data = sink.getvalue()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") : -8]
    assert write_struct(read_struct(footer)) == footer
