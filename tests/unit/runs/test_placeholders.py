from __future__ import annotations

from pathlib import Path

from forebay.runs.placeholders import filled_in, variables_of


def test_only_our_names_in_braces_are_replaced() -> None:
    paths = {"criteo": Path("/a"), "criteo.x": Path("/b"), "criteo@v1": Path("/c")}
    given = ["{criteo}/x", "{criteo.x}", "{criteo@v1}", "{criteoXx}", "{}", "{ criteo }", "{{criteo}}", "awk '{print}'"]
    assert filled_in(given, paths) == [
        "/a/x", "/b", "/c", "{criteoXx}", "{}", "{ criteo }", "{/a}", "awk '{print}'",
    ]  # fmt: skip


def test_a_path_is_not_looked_at_again() -> None:
    assert filled_in(["{a}{b}"], {"a": Path("/{b}"), "b": Path("/x")}) == ["/{b}/x"]


def test_variables_are_upper_case_and_never_mean_two_things() -> None:
    paths = {"my-set.2": "/a", "home": "/b", "a-b": "/c", "a.b": "/d", "profiles--x": "/e", "homes": "/f"}
    variables, left_out = variables_of(paths, ["HOME", "PROFILES", "DEBUG"])
    assert variables == {"FOREBAY_MY_SET_2": "/a", "FOREBAY_HOMES": "/f"}
    assert left_out == ["home", "a-b", "a.b", "profiles--x"]
