"""What a subset selects, and how it is named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.selection import EVERYTHING, Selection, parse_term, select
from forebay.cache.volume import tree_name
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.names import NumberRef, parse_ref
from forebay.catalog.schema import SUBSET_LENGTH
from forebay.errors import InputError
from forebay.wire.catalog import ref_of

PATHS = ["day_00.tsv", "day_01.tsv", "day_10.tsv", "test/day_00.tsv", "test/labels/a.txt", "readme.md"]
MANIFEST = Manifest.registered([Entry(path=path, size_bytes=len(path), etag="e") for path in PATHS])
patterns = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="[]/"), min_size=1)


def selected(include: str | list[str] | None = None, exclude: str | list[str] | None = None) -> list[str]:
    found = select(MANIFEST, Selection.of(include=include, exclude=exclude), "x@v1")
    paths: list[str] = found.table["path"].to_pylist()
    return paths


@pytest.mark.parametrize(
    ("include", "exclude", "paths"),
    [
        ("day_0*", None, ["day_00.tsv", "day_01.tsv"]),
        (["day_10.tsv", "readme.md"], None, ["day_10.tsv", "readme.md"]),
        ("**/*.tsv", None, ["day_00.tsv", "day_01.tsv", "day_10.tsv", "test/day_00.tsv"]),
        ("test", None, ["test/day_00.tsv", "test/labels/a.txt"]),
        ("test/", "test/labels", ["test/day_00.tsv"]),
        ("te*", ["**/a.*"], ["test/day_00.tsv"]),
        (None, ["test", "day_*"], ["readme.md"]),
        (None, None, sorted(PATHS)),
    ],
)
def test_what_patterns_select(include: str | None, exclude: list[str] | None, paths: list[str]) -> None:
    assert selected(include, exclude) == paths


@given(chosen=st.sets(st.sampled_from(PATHS), min_size=1))
def test_a_part_has_the_identity_of_a_manifest_that_was_made_of_its_files(chosen: set[str]) -> None:
    part = select(MANIFEST, Selection.of(include=chosen), "x@v1")
    made = Manifest.registered([entry for entry in MANIFEST.entries() if entry.path in chosen])
    assert (part.manifest_digest, part.size_bytes) == (made.manifest_digest, made.size_bytes)


@pytest.mark.parametrize("include", ["day_9*", ["day_0*", "day_9*"], "Day_00.tsv"])
def test_a_pattern_that_matches_nothing_names_the_nearest_paths(include: str | list[str]) -> None:
    with pytest.raises(InputError, match="matches none of its 6 files") as refused:
        selected(include)
    assert refused.value.kind == "nothing-selected"
    assert "day_0" in refused.value.todo
    assert "forebay dataset files x@v1" in refused.value.todo
    with pytest.raises(InputError, match="leaves none"):
        selected("day_0*", "day*")


@pytest.mark.parametrize("pattern", ["", "/", "a[b", "a\nb"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(InputError) as refused:
        Selection.of(include=pattern)
    assert refused.value.kind == "bad-pattern"


@pytest.mark.parametrize("nothing", ["", [], (), set(), iter(())])
def test_nothing_is_not_everything(nothing: Any) -> None:
    """Whoever's list came out empty would otherwise move, and read, the whole version."""
    with pytest.raises(InputError) as refused:
        Selection.of(include=nothing)
    assert refused.value.kind == "bad-pattern"
    with pytest.raises(InputError, match="no name in the columns") as refused:
        Selection.of(columns=nothing)
    assert refused.value.kind == "bad-columns"
    assert "leave them out" in refused.value.todo
    assert Selection.of(include=None, exclude=[], columns=None, where=[]) == EVERYTHING == Selection.parse("")


@given(include=st.none() | st.lists(patterns, min_size=1), exclude=st.lists(patterns))
def test_one_selection_has_one_text_and_one_name_that_a_reference_can_hold(
    include: list[str] | None, exclude: list[str]
) -> None:
    chosen = Selection.of(include=include, exclude=exclude)
    again = include and [*reversed(include), *include]
    assert Selection.of(include=again, exclude=set(exclude)) == chosen
    assert Selection.parse(chosen.text) == chosen
    assert len(chosen.name) <= SUBSET_LENGTH
    assert (chosen.name == "") == (chosen == EVERYTHING)
    ref = ref_of("criteo", 3, chosen.name)
    assert parse_ref(ref) == NumberRef(dataset="criteo", number=3, subset=chosen.name)


@given(one=st.lists(patterns, max_size=3), other=st.lists(patterns, max_size=3))
def test_different_selections_have_different_names_and_places(one: list[str], other: list[str]) -> None:
    here = [Selection.of(include=one or None, exclude=other), Selection.of(include=other or None, exclude=one)]
    assert (here[0] == here[1]) == (here[0].name == here[1].name)
    assert (here[0] == here[1]) == (tree_name(1, here[0].name) == tree_name(1, here[1].name))


def test_names_are_the_patterns_where_they_are_plain() -> None:
    assert Selection.of(include=["day_1*", "day_0*"], exclude="**/*.tmp").name == "day_0*,day_1*,!**/*.tmp"
    assert Selection.of(include="day_[0-3]/*").name == "day_[0-3]/*"
    for hidden in ("a b", "a,b", "!a", "day_" + "0" * 50):
        assert Selection.of(include=hidden).name.startswith("~")
    assert tree_name(3) == "v3"
    assert tree_name(3, "day_0*").startswith("v3-")
    assert "*" not in tree_name(3, "day_0*")


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)
values = st.booleans() | st.integers() | st.floats(allow_nan=False) | names
terms = st.tuples(names, st.sampled_from(["==", "=", "!=", "<", "<=", ">", ">="]), values) | st.tuples(
    names, st.sampled_from(["in", "not in"]), st.lists(values, min_size=1, max_size=3)
)


@given(
    columns=st.none() | st.lists(names, min_size=1, max_size=3),
    where=st.lists(terms, max_size=3),
    other=st.lists(terms, max_size=2),
)
def test_columns_and_conditions_have_one_text_and_one_name(
    columns: list[str] | None, where: list[tuple[str, str, Any]], other: list[tuple[str, str, Any]]
) -> None:
    chosen = Selection.of(columns=columns, where=where)
    again = columns and [*reversed(columns), *columns]
    assert Selection.of(columns=again, where=[*where, *reversed(where)]) == chosen
    assert Selection.parse(chosen.text).text == chosen.text
    assert chosen.cuts == bool(columns or where)
    assert len(chosen.name) <= SUBSET_LENGTH
    assert parse_ref(ref_of("criteo", 3, chosen.name)) == NumberRef(dataset="criteo", number=3, subset=chosen.name)
    second = Selection.of(columns=columns, where=other)
    assert (second.text == chosen.text) == (second.name == chosen.name)


def test_how_columns_and_conditions_are_named() -> None:
    chosen = Selection.of(include="day_0*", columns=["price", "label"], where=[("hour", "=", 3), ("x", "<", 0.5)])
    assert chosen.name == "day_0*:label,price;hour==3;x<0.5"
    assert Selection.of(columns="label").name == ":label"
    named = Selection.of(where=[("day", ">=", "2026-01-25"), ("at", "<", "2026-01-05T00")]).name
    assert named == ";at<2026-01-05T00;day>=2026-01-25"
    for hidden in (
        [("day", "==", "3")],
        [("day", "==", "true")],
        [("day", "==", "Infinity")],
        [("day", "in", [1, 2])],
        [("day", "==", True)],
        [("a b", "<", 1)],
    ):
        assert Selection.of(where=hidden).name.startswith("~")
    assert str(Selection.of(where=[("day", "in", [2, 1])])) == ";day in (1, 2)"
    when = [("day", ">=", date(2026, 1, 2)), ("price", "<", Decimal("1.50"))]
    assert Selection.of(where=when) == Selection.of(where=[("day", ">=", "2026-01-02"), ("price", "<", "1.50")])


NO_CONDITIONS = [
    "",
    "day",
    ["day in 3"],
    [("day", "~", 3)],
    [("day", "<")],
    [(1, "<", 1)],
    [("day", "in", "a")],
    [("day", "in", 3)],
    [("day", "<", float("nan"))],
    [("day", "<", None)],
    [("day", "in", [[1]])],
]


@pytest.mark.parametrize("where", ["day>=3", " day >= 3 ", ["day>= 3"], ["day >=3", ("day", ">=", 3)]], ids=str)
def test_a_condition_may_be_said_as_on_the_command_line(where: Any) -> None:
    assert Selection.of(where=where) == Selection.of(where=[("day", ">=", 3)])
    assert Selection.of(where=["day>=3", "site==a"]).where == (("day", ">=", 3), ("site", "==", "a"))


@pytest.mark.parametrize("where", NO_CONDITIONS)
def test_what_is_no_condition(where: Any) -> None:
    with pytest.raises(InputError) as refused:
        Selection.of(where=where)
    assert refused.value.kind == "bad-where"


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("day>=3", ("day", ">=", 3)),
        (" day = 3.5 ", ("day", "=", 3.5)),
        ("site!=shop.example", ("site", "!=", "shop.example")),
        ('site=="7"', ("site", "==", "7")),
        ("is new==true", ("is new", "==", True)),
        ("day<2026-01-02", ("day", "<", "2026-01-02")),
    ],
)
def test_conditions_as_they_are_typed(text: str, term: tuple[str, str, Any]) -> None:
    assert parse_term(text) == term
    for wrong in ("day", ">=3", "day>=", "in"):
        with pytest.raises(InputError):
            parse_term(wrong)


def test_a_selection_of_a_newer_forebay_is_refused() -> None:
    for text in ('{"rows":"a"}', "[]", "nonsense"):
        with pytest.raises(InputError) as refused:
            Selection.parse(text)
        assert refused.value.kind == "bad-selection"
