"""The cache's page with more sites than it has columns, and with subsets in every state."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from forebay.testing.cached import FakeClock
from forebay.testing.web.caches import SECRET, Crowded
from forebay.testing.web.dashboard import Dashboard
from forebay.wire.access import Role


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
    assert list(grid_of(page)) == ["criteo-features@v1", "parts@v8"]


def test_programs_have_all_that_the_cells_say(admin: TestClient) -> None:
    page = admin.get("/cache?only=all&q=parts").text
    assert 'href="/cache?only=all&amp;q=parts&amp;table=replicas&amp;as=csv"' in page
    rows = admin.get("/cache?only=all&q=parts&table=replicas&as=json").json()
    assert {row["site"] for row in rows} == {"dgx-basement"}
    said = [(row["version"].partition("[")[0], "[" in row["version"], row["state"]) for row in rows]
    assert said == [
        ("parts@v9", False, "ready"),
        ("parts@v9", True, "ready"),
        ("parts@v8", True, "evicting"),
        ("parts@v7", True, "queued"),
        ("parts@v6", True, "ready"),
        ("parts@v5", True, "ready"),
        ("parts@v4", True, "stale"),
        ("parts@v3", True, "damaged"),
        ("parts@v2", True, "filling"),
        ("parts@v1", True, "ready"),
    ]
    assert [row["users"] for row in rows if row["users"]] == ["ada"]


def test_a_fill_and_a_pin_are_numbers_for_programs(admin: TestClient) -> None:
    rows = admin.get("/cache?only=filling&q=criteo&table=replicas&as=json").json()
    (fill,) = [row for row in rows if row["site"] == "aks-gpu" and row["version"] == "criteo@v3"]
    assert (fill["state"], fill["share"], fill["rate_bytes_s"]) == ("filling", 0.62, 10**9)
    assert fill["left_s"] == round(0.38 * 1030)
    (used,) = [row for row in rows if row["site"] == "dgx-basement" and row["version"] == "criteo@v3"]
    assert (used["users"], used["leases"], used["share"]) == ("ada olga", 2, None)
    (pinned,) = admin.get("/cache?only=pinned&q=xray&site=gcp-cpu&table=replicas&as=json").json()
    assert (pinned["version"], pinned["pinned_by"]) == ("chest-xray@v1", "vera")
    assert pinned["pin_until"] > 0


def test_programs_have_every_site(admin: TestClient) -> None:
    (head, *lines) = csv.reader(io.StringIO(admin.get("/cache?table=grid&as=csv").text))
    assert (len(head), head[-1]) == (3 + 16 + 1, "tags")
    assert {len(line) for line in lines} == {len(head)}
    rows = admin.get("/cache?table=grid&as=json").json()
    assert rows[0]["site-12"] in {"absent", "ready"}


def test_programs_are_told_of_nothing_that_is_hidden(shown: Dashboard) -> None:
    answer = shown.browser_of("ada", Role.SCIENTIST).get("/cache?only=all&table=replicas&as=csv")
    assert answer.status_code == 200
    assert "criteo@v3" in answer.text
    assert SECRET not in answer.text
