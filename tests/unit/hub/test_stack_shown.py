"""What a volume holds, as a bar: how wide its pieces are, and that they never tell more than the sums."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from forebay.cache.policy import Policy
from forebay.hub.board.capacity import Capacity, Holds
from forebay.hub.board.places import Place
from forebay.hub.web import stack_shown
from forebay.wire.cache import VolumeState

PLACE = Place(
    key="lab",
    volume_id="v",
    site="lab",
    path="/srv",
    limit_bytes=1000,
    used_bytes=600,
    reserved_bytes=200,
    bandwidth_bytes_s=0.0,
    state=VolumeState.NORMAL,
    state_reason="",
    state_since=0.0,
    policy=Policy(high_mark=0.9, low_mark=0.8),
    is_told=True,
)


def holds(name: str, size_bytes: int, *, stale_bytes: int = 0, brought_bytes: int = 0) -> Holds:
    return Holds(
        name=name,
        versions=1,
        size_bytes=size_bytes,
        kept_bytes=0,
        used_bytes=0,
        stale_bytes=stale_bytes,
        filling_bytes=brought_bytes,
        brought_bytes=brought_bytes,
        last_used_at=0.0,
    )


HELD = Capacity(
    place=PLACE,
    datasets=(holds("criteo", 400, stale_bytes=100, brought_bytes=150), holds("maps", 100)),
    teams=(holds("ads", 400, stale_bytes=100, brought_bytes=150), holds("", 100)),
)


def pieces(bar: str) -> list[tuple[str, float, float, str]]:
    """Class, begin, width and title of each piece, and of each mark."""
    found = re.findall(r'<rect class="([^"]+)" x="([^"]+)" y="\d+" width="([^"]+)" height="\d+"><title>(.*?)</', bar)
    return [(kind, float(x), float(width), title.rpartition(": ")[0]) for kind, x, width, title in found]


def test_each_has_a_piece_in_which_what_leaves_and_what_came_are_marked() -> None:
    assert pieces(stack_shown.by_dataset(HELD)) == [
        ("p1", 0.0, 299.0, "criteo"),
        ("p1", 300.0, 99.0, "criteo, leaves within a day"),
        ("soon", 300.0, 99.0, "criteo, leaves within a day"),
        ("p1", 400.0, 149.0, "criteo, came so far by fills under way"),
        ("coming", 400.0, 149.0, "criteo, came so far by fills under way"),
        ("p2", 550.0, 99.0, "maps"),
        ("other", 650.0, 99.0, "all else: trash, left-overs, what is not yours to see"),
        ("reserved", 750.0, 49.0, "set aside for fills, still to come"),
    ]


def test_the_bar_by_team_is_of_the_same_bytes() -> None:
    by_dataset, by_team = pieces(stack_shown.by_dataset(HELD)), pieces(stack_shown.by_team(HELD))
    assert [piece[:3] for piece in by_team] == [piece[:3] for piece in by_dataset]
    assert {"ads", "no team"} <= {title for *_, title in by_team}


def test_the_key_has_what_the_bar_has_and_all_of_it_is_the_limit() -> None:
    told = {name: size_bytes for _, name, size_bytes in stack_shown.keys_by_team(HELD)}
    assert told == {
        "leaves within a day": 100,
        "came so far by fills under way": 150,
        "all else: trash, left-overs, what is not yours to see": 100,
        "set aside for fills, still to come": 50,
        "free": 200,
    }
    assert HELD.held_bytes + HELD.brought_bytes + HELD.other_bytes + HELD.awaited_bytes + 200 == PLACE.limit_bytes


def test_what_is_beyond_the_shades_is_one_piece() -> None:
    many = tuple(holds(f"d{number}", 50, stale_bytes=10) for number in range(8))
    held = replace(HELD, datasets=many)
    rest = [piece for piece in pieces(stack_shown.by_dataset(held)) if piece[0] == "rest"]
    assert [(width, title) for _, _, width, title in rest] == [
        (79.0, "other datasets"),
        (19.0, "other datasets, leaves within a day"),
    ]
    assert ("other datasets", 100) in [(name, size) for _, name, size in stack_shown.keys_by_dataset(held)]


@pytest.mark.parametrize("size_bytes", [600, 1200, 5000])
def test_shared_contents_narrow_what_is_held_and_not_what_comes(size_bytes: int) -> None:
    held = replace(HELD, datasets=(holds("criteo", size_bytes, stale_bytes=size_bytes // 2, brought_bytes=150),))
    widths = {title: width for kind, _, width, title in pieces(stack_shown.by_dataset(held)) if kind != "soon"}
    assert widths["criteo"] == widths["criteo, leaves within a day"] == 299.0
    assert widths["criteo, came so far by fills under way"] == 149.0


def test_a_fill_of_what_is_hidden_is_in_one_sum() -> None:
    """Of whoever may not know of it: what came by it is told as set aside, as all of it is."""
    held = replace(HELD, datasets=(holds("maps", 100),), teams=(holds("", 100),))
    assert (held.brought_bytes, held.awaited_bytes, held.other_bytes) == (0, 200, 500)
    assert not any(kind == "coming" for kind, *_ in pieces(stack_shown.by_team(held)))


def test_what_holds_nothing_has_no_key() -> None:
    assert stack_shown.key_of(0, holds("ads", 0)) == ""
    assert 'class="p1"' in stack_shown.key_of(0, holds("ads", 0, brought_bytes=1))
    assert 'class="rest"' in stack_shown.key_of(7, holds("ads", 1))
