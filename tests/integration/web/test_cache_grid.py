"""The cache's page with more sites than it has columns, and with subsets in every state."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import Crowded
from forebay.testing.web.dashboard import Dashboard


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """For who only looks."""
    clock = FakeClock(1_790_000_000.0)
    with Dashboard.on(tmp_path_factory.mktemp("home"), clock) as made:
        Crowded(made.hub, made.access, clock).make()
        yield made


@pytest.fixture(scope="module")
def admin(shown: Dashboard) -> TestClient:
    return shown.admin()


def words_of(markup: str) -> str:
    """What of it is to be read, with ` / ` between lines."""
    text = re.sub(r"<svg.*?</svg>", " ", markup, flags=re.DOTALL).replace("<br>", " / ")
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def grid_of(page: str) -> dict[str, dict[str, str]]:
    """What the cells say, by version and by column."""
    found = re.search(r'<table id="t-grid">(.*?)</table>', page, re.DOTALL)
    if found is None:
        return {}
    head, *lines = re.findall(r"<tr[^>]*>(.*?)</tr>", found[1], re.DOTALL)
    names = [words_of(cell).split(" ")[0] for cell in re.findall(r"<th[^>]*>(.*?)</th>", head, re.DOTALL)]
    rows = [[words_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)] for line in lines]
    return {"@".join(row[0].split(" ")[:2]): dict(zip(names, row, strict=True)) for row in rows}


def care_of(page: str) -> str:
    found = re.search(r'<section id="care".*?</section>', page, re.DOTALL)
    assert found is not None
    return words_of(found[0])


def test_it_says_of_each_subset_how_it_stands(admin: TestClient) -> None:
    found = grid_of(admin.get("/cache?q=parts&only=all&site=dgx-basement").text)
    said = {ref: row["dgx-basement"] for ref, row in found.items()}
    assert re.fullmatch(r"50 % \S+ MiB/s · \d+ s · 2 columns, 20 %", said.pop("parts@v2"))
    assert said == {
        "parts@v1": "partial 2 columns, 20 %",
        "parts@v3": "damaged 2 columns, 20 % · part-3.parquet is torn",
        "parts@v4": "partial 2 columns, 20 % · leaves with the next sweep",
        "parts@v5": "partial 2 columns, 20 % · pinned by vera",
        "parts@v6": "partial 2 columns, 20 % · in use by ada",
        "parts@v7": "absent would take 2 min / queued 2 columns, 20 % · waits for its turn",
        "parts@v8": "partial 2 columns, 20 % · leaving",
        "parts@v9": "ready / subset 2 columns, 20 % · pinned by vera",
    }


def test_the_bar_of_a_filling_subset_is_in_the_cell(admin: TestClient) -> None:
    page = admin.get("/cache?q=parts&only=filling&site=dgx-basement").text
    assert 'aria-label="50 % filled"' in page


def test_more_sites_than_columns_are_looked_at_all_the_same(admin: TestClient) -> None:
    page = admin.get("/cache").text
    found = grid_of(page)
    assert len(found["chest-xray@v3"]) == 3 + 12
    assert found["chest-xray@v3"]["site-12"] == "ready"
    assert "chest-xray@v3" not in grid_of(admin.get("/cache?only=absent").text)
    assert "clicks-raw@v1 at site-11" in care_of(page)


def test_who_looks_at_one_site_is_told_of_that_one(admin: TestClient) -> None:
    page = admin.get("/cache?site=site-11").text
    assert list(grid_of(page)) == ["clicks-raw@v1"]
    assert "clicks-raw@v1 at site-11" in care_of(page)
    assert "chest-xray@v2" not in care_of(page)
    assert "Without a column" not in page


def test_sites_without_a_column_are_named_and_keep_the_other_filters(admin: TestClient) -> None:
    page = admin.get("/cache?only=all&q=parts").text
    without = re.search(r"Without a column: (.*?)</p>", page, re.DOTALL)
    assert without is not None
    links = dict(re.findall(r'<a href="([^"]+)">([^<]+)</a>', without[1]))
    shown = {name for row in grid_of(page).values() for name in row}
    assert set(links.values()).isdisjoint(shown)
    assert len(links) == 16 - 12
    name = next(iter(links.values()))
    assert links[f"/cache?only=all&amp;q=parts&amp;site={name}"] == name


def test_the_filters_have_a_word_for_each_state(admin: TestClient) -> None:
    page = admin.get("/cache?only=evicting").text
    assert re.search(r'<option value="evicting" selected>leaving now</option>', page)
    assert list(grid_of(page)) == ["parts@v8"]
