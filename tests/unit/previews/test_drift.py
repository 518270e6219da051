"""Which columns of a file have drifted between two versions of it."""

from __future__ import annotations

import datetime
import random
from dataclasses import replace

import pyarrow as pa
import pytest

from forebay.previews.bounds import Bounds
from forebay.previews.drift import LEAST_ROWS, Verdict, drift, judged
from forebay.previews.seen import Seen, summed_up
from forebay.wire.previews import TablePreview


def table(**columns: pa.Array | list[object]) -> TablePreview:
    made = pa.table(columns)
    return summed_up(Seen(table=made, size_bytes=1, rows=made.num_rows), Bounds())


def normal(mean: float, seed: int, count: int = 2000) -> list[object]:
    chance = random.Random(seed)
    return [chance.gauss(mean, 1.0) for _ in range(count)]


def test_the_column_that_moved_farthest_is_named_and_the_others_are_counted() -> None:
    before = table(a=normal(0, 1), b=normal(0, 2), c=normal(0, 3))
    found = drift(before, table(a=normal(1, 4), b=normal(2, 5), c=normal(0, 6)))
    assert found is not None
    assert (found.column, found.columns) == ("b", 2)
    assert found.psi > 1


def test_one_law_drawn_anew_is_no_drift_even_of_as_few_rows_as_are_looked_at() -> None:
    for seed in range(20):
        assert drift(table(x=normal(0, seed, LEAST_ROWS)), table(x=normal(0, seed + 100, LEAST_ROWS))) is None


@pytest.mark.parametrize(("few", "is_told"), [(LEAST_ROWS - 1, False), (LEAST_ROWS, True)])
def test_of_too_few_rows_on_either_side_nothing_is_said(few: int, is_told: bool) -> None:
    many, little = table(x=normal(0, 1)), table(x=normal(3, 2, few))
    assert (drift(many, little) is not None) is is_told
    assert (drift(little, many) is not None) is is_told


def test_times_and_keys_move_on_without_a_drift() -> None:
    day = datetime.datetime(2026, 3, 1)
    rows = range(1000)
    before = table(at=[day + datetime.timedelta(seconds=at) for at in rows], id=list(rows))
    later = day + datetime.timedelta(days=1)
    after = table(at=[later + datetime.timedelta(seconds=at) for at in rows], id=[1000 + at for at in rows])
    assert drift(before, after) is None
    unknown = replace(after, rows=None, columns=tuple(replace(column, distinct=None) for column in after.columns))
    assert drift(before, unknown) is None


def test_of_each_column_it_is_said_what_is_to_be_said() -> None:
    day = datetime.datetime(2026, 3, 1)
    before, after = (
        table(
            at=[day + datetime.timedelta(days=shift, seconds=at) for at in range(1000)],
            id=list(range(1000 * shift, 1000 * shift + 1000)),
            same=normal(0, 10 + shift, 1000),
            some=normal(0.45 * shift, 20 + shift, 1000),
            far=normal(2 * shift, 30 + shift, 1000),
            **{("went", "came")[shift]: normal(0, 1, 1000)},
        )
        for shift in (0, 1)
    )
    found = {item.name: verdict for item, verdict in judged(before, after)}
    assert found == {
        "at": Verdict.MOVES_ON,
        "id": Verdict.MOVES_ON,
        "same": Verdict.STEADY,
        "some": Verdict.MOVED,
        "far": Verdict.DRIFTED,
        "came": Verdict.NOT_COMPARED,
        "went": Verdict.NOT_COMPARED,
    }
    drifted = drift(before, after)
    assert drifted is not None
    assert (drifted.column, drifted.columns) == ("far", 1)


def test_what_looks_moved_by_a_few_rows_is_not_said_to_have_drifted() -> None:
    ((_, verdict),) = judged(table(x=normal(0, 1)), table(x=normal(3, 2, LEAST_ROWS - 1)))
    assert verdict is Verdict.TOO_FEW


def test_whole_numbers_that_repeat_are_no_keys() -> None:
    chance = random.Random(1)
    before, after = ([chance.randrange(low, low + 50) for _ in range(1000)] for low in (0, 40))
    found = drift(table(age=before), table(age=after))
    assert found is not None
    assert found.column == "age"


def test_columns_that_came_or_went_are_no_drift() -> None:
    assert drift(table(a=normal(0, 1), b=normal(0, 2)), table(a=normal(0, 3), c=normal(5, 4))) is None
