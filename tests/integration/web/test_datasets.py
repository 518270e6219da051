"""Pages of datasets and versions: what they show to whom, and what their forms do."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from forebay.catalog.manifest import Entry, Manifest
from forebay.client.commit_here import CommitHere
from forebay.client.session import Session
from forebay.errors import ConflictError
from forebay.hub.web.committer import CommittedHere, Wanted
from forebay.hub.web.lister import Lister
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder, store_manifest
from forebay.testing.web.dashboard import Dashboard
from forebay.wire.access import AuditQuery, DatasetPolicy, Role
from forebay.wire.cache import FillDone, Granted, ReplicaState
from forebay.wire.catalog import MadeBy, NewVersion, ParentVersion, Version
from forebay.wire.hub import Hub
from forebay.wire.runs import DataUse, NewRun
from forebay.wire.sites import Hello

VOLUME = "v1"


def add(dashboard: Dashboard, dataset: str, *paths: str, parents: tuple[Version, ...] = (), **facts: Any) -> Version:
    entries = [Entry(path=path, size_bytes=1000, etag=f"{dataset}-{path}") for path in paths]
    return store(dashboard, dataset, entries, parents=parents, **facts)


def store(
    dashboard: Dashboard, dataset: str, entries: list[Entry], *, parents: tuple[Version, ...] = (), **facts: Any
) -> Version:
    new = NewVersion(
        dataset=dataset,
        manifest_digest=store_manifest(dashboard.hub, Manifest.registered(entries)),
        origin="registered",
        lake_url="s3://lake/x",
        created_by="ada",
        parents=tuple(ParentVersion(dataset=item.dataset, number=item.number) for item in parents),
    )
    return dashboard.hub.catalog.add_version(replace(new, **facts)).version


def bring(dashboard: Dashboard, version: Version) -> None:
    """Have it on a volume of no site, in use."""
    dashboard.hub.volumes.add(VOLUME, "/volume", 10**9)
    granted = dashboard.hub.fills.claim(VOLUME, version, holder())
    assert isinstance(granted, Granted)
    done = FillDone(added_bytes=10, moved_bytes=10, present_bytes=0, seconds=1.0, seal_digest="")
    dashboard.hub.fills.finish(granted.fill_id, granted.token, done)
    dashboard.hub.leases.take(VOLUME, version, holder())


@pytest.fixture
def filled(dashboard: Dashboard) -> Dashboard:
    """`clicks` with two versions, `features` made from it, `secret` for the team ads."""
    for user in ("ada", "eve"):
        dashboard.access.add_user(user, Role.SCIENTIST)
    dashboard.access.join_team("ads", ["ada"])
    first = add(dashboard, "clicks", "day=1/a.tsv", "day=1/b.tsv", "day=2/a.tsv", message="week 1")
    add(dashboard, "clicks", "day=1/a.tsv", "day=2/a.tsv", "day=3/a.tsv", message="week 2")
    add(dashboard, "features", "part.parquet", parents=(first,))
    add(dashboard, "secret", "x")
    dashboard.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",)))
    dashboard.hub.catalog.tag("clicks", "prod", 1, "ada")
    bring(dashboard, first)
    return dashboard


def words_of(text: str) -> str:
    """What somebody reads, with single blanks."""
    body = text.partition("<main")[2]
    told = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())
    return re.sub(r" ([;,.])", r"\1", told)


def page(browser: TestClient, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    return words_of(answer.text)


def sent(browser: TestClient, path: str, **fields: Any) -> str:
    """Send a form that works; where it led to, as words."""
    answer = browser.post(path, data=fields)
    assert answer.status_code == 303, words_of(answer.text)
    return page(browser, answer.headers["location"])


def test_the_list_says_what_there_is(filled: Dashboard) -> None:
    shown = page(filled.admin(), "/datasets")
    assert "3 datasets with 4 versions" in shown
    assert "1 of them is near compute" in shown
    assert "clicks prod v2" in shown
    assert "this machine v1" in shown


def test_the_list_is_searched_and_given_as_a_file(filled: Dashboard) -> None:
    browser = filled.admin()
    found = json.loads(browser.get("/datasets?q=feat&table=datasets&as=json").text)
    assert [row["dataset"] for row in found] == ["features"]
    csv = browser.get("/datasets?tag=prod&table=datasets&as=csv").text
    assert csv.splitlines()[1].startswith("clicks,2,3000,2,")
    assert "No dataset that you may see is like that" in page(browser, "/datasets?q=nothing")
    assert "1 dataset" in page(browser, "/datasets?order=nonsense&page=x&q=clicks")


def test_files_of_lists_have_the_marks_that_stand_beside_names(filled: Dashboard) -> None:
    browser = filled.admin()
    filled.hub.catalog.tag("clicks", "best", 1, "ada")
    filled.hub.retention.retire("clicks", 2, "wrong labels", "ada")
    rows = json.loads(browser.get("/datasets/clicks?table=versions&as=json").text)
    told = {row["version"]: (row["tags"], row["retired"]) for row in rows}
    assert told == {"clicks@v2": ("", True), "clicks@v1": ("best prod", False)}
    csv = browser.get("/datasets/clicks?table=versions&as=csv").text.splitlines()
    assert csv[0].endswith(",places,tags,retired,made_by")
    found = json.loads(browser.get("/datasets?table=datasets&as=json").text)
    assert {row["dataset"]: row["tags"] for row in found} == {"clicks": "best:v1 prod:v1", "features": "", "secret": ""}
    text = browser.get("/datasets/clicks").text
    assert "Retired</th>" not in text
    assert "Tags</th>" not in text


def test_an_empty_list_teaches_the_first_step(dashboard: Dashboard) -> None:
    shown = page(dashboard.admin(), "/datasets")
    assert "forebay dataset register NAME 's3://bucket/folder/*'" in shown


def test_what_is_hidden_is_on_no_page(filled: Dashboard) -> None:
    child = filled.hub.catalog.resolve("secret@v1")
    add(filled, "report", "page", parents=(child, filled.hub.catalog.resolve("clicks@v1")))
    eve = filled.browser_of("eve")
    for path in (
        "/datasets",
        "/datasets?q=secret",
        "/datasets/report",
        "/datasets/report/v1",
        "/datasets/report/v1/lineage",
        "/datasets/clicks/v1/lineage",
    ):
        assert "secret" not in words_of(eve.get(path).text).replace('secret"', "")
    missing = eve.get("/datasets/nothing")
    for path in ("", "/tags", "/settings", "/forget", "/v1", "/v1/files", "/v1/diff", "/v1/lineage", "/v1/retire"):
        hidden = eve.get(f"/datasets/secret{path}")
        assert hidden.status_code == missing.status_code == 404
        assert (
            words_of(hidden.text).replace("secret", "nothing").partition("request")[0]
            == words_of(missing.text).partition("request")[0]
        )
    assert eve.get("/datasets/clicks/v1/diff?with=secret@v1").status_code == 404
    assert eve.post("/datasets/secret/tags", data={"tag": "x", "number": "1"}).status_code == 404
    assert "secret" in page(filled.browser_of("ada"), "/datasets/report/v1/lineage")


def test_a_dataset_is_told_by_its_versions(filled: Dashboard) -> None:
    shown = page(filled.admin(), "/datasets/clicks")
    assert "2 versions, 5.9 KiB in all; owner ada" in shown
    assert "v1 prod" in shown
    assert "week 2" in shown
    assert "in use by 1" in shown
    assert "1 opening in 30 days" in shown
    assert "tester 1" in shown
    days = json.loads(filled.admin().get("/datasets/clicks?table=openings&as=json").text)
    assert [row["openings"] for row in days] == [0] * 29 + [1]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in days)
    rows = json.loads(filled.admin().get("/datasets/clicks?table=versions&as=json").text)
    assert [(row["version"], row["grew_bytes"], row["uses"]) for row in rows] == [
        ("clicks@v2", 0, 0),
        ("clicks@v1", None, 1),
    ]


def test_a_dataset_says_who_may_read_it_and_where_it_may_be(filled: Dashboard) -> None:
    browser = filled.browser_of("ada")
    shown = page(browser, "/datasets/clicks")
    assert "Read by everybody, as their role allows; its bytes may be at any site. Settings" in shown
    filled.hub.sites.attach(Hello(site="dgx", volume_id="v-dgx"))
    filled.access.set_policy(DatasetPolicy(dataset="secret", read=("ads",), sites=("dgx",)))
    shown = page(browser, "/datasets/secret")
    assert "Read by ads, its owner and admins; its bytes may be at dgx only. Settings" in shown


def test_a_new_version_does_not_take_the_lineage_away(filled: Dashboard) -> None:
    shown = page(filled.admin(), "/datasets/clicks")
    assert "Lineage of clicks@v1" in shown
    assert "It is the newest version that was made from something" in shown
    assert 'href="/datasets/clicks/v1/lineage"' in filled.admin().get("/datasets/clicks").text
    shown = page(filled.admin(), "/datasets/features")
    assert "Lineage of features@v1" in shown
    assert "It is the newest version" not in shown
    assert "Lineage" not in page(filled.browser_of("ada"), "/datasets/secret")


def test_buttons_are_only_for_who_may(filled: Dashboard) -> None:
    viewer = filled.browser_of("vera", Role.VIEWER)
    for path in (
        "/datasets",
        "/datasets/clicks",
        "/datasets/clicks/v2",
        "/datasets/clicks/tags",
        "/datasets/clicks/settings",
    ):
        text = viewer.get(path).text.partition("<main")[2]
        assert not re.search(r'method="post"|class="btn', text), path
    engineer = filled.browser_of("ed", Role.ENGINEER)
    assert "Retire…" in page(engineer, "/datasets/clicks/v2")
    assert "Forget clicks…" in page(engineer, "/datasets/clicks/settings")
    assert "Retire…" not in page(filled.browser_of("eve"), "/datasets/clicks/v2")
    assert "/cache/-/warm?ref=clicks%40v2" in filled.browser_of("eve").get("/datasets/clicks/v2").text


def test_a_version_says_how_to_use_it(filled: Dashboard) -> None:
    shown = page(filled.admin(), "/datasets/clicks/v1")
    assert "3 files, 2.9 KiB; registered" in shown
    assert "forebay cache warm clicks@v1" in shown
    assert 'with forebay.open("clicks@v1") as clicks' in shown
    assert 'fsspec.filesystem("forebay").ls("clicks@v1")' in shown
    assert filled.hub.catalog.resolve("clicks@v1").manifest_digest[:20] in shown
    assert "clicks@v1" in page(filled.admin(), "/datasets/features/v1"), "what it was made from"


def test_a_version_lists_the_runs_that_used_it(filled: Dashboard) -> None:
    data = (DataUse(name="clicks", ref="clicks@prod"),)
    run = filled.hub.runs.submit(NewRun(command=("python", "train.py"), data=data, submitted_by="eve", title="CTR"))
    answer = filled.admin().get("/datasets/clicks/v1")
    assert f'href="/runs/{run.run_id}"' in answer.text
    assert "CTR" in words_of(answer.text)
    assert "No run has read it yet" in page(filled.admin(), "/datasets/clicks/v2")


def test_a_version_names_who_opened_it(filled: Dashboard) -> None:
    shown = page(filled.admin(), "/datasets/clicks/v1")
    assert "opened 1 time" in shown
    assert "Who opened it The last ones Who Last tester" in shown
    given = json.loads(filled.browser_of("eve").get("/datasets/clicks/v1?table=users&as=json").text)
    assert [row["user"] for row in given] == ["tester"]
    assert "Nobody has opened it yet" in page(filled.admin(), "/datasets/clicks/v2")


def test_what_a_run_made_leads_to_it(filled: Dashboard) -> None:
    add(filled, "model", "weights", made_by=MadeBy(command="python", parameters="run 0123456789abcdef; python 3.11"))
    assert 'href="/runs/0123456789abcdef"' in filled.admin().get("/datasets/model/v1").text


def test_files_are_a_tree(filled: Dashboard) -> None:
    browser = filled.admin()
    assert "day=1/ 2" in page(browser, "/datasets/clicks/v1/files")
    assert "a.tsv" in page(browser, "/datasets/clicks/v1/files?folder=day=1")
    found = page(browser, "/datasets/clicks/v1/files?find=a.tsv")
    assert "2 files with a.tsv in the path" in found
    one = page(browser, "/datasets/clicks/v1/files?file=day=1/a.tsv")
    assert "s3://lake/x/day=1/a.tsv" in one
    assert "pandas.read_table('forebay://clicks@v1/day=1/a.tsv')" in one
    assert "No path has" in page(browser, "/datasets/clicks/v1/files?find=zzz")
    page(browser, "/datasets/clicks/v1/files?folder=nowhere", 404)
    page(browser, "/datasets/clicks/v1/files?start=minus", 400)
    page(browser, "/datasets/clicks/v9/files", 404)
    page(browser, "/datasets/clicks/vx", 404)


def test_files_that_were_found_go_on_a_page_at_a_time(filled: Dashboard) -> None:
    paths = [f"part-{number:03}.csv" for number in range(230)]
    add(filled, "parts", "a.txt", *paths, "z.txt")
    browser = filled.admin()
    address, found, captions = "/datasets/parts/v1/files?find=part-", list[str](), list[str]()
    while address:
        text = browser.get(address).text
        found += re.findall(r"files\?file=(part-[^\"]*)", text)
        captions += re.findall(r"<caption>([^<]*)</caption>", text)
        more = re.search(r'<a class="more" href="([^"]*)" rel="next"', text)
        address = html.unescape(more[1]) if more else ""
    assert found == paths
    begins = "230 files with part- in the path; "
    assert captions == [f"{begins}{told} by path" for told in ("1 to 100", "101 to 200", "201 to 230")]
    given = json.loads(browser.get("/datasets/parts/v1/files?find=part-&table=files&as=json").text)
    assert [row["name"] for row in given] == paths
    assert "No path behind row 900 has part- in it" in page(browser, "/datasets/parts/v1/files?find=part-&start=900")
    page(browser, "/datasets/parts/v1/files?find=part-&start=minus", 400)
    later = browser.get("/datasets/parts/v1/files?find=part-&start=100").text
    (whole,) = re.findall(r'href="([^"]*table=files&amp;as=json)"', later)
    assert json.loads(browser.get(html.unescape(whole)).text) == given


def test_a_difference_begins_with_the_version_before(filled: Dashboard) -> None:
    browser = filled.admin()
    shown = page(browser, "/datasets/clicks/v2/diff")
    assert "From clicks@v1 to clicks@v2: 67 % of the bytes are the same" in shown
    assert "day=1/ 1 removed" in shown
    assert "day=3/ 1 added" in shown
    inside = page(browser, "/datasets/clicks/v2/diff?with=v1&folder=day=3")
    assert "a.tsv added" in inside
    assert "From features@v1" in page(browser, "/datasets/clicks/v2/diff?with=features@v1")
    assert "no other version" in page(browser, "/datasets/features/v1/diff")


def test_any_other_version_may_be_named_to_compare_with(filled: Dashboard) -> None:
    browser = filled.browser_of("eve")
    here = "/datasets/clicks/v2/diff"
    for wanted in ("?with=1", "?with=v1", "?other=clicks@v1&with=v2", "?other=v1"):
        assert "From clicks@v1 to clicks@v2" in page(browser, f"{here}{wanted}")
    typed = browser.get(f"{here}?with=v1&other=features@v1")
    assert "From features@v1 to clicks@v2" in words_of(typed.text)
    assert f'href="{here}/preview?with=features%40v1"' in typed.text
    assert '<option value="features@v1" selected>' in typed.text
    for wanted, status, told in (
        ("prod", 400, "names no version by its number. Write v3 or clicks@v3."),
        ("Clicks@v1", 400, "cannot be the name of a dataset"),
        ("features@v9", 404, "There is no version features@v9"),
        ("secret@v1", 404, "There is no dataset 'secret'"),
    ):
        wrong = browser.get(f"{here}?other={wanted}")
        assert wrong.status_code == status
        assert told in words_of(wrong.text)
        assert f'value="{wanted}"' in wrong.text, "what was written is still there"
        assert "bytes are" not in words_of(wrong.text)
        assert browser.get(f"{here}/preview?other={wanted}").status_code == status


def test_changed_tables_lead_to_how_they_changed(dashboard: Dashboard) -> None:
    for mark in ("1", "2"):
        marks = {"a.csv": mark, "new.csv": mark, "readme.md": mark, "same.csv": "0"}
        entries = [Entry(path=path, size_bytes=9, etag=etag) for path, etag in marks.items()]
        store(dashboard, "clicks", [item for item in entries if mark == "2" or item.path != "new.csv"])
    text = dashboard.admin().get("/datasets/clicks/v2/diff").text
    base = "/datasets/clicks/v2/diff/preview"
    assert re.findall(rf'href="({base}\?path=[^"]*)"', text) == [
        f"{base}?path={path}&amp;with=v1" for path in ("a.csv", "new.csv")
    ]


def test_what_is_not_known_to_be_the_same_is_not_told_as_changed(dashboard: Dashboard) -> None:
    kept = [Entry(path="kept", size_bytes=500, etag="one")]
    old = [Entry(path="a", size_bytes=1000), Entry(path="b", size_bytes=1000, etag="one"), *kept]
    new = [Entry(path="a", size_bytes=1000), Entry(path="b", size_bytes=1500, etag="two"), *kept]
    for entries in (old, new, [*new, Entry(path="c", size_bytes=5)]):
        store(dashboard, "clicks", entries)
    browser = dashboard.admin()
    told = page(browser, "/datasets/clicks/v2/diff")
    assert "17 % of the bytes are known to be the same, 50 % are new or changed, 33 % not known." in told
    assert "learned as a version is filled" in told
    little = page(browser, "/datasets/clicks/v3/diff")
    assert "67 % of the bytes are known to be the same, <1 % are new or changed, 33 % not known." in little


def test_a_moved_file_has_the_same_bytes(dashboard: Dashboard) -> None:
    for path, other in (("a", "cd"), ("b", "ef")):
        entries = [
            Entry(path=path, size_bytes=750, digest="ab" * 32),
            Entry(path=f"new-{path}", size_bytes=250, digest=other * 32),
        ]
        digest = store_manifest(dashboard.hub, Manifest.committed(entries))
        store(dashboard, "clicks", [], manifest_digest=digest, origin="committed")
    told = page(dashboard.admin(), "/datasets/clicks/v2/diff")
    assert "75 % of the bytes are the same." in told
    assert "not known" not in told


def test_lineage_is_drawn_and_told(filled: Dashboard) -> None:
    answer = filled.admin().get("/datasets/clicks/v1/lineage")
    assert "<svg" in answer.text
    assert 'href="/datasets/features/v1"' in answer.text
    assert "0 before it, 1 after it" in words_of(answer.text)
    assert "Made from nothing that the hub knows" in page(filled.admin(), "/datasets/clicks/v2/lineage")


def test_a_tag_is_set_moved_and_removed(filled: Dashboard) -> None:
    browser = filled.browser_of("eve")
    assert "clicks@best is v2 now" in sent(browser, "/datasets/clicks/tags", tag="best", number="2")
    assert "clicks@best is v1 now" in sent(browser, "/datasets/clicks/tags", tag="best", number="1")
    wrong = browser.post("/datasets/clicks/tags", data={"tag": "V 1", "number": "2"})
    assert wrong.status_code == 422
    assert 'value="V 1"' in wrong.text, "what was written is still there"
    assert "cannot be the name of a tag" in words_of(wrong.text)
    assert "Remove the tag best of clicks?" in page(browser, "/datasets/clicks/tags/best/remove")
    shown = sent(browser, "/datasets/clicks/tags/best/remove")
    assert "The tag best is removed" in shown
    assert "best removed eve" in shown
    page(browser, "/datasets/clicks/tags/best/remove", 404)


def test_team_policy_and_idle_time_are_set_by_the_owner(filled: Dashboard) -> None:
    ada = filled.browser_of("ada")
    assert "clicks counts for ads now" in sent(ada, "/datasets/clicks/settings/team", team="ads")
    assert filled.hub.catalog.dataset("clicks").team == "ads"
    sent(ada, "/datasets/clicks/settings/idle", idle="days", idle_days="3")
    assert filled.hub.catalog.dataset("clicks").stale_after_s == 3 * 86_400
    assert "Idle replicas stay 3 days" in page(ada, "/datasets/clicks/settings")
    wrong = ada.post("/datasets/clicks/settings/idle", data={"idle": "days", "idle_days": "0"})
    assert (wrong.status_code, "at least 1" in wrong.text) == (422, True)
    sent(ada, "/datasets/clicks/settings/policy", write="ads", run=" ads ")
    policy = filled.access.policy("clicks")
    assert (policy.read, policy.write, policy.run, policy.set_by) == ((), ("ads",), ("ads",), "ada")
    refused = ada.post("/datasets/clicks/settings/policy", data={"read": "ads"})
    assert refused.status_code == 422
    assert "is on the volume" in words_of(refused.text)
    eve = filled.browser_of("eve")
    assert eve.post("/datasets/clicks/settings/team", data={"team": ""}).status_code == 403
    assert filled.hub.catalog.dataset("clicks").team == "ads"


def test_a_dataset_is_described_by_its_owner(filled: Dashboard) -> None:
    ada, eve = filled.browser_of("ada"), filled.browser_of("eve")
    assert "Nobody has said it yet" in page(ada, "/datasets/clicks/settings")
    shown = sent(ada, "/datasets/clicks/settings/about", description="Ads that were <clicked>")
    assert "What clicks is, is said" in shown
    assert "Ads that were <clicked>" in page(eve, "/datasets/clicks")
    assert "&lt;clicked&gt;" in eve.get("/datasets/clicks").text
    found = json.loads(eve.get("/datasets?q=were&table=datasets&as=json").text)
    assert [row["dataset"] for row in found] == ["clicks"]
    filled.hub.catalog.describe("clicks", "Übersicht der Größen")
    for text in ("übersicht", "ÜBERSICHT GRÖ", "Größen"):
        assert len(json.loads(eve.get("/datasets", params={"q": text, "table": "datasets", "as": "json"}).text)) == 1
    wrong = ada.post("/datasets/clicks/settings/about", data={"description": "x" * 2001})
    assert (wrong.status_code, "has at most 2,000 letters" in wrong.text, "x" * 2001 in wrong.text) == (422, True, True)
    assert eve.post("/datasets/clicks/settings/about", data={"description": "mine"}).status_code == 403
    assert filled.hub.catalog.dataset("clicks").description == "Übersicht der Größen"
    (deed,) = filled.access.audit(AuditQuery(user="eve", action="govern")).records
    assert (deed.outcome.value, deed.dataset, deed.detail) == ("refused", "clicks", "is 'mine'")


def test_retention_is_shown_before_it_is_set(filled: Dashboard, clock: FakeClock) -> None:
    add(filled, "clicks", "day=4/a.tsv")
    clock.pass_by(30 * 86_400.0)
    browser = filled.browser_of("ed", Role.ENGINEER)
    shown = page(browser, "/datasets/clicks/settings/retention?keep_last=1&keep_days=")
    assert "1 version would be retired now" in shown
    assert "v2 retired" in shown
    assert "v1 kept" in shown, "it is tagged"
    fates = json.loads(browser.get("/datasets/clicks/settings/retention?keep_last=1&table=fates&as=json").text)
    assert {row["version"]: row["fate"] for row in fates}["clicks@v2"] == "retired"
    assert filled.hub.retention.policy("clicks").keeps_all
    assert "Kept is the newest 1; 1 version retired" in sent(
        browser, "/datasets/clicks/settings/retention", keep_last="1", keep_days=""
    )
    assert filled.hub.catalog.resolve("clicks@v2").is_retired
    wrong = browser.get("/datasets/clicks/settings/retention?keep_last=0")
    assert wrong.status_code == 422
    assert "at least 1" in wrong.text


def test_a_version_is_retired_restored_and_forgotten(filled: Dashboard) -> None:
    browser = filled.browser_of("ed", Role.ENGINEER)
    assert "Retire clicks@v2?" in page(browser, "/datasets/clicks/v2/retire")
    shown = sent(browser, "/datasets/clicks/v2/retire", reason="wrong labels")
    assert "wrong labels" in shown
    assert "retired" in page(browser, "/datasets/clicks")
    assert "Restore clicks@v2?" in page(browser, "/datasets/clicks/v2/restore")
    assert "clicks@v2 is as it was" in sent(browser, "/datasets/clicks/v2/restore")
    assert not filled.hub.catalog.resolve("clicks@v2").is_retired
    assert "Forget clicks@v2?" in page(browser, "/datasets/clicks/v2/forget")
    sent(browser, "/datasets/clicks/v2/forget")
    page(browser, "/datasets/clicks/v2", 404)
    held = browser.post("/datasets/clicks/v1/forget")
    assert held.status_code == 409, "it is tagged"


def test_a_dataset_is_forgotten_once_its_name_was_written(filled: Dashboard) -> None:
    browser = filled.browser_of("ed", Role.ENGINEER)
    assert "Forget features?" in page(browser, "/datasets/features/forget")
    assert browser.post("/datasets/features/forget", data={"confirm": "feature"}).status_code == 422
    assert "features is forgotten" in sent(browser, "/datasets/features/forget", confirm="features")
    assert [item.name for item in filled.hub.catalog.datasets()] == ["clicks", "secret"]


def test_a_team_hub_gives_the_command_to_register(filled: Dashboard) -> None:
    browser = filled.browser_of("eve")
    given = {"name": "new", "urls": "s3://lake/new/*\ns3://lake/b", "message": "it's", "team": "", "profile": ""}
    answer = browser.post("/datasets/-/register", data=given)
    assert """forebay dataset register new 's3://lake/new/*' s3://lake/b -m 'it'"'"'s'""" in words_of(answer.text)
    wrong = browser.post("/datasets/-/register", data={**given, "name": "New"})
    assert wrong.status_code == 422
    assert "cannot be the name of a dataset" in wrong.text
    described = browser.post("/datasets/-/register", data={**given, "description": "what is new"})
    assert "--description 'what is new' -m" in words_of(described.text)
    wrong = browser.post("/datasets/-/register", data={**given, "description": "x" * 2001})
    assert (wrong.status_code, "at most 2,000 letters" in wrong.text) == (422, True)
    wrong = browser.post("/datasets/-/register", data={**given, "urls": "ftp://lake"})
    assert wrong.status_code == 422
    assert "is not a lake" in words_of(wrong.text)
    assert "new" not in {item.name for item in filled.hub.catalog.datasets()}


def test_ones_own_hub_registers_itself(filled: Dashboard, tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "a.tsv").write_bytes(b"1\t2\n")
    filled.site.lister = Lister(lambda profile: {}, clock)
    browser = filled.browser_of("eve")
    given = {"name": "new", "urls": f"file://{tmp_path}/lake/*", "message": "first", "description": "letters"}
    shown = sent(browser, "/datasets/-/register", **given)
    assert "1 file registered as new@v1" in shown
    version = filled.hub.catalog.resolve("new@v1")
    assert (version.created_by, version.message, version.files) == ("eve", "first", 1)
    assert filled.hub.catalog.dataset("new").description == "letters"
    assert "keeps its description" not in sent(browser, "/datasets/-/register", **given)
    other = sent(browser, "/datasets/-/register", **{**given, "description": "numbers"})
    assert "Nothing has changed: that is new@v1 already. new was there already and keeps its description." in other
    wrong = browser.post("/datasets/-/register", data={**given, "urls": f"file://{tmp_path}/nowhere/*"})
    assert wrong.status_code == 422
    assert "forebay dataset register new" in words_of(wrong.text)
    taken = browser.post("/datasets/-/register", data={**given, "name": "secret"})
    assert "cannot be used" in words_of(taken.text)
    viewer = filled.browser_of("vera", Role.VIEWER).post("/datasets/-/register", data={**given, "name": "other"})
    assert "may not add versions" in words_of(viewer.text)


def test_a_listing_that_is_too_long_for_a_page_ends(
    filled: Dashboard, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake").mkdir()
    for number in range(3):
        (tmp_path / "lake" / f"{number}").write_bytes(b"x")
    monkeypatch.setattr("forebay.hub.web.lister.MOST_OBJECTS", 2)
    filled.site.lister = Lister(lambda profile: {}, clock)
    given = {"name": "new", "urls": f"file://{tmp_path}/lake/*"}
    answer = filled.browser_of("eve").post("/datasets/-/register", data=given)
    assert "more objects than a page waits for" in words_of(answer.text)
    assert "new" not in {item.name for item in filled.hub.catalog.datasets()}


def test_a_commit_is_a_command(filled: Dashboard) -> None:
    browser = filled.browser_of("eve")
    given = {"name": "features", "folder": "./my out", "parents": "clicks@v1", "made_by": "python a.py"}
    given["description"] = "of clicks"
    shown = words_of(browser.post("/datasets/-/commit", data=given).text)
    command = "forebay dataset commit features './my out' --parent clicks@v1 --made-by 'python a.py'"
    assert f"{command} --description 'of clicks'" in shown
    wrong = browser.post("/datasets/-/commit", data={**given, "parents": "clicks@v9"})
    assert (wrong.status_code, "There is no version clicks@v9" in wrong.text) == (422, True)
    assert browser.post("/datasets/-/commit", data={**given, "folder": ""}).status_code == 422


def beside(text: str, field: str) -> str:
    """What is told beside a field of a form."""
    found = re.search(rf'id="f-{field}-about"><strong>(.*?)</strong>', text, re.DOTALL)
    return "" if found is None else html.unescape(found[1])


def test_ones_own_hub_commits_a_folder_itself(filled: Dashboard, tmp_path: Path) -> None:
    (tmp_path / "out" / "day=1").mkdir(parents=True)
    (tmp_path / "out" / "day=1" / "a.tsv").write_bytes(b"1\t2\n")
    (tmp_path / "out" / "b.tsv").write_bytes(b"3\n")
    home = tmp_path / "own"
    # The hub's clock of a test stands still, long before that of the machine.
    where = {"home": home, "lake": (tmp_path / "lake").as_uri(), "volume": home / "volume"}
    session = Session.start({**where, "hub": "", "stale_after": "9999d"})
    filled.site.committer = CommitHere(session)
    browser, folder = filled.admin(), str(tmp_path / "out")
    given = {"name": "made", "folder": folder, "parents": "clicks@prod", "made_by": "python a.py", "message": "it's"}
    shown = sent(browser, "/datasets/-/commit", team="ads", description="Clicks by day", **given)
    assert "keeps its description" not in shown
    assert filled.hub.catalog.dataset("made").description == "Clicks by day"
    assert "2 files committed as made@v1, 2 of them sent." in shown
    assert "not in the cache" not in shown
    version = filled.hub.catalog.resolve("made@v1")
    assert (version.origin, version.created_by, version.message) == ("committed", "admin", "it's")
    assert (version.made_by.command, [parent.ref for parent in version.parents]) == ("python a.py", ["clicks@v1"])
    assert filled.hub.catalog.dataset("made").team == "ads"
    replica = filled.hub.replicas.get(session.through(filled.hub).cache.volume_id, version)
    assert replica is not None
    assert (replica.state, (home / "lake").exists()) == (ReplicaState.READY, False), "at once, and where the lake is"
    shown = sent(browser, "/datasets/-/commit", description="Other words", **given)
    assert "Nothing has changed: that is made@v1 already. made was there already and keeps its description." in shown

    for told, field, wrong in (
        ("there is no such directory", "folder", {"folder": f"{folder}x"}),
        ("is no whole path", "folder", {"folder": "out"}),
        ("There is no home folder", "folder", {"folder": "~nobody-at-all/out"}),
        ("There is no version clicks@v9", "parents", {"parents": "clicks@v9"}),
        ("cannot be the name of a dataset", "name", {"name": "Made"}),
    ):
        answer = browser.post("/datasets/-/commit", data={**given, **wrong})
        assert (answer.status_code, told in beside(answer.text, field)) == (422, True), answer.text
    assert [item.number for item in filled.hub.catalog.versions("made")] == [1]


def test_nobody_has_a_folder_read_who_may_not_write(filled: Dashboard, tmp_path: Path) -> None:
    asked: list[Wanted] = []

    def committer(hub: Hub, wanted: Wanted) -> CommittedHere:
        asked.append(wanted)
        raise ConflictError("file-changed", "it changed while it was read.")

    filled.site.committer = committer
    given = {"name": "made", "folder": str(tmp_path)}
    answer = filled.browser_of("vera", Role.VIEWER).post("/datasets/-/commit", data=given)
    assert "may not add versions" in beside(answer.text, "name")
    assert asked == []
    answer = filled.browser_of("eve").post("/datasets/-/commit", data=given)
    assert "changed while it was read" in beside(answer.text, "folder")
    assert f"forebay dataset commit made {tmp_path}" in words_of(answer.text)
    assert [item.folder for item in asked] == [tmp_path]


@pytest.mark.parametrize(
    ("limit", "value", "told"),
    [("FILES", 2, "more than 2 files"), ("BYTES", 2, "more than 2 B"), ("SECONDS", -1.0, "longer than a page waits")],
)
def test_a_folder_that_is_too_large_for_a_page_gets_the_command(
    filled: Dashboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float, told: str
) -> None:
    (tmp_path / "out").mkdir()
    for number in range(3):
        (tmp_path / "out" / f"{number}").write_bytes(b"x")
    monkeypatch.setattr(f"forebay.client.commit_here.MOST_{limit}", value)
    filled.site.committer = CommitHere(Session.start({"home": tmp_path / "own", "hub": ""}))
    given = {"name": "made", "folder": str(tmp_path / "out")}
    answer = filled.admin().post("/datasets/-/commit", data=given)
    assert told in beside(answer.text, "folder")
    assert f"forebay dataset commit made {tmp_path}/out" in words_of(answer.text)
    assert "made" not in {item.name for item in filled.hub.catalog.datasets()}


def test_markup_in_names_of_files_and_messages_is_text(filled: Dashboard) -> None:
    evil = "<script>alert(1)</script>"
    add(filled, "evil", f"{evil}/<img src=x onerror=alert(2)>.csv", message=f"{evil}<b>", made_by=MadeBy(command=evil))
    browser = filled.admin()
    for path in (
        "/datasets/evil",
        "/datasets/evil/v1",
        "/datasets/evil/v1/files",
        "/datasets/evil/v1/files?folder=<script>alert(1)<",
        "/datasets/evil/v1/files?find=<img",
        "/datasets/evil/v1/lineage",
        "/datasets/evil/v1/diff?with=clicks@v1",
        "/datasets?q=<script>alert(1)</script>",
        '/datasets/-/register?name="><script>alert(1)</script>',
    ):
        text = browser.get(path).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path


def test_nothing_is_done_for_another_site(filled: Dashboard) -> None:
    browser = filled.browser_of("ed", Role.ENGINEER)
    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/datasets/clicks/v2/retire", "/datasets/clicks/v2/forget", "/datasets/clicks/tags"):
        assert browser.post(path, data={"tag": "x", "number": "1"}, headers=headers).status_code == 403
    assert not filled.hub.catalog.resolve("clicks@v2").is_retired
