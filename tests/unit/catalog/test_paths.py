"""Object keys as file paths: every rule, and the vectorised check against a plain one."""

from __future__ import annotations

import posixpath
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forebay.catalog.paths import check_path, check_paths, fold
from forebay.errors import InputError

awkward = st.text(alphabet="aAbß/.\\\0\x85é\u0301", max_size=8)
paths = st.lists(awkward | st.from_regex(r"[abAB]{1,2}(/[abAB]){0,2}", fullmatch=True), max_size=6)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "path-empty"),
        ("/a", "path-absolute"),
        ("/", "path-absolute"),
        ("..", "path-dots"),
        ("a/../b", "path-dots"),
        ("./a", "path-dots"),
        ("a//b", "path-dots"),
        ("a/", "path-dots"),
        ("a\0b", "path-control"),
        ("a\nb", "path-control"),
        ("a\x7f", "path-control"),
        ("a\x85", "path-control"),
        ("a\\b", "path-backslash"),
        ("x" * 256, "path-too-long"),
        ("é" * 128, "path-too-long"),
        ("/".join(["x" * 200] * 6), "path-too-long"),
        (".forebay", "path-reserved"),
        (".forebay/complete.json", "path-reserved"),
        (".ForeBay/x", "path-reserved"),
        ("a\ud800", "path-not-utf8"),
    ],
)
def test_unsafe_paths(path: str, kind: str) -> None:
    with pytest.raises(InputError) as caught:
        check_path(path)
    assert caught.value.kind == kind
    assert repr(path) in caught.value.message
    if kind != "path-not-utf8":
        with pytest.raises(InputError) as caught:
            check_paths(pa.array(["fine", path]))
        assert caught.value.kind == kind


@pytest.mark.parametrize("path", ["a", "...", "a..b", ".x/..y", "a/.forebay", ".forebay2", "é/ü", "x" * 255, "a b"])
def test_safe_paths(path: str) -> None:
    assert check_path(path) == path
    check_paths(pa.array([path]))


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        (["a", "b", "a"], "path-duplicate"),
        (["a/File", "a/file"], "path-collision"),
        (["\u00e9", "e\u0301"], "path-collision"),
        (["STRASSE", "straße"], "path-collision"),
        (["a", "a-b", "a/b"], "path-is-directory"),
        (["x/Y", "X/y/z"], "path-is-directory"),
        (["a/b/c/d", "a/b"], "path-is-directory"),
    ],
)
def test_paths_that_cannot_stand_together(listed: list[str], kind: str) -> None:
    for together in (pa.array(listed), pa.chunked_array([[path] for path in listed])):
        with pytest.raises(InputError) as caught:
            check_paths(together)
        assert caught.value.kind == kind


def test_an_error_names_both_paths_unmistakably() -> None:
    with pytest.raises(InputError, match=r"'\\xe9'.*'e\\u0301'"):
        check_paths(pa.array(["\u00e9", "e\u0301"]))


def test_no_paths_and_whole_chunks() -> None:
    check_paths(pa.array([], pa.string()))
    check_paths(pa.chunked_array([], pa.string()))
    check_paths(pa.chunked_array([["A", "b"], [], ["c/d"]], pa.string()))


@given(paths)
@example(["a", "a/b"])
@example(["A", "a"])
@example([".forebay"])
def test_the_fast_check_agrees_with_a_plain_one(listed: list[str]) -> None:
    try:
        check_paths(pa.array(listed, pa.string()))
    except InputError:
        assert not _plainly_fine(listed)
    else:
        assert _plainly_fine(listed)


@given(awkward)
def test_a_safe_path_stays_inside_its_tree(path: str) -> None:
    try:
        check_path(path)
    except InputError:
        return
    assert posixpath.normpath(posixpath.join("/tree", path)) == f"/tree/{path}"


@given(st.text(max_size=10))
def test_fold_ignores_case_and_form(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(unicodedata.normalize("NFC", text)) == fold(text) == fold(unicodedata.normalize("NFD", text))
    assert fold(text.casefold()) == fold(text)


def _plainly_fine(listed: list[str]) -> bool:
    try:
        folded = [fold(check_path(path)) for path in listed]
    except InputError:
        return False
    directories = {key[:at] for key in folded for at, letter in enumerate(key) if letter == "/"}
    return len(set(folded)) == len(folded) and not directories & set(folded)
