from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.lake.glob import escape, pattern_regex, split_pattern


def matches(pattern: str, key: str) -> bool:
    """Python's and Arrow's regular expressions must agree."""
    regex = pattern_regex(pattern)
    by_arrow: bool = pc.match_substring_regex(pa.array([key], pa.string()), regex)[0].as_py()
    assert by_arrow == bool(re.fullmatch(regex, key)), (regex, key)
    return by_arrow


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("day_*", ["day_", "day_0", "day_10.gz"], ["day", "xday_0", "day_0/part", "a/day_0"]),
        ("day_?", ["day_0", "day_é"], ["day_", "day_10", "day_/"]),
        ("*/part", ["a/part"], ["part", "a/b/part", "a/parts"]),
        ("**", ["a", "a/b", "a/b/c"], []),
        ("**/x", ["x", "a/x", "a/b/x"], ["ax", "a/xx"]),
        ("a/**/x", ["a/x", "a/b/x", "a/b/c/x"], ["x", "ax", "b/x"]),
        ("a/**", ["a/", "a/b", "a/b/c"], ["a", "ab"]),
        ("[ab]x", ["ax", "bx"], ["cx", "abx"]),
        ("[!ab]x", ["cx"], ["ax", "/x"]),
        ("[a-c]", ["b"], ["d", "-"]),
        ("[]]", ["]"], ["["]),
        ("[[]x]", ["[x]"], ["x"]),
        ("[\\]", ["\\"], ["x"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [key for key in yes if not matches(pattern, key)] == []
    assert [key for key in no if matches(pattern, key)] == []


@pytest.mark.parametrize("pattern", ["[", "[x", "a[!", "[]", "[!]"])
def test_a_bracket_without_its_end_is_refused(pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        pattern_regex(pattern)

    assert caught.value.kind == "bad-pattern"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_an_escaped_text_matches_itself(text: str) -> None:
    assert matches(escape(text), text)


def test_the_literal_folder_ends_before_the_first_special_character() -> None:
    assert split_pattern("a/b/c*/d") == ("a/b/", "c*/d")
    assert split_pattern("a/b") == ("a/b", None)
    assert split_pattern("*") == ("", "*")
    assert split_pattern("a/*/") == ("a/", "*/**")
