"""The line of a fill: everything is taken once; what readers wait for goes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.line import Line

ENTRIES = 12
entries = st.integers(0, ENTRIES - 1)


def line_of(order: list[int]) -> Line[str]:
    """Items are texts, so that nobody takes an entry for an item."""
    known = set(order)
    return Line(
        map(str, order), entries=ENTRIES, entry_of=int, find=lambda entry: str(entry) if entry in known else None
    )


def rest(line: Line[str]) -> list[int]:
    taken = []
    while (item := line.take()) is not None:
        taken.append(int(item))
    return taken


def test_without_wishes_the_order_stays() -> None:
    assert rest(line_of([3, 1, 2])) == [3, 1, 2]


def test_wishes_go_first_in_the_order_of_the_wishes() -> None:
    line = line_of([0, 1, 2, 3, 4])
    assert line.take() == "0"
    line.wish([4, 2])
    line.wish([3, 4])
    assert rest(line) == [4, 2, 3, 1]


def test_what_is_taken_absent_or_no_entry_is_passed_over() -> None:
    line = line_of([0, 1, 2])
    assert line.take() == "0"
    line.wish([0, 7, -1, ENTRIES, 2**40, 2])
    assert line.take_wished() == "2"
    assert line.take_wished() is None
    assert rest(line) == [1]


@given(st.permutations(range(ENTRIES)), st.lists(st.one_of(st.none(), st.booleans(), st.lists(entries, max_size=4))))
def test_everything_is_taken_exactly_once(order: list[int], steps: list[bool | list[int] | None]) -> None:
    chosen = order[: ENTRIES - 3]
    line, taken = line_of(chosen), []
    for step in steps:
        if isinstance(step, list):
            line.wish(step)
            wished = [entry for entry in dict.fromkeys(step) if entry in chosen and entry not in taken]
            if step and wished:
                found = line.take()
                assert found is not None
                taken.append(int(found))
            continue
        item = line.take_wished() if step else line.take()
        taken += [] if item is None else [int(item)]
    taken += rest(line)
    assert sorted(taken) == sorted(chosen)
