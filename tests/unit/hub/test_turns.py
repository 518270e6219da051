"""Live pages: who is rendered next, and what all of it may cost."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from forebay.hub.web.budget import MOVES_SHARE, SAVED_S, SHARE, Budget
from forebay.hub.web.turns import AT_LEAST_EVERY_S, AT_MOST_EVERY_S, LATEST_S, Due, Turn, next_turn

NOW = 1000.0


def _rendered(at: float, *tables: str, **written: int) -> Turn:
    turn = Turn()
    turn.rendered(at, tables, written)
    return turn


def test_what_reads_a_table_is_due_when_that_was_written_and_not_before() -> None:
    turn = _rendered(NOW, "run", run=3)
    later = NOW + AT_MOST_EVERY_S
    assert turn.due(later, {"run": 3, "use": 9}) is None
    assert turn.due(later, {"run": 4}) is Due.CHANGED
    assert turn.due(later - 0.1, {"run": 4}) is None, "it was a moment ago"


def test_what_only_moves_waits_for_what_happens_and_is_urgent_at_last() -> None:
    turn = _rendered(NOW, "fill", "replica")
    soon = NOW + AT_MOST_EVERY_S
    assert turn.due(soon, {"fill": 1}) is Due.MOVED
    assert turn.due(soon, {"fill": 1, "replica": 1}) is Due.CHANGED
    assert turn.due(NOW + AT_LEAST_EVERY_S, {"fill": 1}) is Due.MOVED
    assert turn.due(NOW + LATEST_S, {"fill": 1}) is Due.CHANGED
    turns = {"moves": _rendered(NOW - 50, "fill"), "old": _rendered(NOW - 55, "use"), "new": _rendered(NOW - 2, "run")}
    assert next_turn(turns, NOW, {"fill": 9, "run": 1}) == ("new", Due.CHANGED)
    turns["new"].rendered(NOW, ["run"], {"run": 1})
    assert next_turn(turns, NOW, {"fill": 9, "run": 1}) == ("moves", Due.MOVED)


def test_who_came_since_is_owed_something() -> None:
    turn = _rendered(NOW, "run")
    turn.asked_for = True
    assert turn.due(NOW + AT_MOST_EVERY_S, {}) is Due.CHANGED
    assert Turn().due(NOW, {}) is Due.CHANGED


def test_time_alone_makes_it_due_and_at_last_urgent() -> None:
    turn = _rendered(NOW, "run")
    assert turn.due(NOW + AT_LEAST_EVERY_S, {}) is Due.LONG_AGO
    assert turn.due(NOW + LATEST_S, {}) is Due.CHANGED


def test_changes_go_first_and_of_these_who_waited_longest() -> None:
    turns = {
        "long": _rendered(NOW - 50, "use"),
        "newer": _rendered(NOW - 2, "run"),
        "older": _rendered(NOW - 3, "run"),
        "well": _rendered(NOW - 4, "use"),
    }
    assert next_turn(turns, NOW, {"run": 1}) == ("older", Due.CHANGED)
    turns["older"].rendered(NOW, ["run"], {"run": 1})
    assert next_turn(turns, NOW, {"run": 1}) == ("newer", Due.CHANGED)
    turns["newer"].rendered(NOW, ["run"], {"run": 1})
    assert next_turn(turns, NOW, {"run": 1}) == ("long", Due.LONG_AGO)
    turns["long"].rendered(NOW, ["use"], {})
    assert next_turn(turns, NOW, {"run": 1}) is None


def test_however_many_change_without_end_each_has_its_turn() -> None:
    """Two hundred audiences whose page changes all the time, and one rendering a second."""
    turns = {number: Turn() for number in range(200)}
    shown = []
    for second in range(400):
        found = next_turn(turns, NOW + second, {"run": second})
        assert found is not None
        turns[found[0]].rendered(NOW + second, ["run"], {"run": second})
        shown.append(found[0])
    assert set(shown[:200]) == set(shown[200:]) == set(turns)


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.001, 2.0), st.sampled_from(Due)), max_size=60))
def test_no_more_is_spent_than_the_share_and_what_was_saved(wants: list[tuple[float, float, Due]]) -> None:
    budget, now, spent, moves, largest = Budget(at=0.0), 0.0, 0.0, 0.0, 0.0
    for pause_s, cost_s, why in wants:
        now += pause_s
        if budget.wait_s(now, why) == 0:
            budget.spend(now, cost_s, why)
            spent += cost_s
            moves += cost_s * (why is Due.MOVED)
            largest = max(largest, cost_s)
    assert spent <= SHARE * now + largest + 1e-6
    assert moves <= MOVES_SHARE * now + largest + 1e-6


def test_the_wait_is_as_long_as_it_takes_to_earn_it_and_leaves_something_for_changes() -> None:
    budget = Budget(at=0.0, left_s=SAVED_S)
    budget.spend(0.0, SAVED_S + 0.08, Due.CHANGED)
    assert math.isclose(budget.wait_s(0.0, Due.CHANGED), 0.08 / SHARE)
    assert budget.wait_s(0.0, Due.LONG_AGO) > budget.wait_s(0.0, Due.CHANGED)
    later = 0.09 / SHARE
    assert budget.wait_s(later, Due.CHANGED) == 0.0
    assert budget.wait_s(later, Due.LONG_AGO) > 0.0


def test_what_moves_all_the_time_begins_at_once_and_leaves_something_for_changes() -> None:
    budget, now = Budget(at=0.0), 0.0
    assert budget.wait_s(now, Due.MOVED) == 0.0
    while now < 100.0:
        budget.spend(now, 0.1, Due.MOVED)
        assert math.isclose(budget.wait_s(now, Due.MOVED), 0.1 / MOVES_SHARE)
        now += budget.wait_s(now, Due.MOVED)
    assert budget.wait_s(now, Due.CHANGED) == 0.0
    assert math.isclose(budget.left_s, (SHARE - MOVES_SHARE) * now, rel_tol=1e-6)
