"""The pages of previews: every state, who may see what, what is written by whom, and how two versions compare."""

from __future__ import annotations

import html
import json
import re
from urllib.parse import parse_qsl

import pytest

from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Person
from forebay.hub.access.trail import Request
from forebay.hub.board.keep import nothing_kept
from forebay.hub.board.sight import Sight
from forebay.hub.web.page import Page
from forebay.hub.web.visit import Visit
from forebay.testing.cached.world import add_version
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.paths import PREVIEWS
from forebay.testing.web.previews import SHOWN, SITE, show_previews
from forebay.wire.access import Role
from forebay.wire.previews import ColumnPreview, Histogram, PreviewDone, PreviewKind, PreviewState, TablePreview

ADA = Person(user="ada", role=Role.SCIENTIST)
HERE = f"/datasets/{SHOWN}/v1/preview"


@pytest.fixture
def shown(dashboard: Dashboard) -> Dashboard:
    show_previews(dashboard.hub, dashboard.access)
    return dashboard


def test_every_page_is_there_and_no_name_becomes_markup(shown: Dashboard) -> None:
    browser = shown.browser_of("ada")
    for path in PREVIEWS:
        page = browser.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text
        assert "<b>note" not in page.text
        assert 'style="' not in page.text


def test_columns_have_their_distribution_as_a_picture_and_as_numbers(shown: Dashboard) -> None:
    page = shown.browser_of("ada").get(HERE)
    assert "4,000 rows" in page.text
    assert 'aria-label="Distribution of price' in page.text
    assert "data-live" not in page.text
    bins = shown.browser_of("bob").get(f"{HERE}?table=bins&as=json").json()
    prices = [row for row in bins if row["column"] == "price"]
    assert sum(row["rows"] for row in prices) == 4000
    assert len(prices) == 24
    columns = shown.browser_of("cid").get(f"{HERE}?table=columns&as=json").json()
    assert {row["column"]: row["type"] for row in columns}["age"] == "int64"


def test_the_sample_is_given_as_csv_in_which_nothing_is_a_formula(shown: Dashboard) -> None:
    text = shown.browser_of("ada").get(f"{HERE}?table=sample&as=csv").text
    assert text.splitlines()[0].startswith("row,clicked,seen_at,price")
    assert not re.search(r"(^|,)=1", text, re.MULTILINE)


def test_pictures_are_shown_in_small_and_are_nothing_but_pictures(shown: Dashboard) -> None:
    browser = shown.browser_of("ada")
    page = browser.get(f"{HERE}?kind=images")
    sources = re.findall(r'<img src="([^"]+)"', page.text)
    assert len(sources) == 4
    assert "can&#39;t be decoded" in page.text
    picture = browser.get(sources[0].replace("&amp;", "&"))
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert "sandbox" in picture.headers["content-security-policy"]
    assert browser.get(f"{HERE}/picture?path=faces/0.png&at=faces/4.png").status_code == 404


def test_one_that_is_made_just_now_appears_by_itself(shown: Dashboard) -> None:
    path = f"/datasets/{SHOWN}/v2/preview?kind=table&path=day_1.csv"
    page = shown.browser_of("ada").get(path)
    assert "data-live" in page.text
    assert f"The agent of {SITE} looks into" in page.text


def test_looking_has_it_made(shown: Dashboard) -> None:
    path = f"/datasets/{SHOWN}/v1/preview?kind=table&path=day_1.csv"
    assert "looks into" in shown.browser_of("ada").get(path).text
    token = shown.hub.sites.get(SITE).agent_token
    assert "day_1.csv" in str(shown.hub.sites.orders(SITE, token, 0, 0.0).previews)


def test_nowhere_ready_it_says_what_to_do(shown: Dashboard) -> None:
    page = shown.browser_of("ada").get(f"/datasets/{SHOWN}/v3/preview")
    assert "no site that is up has" in page.text
    assert f"forebay cache warm {SHOWN}@v3" in page.text


def test_a_failure_says_why_and_is_tried_again_on_demand(shown: Dashboard) -> None:
    browser = shown.browser_of("ada")
    path = f"{HERE}?kind=table&path=torn.parquet"
    assert "can&#39;t be read as parquet" in browser.get(path).text
    answer = browser.post(f"{HERE}/again", data={"kind": "table", "path": "torn.parquet"})
    assert answer.status_code == 303
    assert "looks into" in browser.get(answer.headers["location"]).text


def test_who_owns_it_switches_previews_off_and_on(shown: Dashboard) -> None:
    admin, other = shown.admin(), shown.browser_of("ada")
    assert "Switch previews off" in admin.get(HERE).text
    assert "Switch previews" not in other.get(HERE).text
    assert other.post(f"{HERE}/switch", data={"on": "no"}).status_code == 403
    assert admin.post(f"{HERE}/switch", data={"on": "no"}).status_code == 303
    off = other.get(HERE)
    assert f"Previews of {SHOWN} are switched off" in off.text
    assert "price" not in off.text
    assert other.get(f"{HERE}/picture?path=faces/0.png&at=faces/0.png").status_code == 403
    assert "Switch previews on" in admin.get(HERE).text
    admin.post(f"{HERE}/switch", data={"on": "yes"})
    assert "looks into" in other.get(HERE).text


def test_what_may_be_at_some_sites_only_is_shown_nowhere(shown: Dashboard) -> None:
    page = shown.admin().get("/datasets/ad-places/v1/preview")
    assert f"may be at {SITE} alone" in page.text


def test_a_viewer_sees_which_files_there_are_and_nothing_in_them(shown: Dashboard) -> None:
    viewer = shown.browser_of("vera", Role.VIEWER)
    page = viewer.get(HERE)
    assert page.status_code == 200
    assert "takes the role scientist" in page.text
    assert "4,000 rows" not in page.text
    assert viewer.get(f"{HERE}/picture?path=faces/0.png&at=faces/0.png").status_code == 403
    compared = viewer.get(f"/datasets/{SHOWN}/v2/diff/preview?with=1").text
    assert "price" not in compared


def test_a_version_that_drifted_stands_on_the_first_page(shown: Dashboard) -> None:
    page = shown.browser_of("ada").get("/").text
    assert f"{SHOWN}@v2 has drifted" in page
    line = re.search(r'is another population than in v1 \(PSI \d+\.\d\d\).*?href="([^"]+)"', page, re.DOTALL)
    assert line is not None
    change = shown.browser_of("ada").get(html.unescape(line[1]))
    assert "another population" in change.text
    assert "has drifted" not in shown.browser_of("vera", Role.VIEWER).get("/").text


def test_changes_are_told_to_the_row(shown: Dashboard) -> None:
    here = f"/datasets/{SHOWN}/v2/diff?with=v1"
    found = {row["name"]: row for row in shown.browser_of("ada").get(f"{here}&table=changes&as=json").json()}
    rows = found["day_1.csv"]
    assert (rows["old_rows"], rows["new_rows"]) == (4000, 4000)
    assert 0 < rows["rows_added"] <= 4000
    assert rows["rows_added"] == rows["rows_removed"]
    assert (found["torn.parquet"]["old_rows"], found["torn.parquet"]["rows_added"]) == (None, None)
    assert (found["faces/"]["old_rows"], found["readme.md"]["new_rows"]) == (None, None)
    page = shown.browser_of("bob").get(here).text
    assert "had 8,000 rows and have 8,000 rows, as far as counted: 4 of 6 files" in page
    assert "data-live" not in page


def test_rows_that_are_not_counted_say_why(shown: Dashboard) -> None:
    here = f"/datasets/{SHOWN}/v3/diff?with=v2"
    page = shown.browser_of("ada").get(here)
    assert f"Rows of {SHOWN}@v3 are not counted: no site that is up has {SHOWN}@v3 ready." in page.text
    assert "Changed files had 8,000 rows, as far as counted: 2 of 6 files." in page.text
    assert 'id="folder" aria-label="Changes by folder" data-live' in page.text
    viewer = shown.browser_of("vera", Role.VIEWER).get(f"/datasets/{SHOWN}/v2/diff?with=v1").text
    assert "takes the role scientist" in viewer
    assert "8,000" not in viewer
    shown.hub.previews.switch(SHOWN, False)
    off = shown.browser_of("bob").get(f"/datasets/{SHOWN}/v2/diff?with=v1").text
    assert f"Previews of {SHOWN} are switched off." in off
    assert "8,000" not in off


def test_PRIVATE_of_a_hidden_dataset_there_is_no_page(dashboard: Dashboard) -> None:
    insider, outsider = dashboard.browser_of("ben", Role.SCIENTIST, "ads"), dashboard.browser_of("eve", Role.ENGINEER)
    show_previews(dashboard.hub, dashboard.access, read=("ads",))
    assert "4,000 rows" in insider.get(HERE).text
    for path in (*PREVIEWS[:7], f"{HERE}/picture?path=faces/0.png&at=faces/0.png"):
        hidden, missing = outsider.get(path), outsider.get(path.replace(SHOWN, "ad-cliqks"))
        assert hidden.status_code == missing.status_code == 404, path
        assert _core(hidden.text).replace(SHOWN, "ad-cliqks") == _core(missing.text)
    for act in ("again", "switch"):
        assert outsider.post(f"{HERE}/{act}", data={"kind": "table", "path": "day_0.parquet"}).status_code == 404


def _core(text: str) -> str:
    """Without ids of requests, and the names that are near to the one that was asked for: another has others."""
    return re.sub(r"[0-9a-f]{16,}|<p>(Did you mean|forebay dataset ls)[^<]*</p>", "", text)


def test_two_versions_are_compared_by_schema_and_distribution(shown: Dashboard) -> None:
    browser = shown.browser_of("ada")
    address = f"/datasets/{SHOWN}/v2/diff/preview?with=1"
    rows = {row["column"]: row for row in browser.get(f"{address}&table=shifts&as=json").json()}
    assert rows["campaign"]["change"] == "added"
    assert rows["topics"]["change"] == "removed"
    assert rows["age"]["change"] == "another type"
    assert rows["price"]["psi"] > 0.25
    assert rows["clicked"]["psi"] < 0.1
    assert rows["seen_at"]["psi"] > 0.25
    assert {name: row["values"] for name, row in rows.items()} == {
        "clicked": "steady",
        "seen_at": "moves on",
        "price": "another population",
        "age": "steady",
        "country": "another population",
        "user": "not compared",
        "<b>note</b>": "steady",
        "campaign": "not compared",
        "topics": "not compared",
    }
    page = browser.get(address).text
    assert "another population" in page
    told = "Of 9 columns: 3 changes of the schema, 2 columns of another population, 1 column of times or keys"
    assert told in page
    assert "moves on by itself" in page
    (others,) = re.findall(r"has drifted.*?\(PSI [^)]*\), and (\d+) other column", browser.get("/").text, re.DOTALL)
    assert int(others) + 1 == 2, "the first page counts the same ones"
    assert browser.get(f"/datasets/{SHOWN}/v2/diff/preview").text.count("v1") >= 1


def add(shown: Dashboard, **etags: str) -> None:
    """A version of `SHOWN` that is nowhere, with files of these names."""
    entries = [Entry(path=f"{name}.csv", size_bytes=9, etag=etag) for name, etag in etags.items()]
    add_version(shown.hub, SHOWN, Manifest.registered(entries), f"s3://lake/{SHOWN}")


def test_a_file_that_one_of_them_alone_has_is_shown_alone(shown: Dashboard) -> None:
    add(shown, day_1="4", day_2="4")
    browser = shown.browser_of("ada")
    address = f"/datasets/{SHOWN}/v2/diff/preview?path=day_0.parquet&with="
    for other in ("v4", "ad-notes@v1"):
        page = browser.get(f"{address}{other}")
        assert page.status_code == 200
        lacking = other if "@" in other else f"{SHOWN}@{other}"
        assert f"{lacking} has no file day_0.parquet. There is nothing to compare" in page.text
        assert 'aria-label="Distribution of price' in page.text
    rows = browser.get(f"{address}v4&table=columns&as=json").json()
    assert "price" in {row["column"] for row in rows}
    gone = browser.get(f"/datasets/{SHOWN}/v4/diff/preview?path=day_0.parquet&with=v2").text
    assert f"{SHOWN}@v4 has no file day_0.parquet." in gone
    assert 'aria-label="Distribution of price' in gone
    new = browser.get(f"/datasets/{SHOWN}/v4/diff/preview?path=day_2.csv&with=v2")
    assert f"{SHOWN}@v2 has no file day_2.csv." in new.text
    assert "no site that is up has" in new.text
    assert browser.get(f"/datasets/{SHOWN}/v4/diff/preview?path=day_9.csv&with=v2").status_code == 404
    viewer = shown.browser_of("vera", Role.VIEWER).get(f"{address}v4")
    assert "takes the role scientist" in viewer.text
    assert "price" not in viewer.text


def test_a_comparison_begins_with_a_file_that_changed(shown: Dashboard) -> None:
    add(shown, day_0="same", day_1="before", day_2="before")
    add(shown, a_new_one="x", day_0="same", day_1="after", day_2="after")
    add(shown, another_new_one="y", day_0="same")
    browser = shown.browser_of("ada")
    page = browser.get(f"/datasets/{SHOWN}/v5/diff/preview")
    assert '<option value="day_1.csv" selected>' in page.text
    assert page.text.count("no site that is up has") == 2
    nothing_changed = browser.get(f"/datasets/{SHOWN}/v6/diff/preview").text
    assert '<option value="day_0.csv" selected>' in nothing_changed
    other = browser.get(f"/datasets/{SHOWN}/v4/diff/preview?with=ad-notes@v1").text
    assert "ad-notes@v1 has no file day_0.csv." in other


def test_another_dataset_is_compared_as_far_as_its_files_have_the_same_names(shown: Dashboard) -> None:
    browser = shown.browser_of("ada")
    page = browser.get(f"/datasets/ad-notes/v1/diff/preview?other={SHOWN}@v1").text
    assert f"ad-notes@v1 has no file day_0.parquet. There is nothing to compare: this is what {SHOWN}@v1 has." in page
    barred = browser.get(f"/datasets/{SHOWN}/v1/diff/preview?with=ad-faces@v1").text
    assert "Previews of ad-faces are switched off" in barred


def test_both_sides_are_drawn_over_the_same_range(shown: Dashboard) -> None:
    page = shown.browser_of("ada").get(f"/datasets/{SHOWN}/v2/diff/preview?with=1&path=day_0.parquet").text
    (row,) = re.findall(r'<tr><th scope="row"><span class="mono">seen_at</span>.*?</tr>', page, re.DOTALL)
    before, after = re.findall(r"<svg.*?</svg>", row, re.DOTALL)
    ends = re.findall(r'class="ends" aria-hidden="true"><span>([^<]*)</span><span>([^<]*)</span>', row)
    assert ends == [("2026-03-01 00:00", "2026-03-02 23:59")] * 2
    (clicked,) = re.findall(r'<tr><th scope="row"><span class="mono">clicked</span>.*?</tr>', page, re.DOTALL)
    assert re.findall(r'class="ends" aria-hidden="true"><span>0</span><span>1</span>', clicked) != []
    bars = [
        [float(x) for x in re.findall(r'class="bin" x="([^"]*)"[^>]*height="(?!0")', side)] for side in (before, after)
    ]
    assert max(bars[0]) <= min(bars[1]) + 4, "a day later"
    assert "between 2026-03-01 00:00 and 2026-03-02 23:59" in before
    (row,) = re.findall(r'<tr><th scope="row"><span class="mono">country</span>.*?</tr>', page, re.DOTALL)
    lists = [re.findall(r'class="value">([^<]*)<', side) for side in row.split("</ul>")[:2]]
    assert lists[0] == lists[1]
    assert sorted(lists[0]) == ["DE", "FR", "PL", "US"]


def test_a_comparison_waits_for_both(shown: Dashboard) -> None:
    page = shown.browser_of("ada").get(f"/datasets/{SHOWN}/v3/diff/preview?with=1").text
    assert "data-live" in page
    assert "no site that is up has" in page


def test_the_first_version_has_none_before_it(shown: Dashboard) -> None:
    assert shown.browser_of("ada").get(f"/datasets/{SHOWN}/v1/diff/preview").status_code == 404


@pytest.mark.parametrize(
    "path", ["v0x/preview", "v99/preview", "v1/preview?path=nothing.csv", "v1/preview?path=../x.csv"]
)
def test_what_is_not_there_is_not_found(shown: Dashboard, path: str) -> None:
    assert shown.browser_of("ada").get(f"/datasets/{SHOWN}/{path}").status_code == 404


def test_a_preview_with_odd_numbers_is_drawn(shown: Dashboard) -> None:
    """What an agent of another release may send, as long as it holds together."""
    asked = shown.hub.previews.ask(f"{SHOWN}@v1", PreviewKind.TABLE, "day_1.csv")
    assert asked.state is PreviewState.ORDERED
    token = shown.hub.sites.get(SITE).agent_token
    order = next(o for o in shown.hub.sites.orders(SITE, token, 0, 0.0).previews if o.ref == f"{SHOWN}@v1")
    odd = ColumnPreview(
        name="",
        type="timestamp[ns]",
        nulls=7,
        mean=1e300,
        quantiles=(1.0,) * 5,
        histogram=Histogram(edges=(-1e300, 0.0, 1e300), counts=(0, 0)),
    )
    table = TablePreview(size_bytes=0, columns=(odd, odd), sample=((None, "x"),), seen_rows=0)
    shown.hub.previews.done(SITE, token, PreviewDone(preview_id=order.preview_id, token=order.token, table=table))
    page = shown.browser_of("ada").get(f"{HERE}?path=day_1.csv&kind=table")
    assert page.status_code == 200
    assert "(no name)" in page.text
    assert json.loads(shown.browser_of("bob").get(f"{HERE}?path=day_1.csv&kind=table&table=sample&as=json").text)


@pytest.mark.parametrize(("path", "part"), [(PREVIEWS[1], "preview"), (PREVIEWS[4], "preview"), (PREVIEWS[6], "shift")])
def test_a_live_part_is_drawn_alone(shown: Dashboard, path: str, part: str) -> None:
    address, _, query = path.partition("?")
    pairs = tuple(parse_qsl(query))
    route = next(item for item in shown.site.routes if item.live == (part,))
    name, version = address.split("/")[2:4]
    visit = Visit(
        hub=Guarded(shown.hub, shown.access, ADA, Request()),
        sight=Sight(principal=ADA),
        read=shown.site.read,
        data_of=lambda name: shown.access.subjects.data(name, ADA),
        now=shown.clock.now(),
        address=path,
        path={"name": name, "number": version.removeprefix("v")},
        query_pairs=pairs,
        keep=nothing_kept(Sight(principal=ADA)),
    )
    page = route.view(visit)
    assert isinstance(page, Page)
    parts = shown.site.renderer.parts(page, visit, route.live)
    assert parts[part].startswith(f'<section id="{part}"')
    assert "data-live" in parts[part]
