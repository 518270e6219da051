"""Lists in pages: whole, in order, and steady while they change."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from forebay.client.remote.hub import RemoteHub
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from tests.integration.hub.conftest import VOLUME, new_version


def walk(http: httpx2.Client, path: str, limit: int, between: Any = bool, **query: Any) -> list[dict[str, Any]]:
    """All items, `limit` at a time; `between` happens after each page."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        asked = {**query, "limit": limit} | ({"cursor": cursor} if cursor else {})
        page = http.get(path, params=asked).raise_for_status().json()
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found
        between()


def test_pages_hold_a_list_whole(http: httpx2.Client, local: LocalHub) -> None:
    assert http.get("/datasets").json() == {"items": [], "next": None}
    names = [f"d{number}" for number in range(5)]
    for name in reversed(names):
        new_version(local, name)
    for limit in (1, 2, 4, 5, 6):
        assert [item["name"] for item in walk(http, "/datasets", limit)] == names


def test_what_comes_and_goes_meanwhile_moves_nothing_else(http: httpx2.Client, local: LocalHub) -> None:
    for name in ("b", "d", "f", "h"):
        new_version(local, name)
    changes = iter(("remove", "add"))

    def change() -> None:
        match next(changes, ""):
            case "remove":
                local.catalog.remove_dataset("d")
            case "add":
                new_version(local, "a")

    assert [item["name"] for item in walk(http, "/datasets", 2, change)] == ["b", "d", "f", "h"]


def test_a_history_that_grows_at_its_front(http: httpx2.Client, local: LocalHub, clock: FakeClock) -> None:
    def happen(count: int = 1) -> None:
        for _ in range(count):
            local.volumes.record(VOLUME, "d@v1", "tried", "again", 1)
            clock.pass_by(1)

    happen(7)
    known = local.volumes.events(VOLUME, 100)
    assert [item["at"] for item in walk(http, f"/volumes/{VOLUME}/events", 3, happen)] == [item.at for item in known]
    assert len(walk(http, f"/volumes/{VOLUME}/events", 4)) == 9


def test_events_of_one_moment_are_told_apart(http: httpx2.Client, local: LocalHub) -> None:
    for number in range(6):
        local.volumes.record(VOLUME, "d@v1", "tried", "again", number // 2)
    assert [item["size_bytes"] for item in walk(http, f"/volumes/{VOLUME}/events", 1)] == [2, 2, 1, 1, 0, 0]


def test_tags_that_move_while_their_history_is_read(http: httpx2.Client, local: LocalHub) -> None:
    new_version(local, "d")
    new_version(local, "d", 200)

    def move() -> None:
        local.catalog.tag("d", "prod", 1, "ada")
        local.catalog.tag("d", "prod", 2, "ada")

    move()
    move()
    before = [item.number for item in local.catalog.tag_history("d")]
    assert [item["number"] for item in walk(http, "/datasets/d/tag-moves", 3, move)] == before


def test_the_client_goes_through_all_pages(remote: RemoteHub, local: LocalHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forebay.client.remote.connection.MOST_ON_A_PAGE", 2)
    versions = [new_version(local, f"d{number}") for number in range(5)]
    for version in versions:
        granted = local.fills.claim(VOLUME, version, holder())
        local.volumes.record(VOLUME, version.ref, "seen", granted.answer, 1)
    assert remote.catalog.datasets() == local.catalog.datasets()
    assert remote.replicas.all(VOLUME) == local.replicas.all(VOLUME)
    assert remote.fills.open_fills(VOLUME) == local.fills.open_fills(VOLUME)
    for most in (1, 2, 3, 5, 100):
        assert remote.volumes.events(VOLUME, most) == local.volumes.events(VOLUME, most)
    assert remote.volumes.events(VOLUME, 0) == []


@pytest.mark.parametrize("cursor", ["x", "e30", "bnVsbA", "WyJhIiwgW11d", "WzFd", "%F0"])
def test_cursors_that_are_none(http: httpx2.Client, local: LocalHub, cursor: str) -> None:
    new_version(local, "d")
    response = http.get("/datasets", params={"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["error"]["kind"] == "bad-cursor"
