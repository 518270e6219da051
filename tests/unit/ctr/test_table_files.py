"""Tables on disk: what was written is found again, in one block or many; what is not whole is no table."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr import table_files
from forebay.ctr.table_files import TableFile, is_table, write_table
from forebay.ctr.tables import Block, in_blocks
from forebay.errors import DamagedError

KEYS = st.sets(st.integers(0, 40), max_size=30)


def table(keys: set[int]) -> Block:
    ordered = np.array(sorted(keys), np.uint64)
    counts = ordered.astype(np.int64)
    return Block(keys=ordered, rows=counts * 3 + 2, clicks=counts + 1)


@given(KEYS, st.lists(st.integers(0, 45), max_size=30), st.booleans(), st.integers(1, 40))
def test_counts_of_any_keys_are_found(
    tmp_path_factory: pytest.TempPathFactory, keys: set[int], asked: list[int], searched: bool, entries: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "table.arrow"
    with patch.object(table_files, "in_blocks", lambda blocks: in_blocks(blocks, entries)):
        write_table(path, [table(keys)], searched=searched)
    rows, clicks = TableFile(path).counts(np.array(asked, np.uint64))
    assert rows.tolist() == [key * 3 + 2 if key in keys else 0 for key in asked]
    assert clicks.tolist() == [key + 1 if key in keys else 0 for key in asked]
    assert [key for block in TableFile(path) for key in block.keys.tolist()] == sorted(keys)


def test_what_is_not_whole_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "table.arrow"
    assert not is_table(path)
    path.touch()
    assert not is_table(path)
    write_table(path, [table({1, 2, 3})], searched=True)
    assert is_table(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DamagedError) as caught:
        TableFile(path)
    assert caught.value.kind == "bad-table"
