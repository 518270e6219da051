"""When boosting stops."""

from __future__ import annotations

from forebay.ctr.models.stopping import best_round, is_over


def test_it_stops_when_the_last_rounds_brought_nothing() -> None:
    losses = [0.5, 0.4, 0.41, 0.42]
    assert best_round(losses) == 2
    assert is_over(losses, 2)
    assert not is_over(losses, 3)
    assert not is_over([], 1)


def test_the_first_of_equals_is_best_and_no_patience_never_stops() -> None:
    assert best_round([0.5, 0.4, 0.4]) == 2
    assert not is_over([0.1, 0.2, 0.3, 0.4], 0)
