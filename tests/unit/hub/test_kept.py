"""What is kept in memory of things that never change."""

from __future__ import annotations

from forebay.hub.board.kept import Kept


def test_what_is_kept_is_made_once_and_the_longest_unused_goes() -> None:
    kept: Kept[str] = Kept(20)
    made: list[str] = []

    def get(key: str, size: int = 10) -> str:
        def make() -> str:
            made.append(key)
            return key * 2

        return kept.get(key, make, lambda value: size)

    assert [get("a"), get("b"), get("a")] == ["aa", "bb", "aa"]
    get("c")
    assert made == ["a", "b", "c"]
    get("a")
    get("b")
    assert made == ["a", "b", "c", "b"], "b was unused for longest"


def test_one_that_is_larger_than_all_is_kept_until_the_next() -> None:
    kept: Kept[str] = Kept(5)
    calls: list[str] = []

    def get(key: str) -> str:
        def make() -> str:
            calls.append(key)
            return key

        return kept.get(key, make, lambda value: 100)

    get("large")
    get("large")
    assert calls == ["large"]
    get("other")
    get("large")
    assert calls == ["large", "other", "large"]
