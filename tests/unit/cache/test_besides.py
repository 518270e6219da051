"""What else failed in a fill: few lines, short ones, none twice."""

from __future__ import annotations

from forebay.cache.besides import LONGEST, MOST, besides


def test_one_error_has_nothing_besides() -> None:
    assert besides("a is gone", []) == ()
    assert besides("the disk fails", ["the disk fails"] * 3) == (), "said already"


def test_the_first_few_have_a_line_each_and_the_rest_is_counted() -> None:
    names = [f"{name} is gone" for name in "bcdefgh"]
    assert besides("a is gone", names[:MOST]) == tuple(names[:MOST])
    assert besides("a is gone", names) == (*names[:MOST], "and 3 more")


def test_a_line_is_one_line_and_bounded() -> None:
    first, second = besides("a", ["b\nis gone", "x" * 5000])
    assert first == "b is gone"
    assert len(second) == LONGEST
