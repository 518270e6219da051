"""Tables whose rows are shown a part at a time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from forebay.hub.web.parted import parted
from forebay.hub.web.visit import Visit

ITEMS = list(range(25))


def visited(*pairs: tuple[str, str]) -> Visit:
    nothing = cast(Any, None)
    return Visit(
        hub=nothing,
        sight=nothing,
        read=nothing,
        data_of=nothing,
        now=0.0,
        address="/sites?theme=dark",
        path={},
        query_pairs=pairs,
        keep=nothing,
    )


def test_one_part_leads_to_the_next_and_keeps_what_else_was_asked() -> None:
    shown, more = parted(visited(("q", "a b"), ("links-from", "10")), "links", ITEMS, 10)
    assert (list(shown), more) == (ITEMS[10:20], "/sites?q=a+b&links-from=20")


def test_the_last_part_leads_nowhere() -> None:
    assert parted(visited(("links-from", "20")), "links", ITEMS, 10) == (ITEMS[20:], "")
    assert parted(visited(), "links", ITEMS[:10], 10) == (ITEMS[:10], "")


@pytest.mark.parametrize("start", ["-1", "x", "", "25", "²", "9" * 30])
def test_a_start_that_is_none_is_the_beginning(start: str) -> None:
    assert parted(visited(("links-from", start)), "links", ITEMS, 10)[0] == ITEMS[:10]


def test_an_export_has_all() -> None:
    assert parted(visited(("table", "links"), ("as", "csv")), "links", ITEMS, 10) == (ITEMS, "")
