"""Rows that have a text in them, against a plain loop over the rows."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.catalog import text_search
from forebay.catalog.text_search import TextColumn

rows = st.lists(st.text("ab/é", max_size=6), max_size=30)


def column_of(texts: list[str], cut: int = 0) -> TextColumn:
    return TextColumn(pa.chunked_array([texts[:cut], texts[cut:]], pa.string()))


@pytest.mark.parametrize("many", [0, 1, 3, 4096])
@given(texts=rows, wanted=st.text("ab/é", min_size=1, max_size=3), cut=st.integers(0, 30))
def test_they_are_those_that_a_loop_finds(many: int, texts: list[str], wanted: str, cut: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_search, "_MANY", many)
        found = column_of(texts, cut).rows_with(wanted)
    assert found.to_pylist() == [row for row, text in enumerate(texts) if wanted in text]


def test_no_text_is_in_every_row_and_no_row_has_any() -> None:
    assert column_of(["a", "", "b"]).rows_with("").to_pylist() == [0, 1, 2]
    assert TextColumn(pa.chunked_array([], pa.string())).rows_with("a").to_pylist() == []


def test_a_part_of_a_column_is_searched_alone() -> None:
    whole = pa.chunked_array([["xa", "ya", "za", "a"]], pa.string())
    part = TextColumn(whole.slice(1, 2))
    assert part.values.to_pylist() == ["ya", "za"]
    assert part.rows_with("a").to_pylist() == [0, 1]
    assert part.rows_with("x").to_pylist() == []
    assert part.nbytes >= 4
