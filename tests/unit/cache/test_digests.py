"""Digests in arrays: what goes in comes out, and entries that share one are told by their first."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.digests import Digests

# Several that begin alike, as no two of BLAKE3 ever will: their order must not matter.
ALIKE = [b"12345678" + bytes([number]) * 24 for number in range(3)]
digests = st.lists(st.none() | st.sampled_from([*ALIKE, bytes(32), b"\xff" * 32]) | st.binary(min_size=32, max_size=32))


def made(values: list[bytes | None]) -> Digests:
    digests = Digests(len(values))
    for index, value in enumerate(values):
        if value is not None:
            digests[index] = value
    return digests


@given(digests)
def test_what_goes_in_comes_out(values: list[bytes | None]) -> None:
    digests = made(values)
    assert [digests[index] for index in range(len(digests))] == values
    assert list(digests.known()) == [index for index, value in enumerate(values) if value is not None]
    assert [digests.name(index) for index in digests.known()] == [value.hex() for value in values if value is not None]
    column = digests.column()
    assert (column.type, column.to_pylist()) == (pa.binary(32), values)
    column.validate(full=True)


@given(digests, digests)
def test_a_column_of_any_chunks_is_read(one: list[bytes | None], two: list[bytes | None]) -> None:
    column = pa.chunked_array([pa.array(one, pa.binary(32)), pa.array([None, *two], pa.binary(32)).slice(1)])
    digests = Digests.of(column)
    assert [digests[index] for index in range(len(digests))] == [*one, *two]


@given(digests)
def test_firsts_name_the_first_with_the_same_digest(values: list[bytes | None]) -> None:
    firsts = made(values).firsts()
    assert list(firsts) == [index if value is None else values.index(value) for index, value in enumerate(values)]


def test_only_whole_digests_are_taken() -> None:
    with pytest.raises(ValueError, match="not 3"):
        Digests(1)[0] = b"abc"
