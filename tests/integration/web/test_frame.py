"""The frame around all pages: log-in, headers, errors, tables as files, what is found; and what attackers try."""

from __future__ import annotations

import json
import re

import pytest
from starlette.requests import Request

from forebay.hub.access.rules import Action
from forebay.hub.api.limits import Limits
from forebay.hub.web.sent import POLICY
from forebay.settings import Frequency
from forebay.testing.cached import FakeClock
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.showcase import HIDDEN, MARKUP, Showcase
from forebay.wire.access import AuditQuery, NewToken, Outcome, Role
from forebay.wire.http import API


def test_a_session_is_a_token_of_its_own_that_ends_with_the_one_it_began_with(dashboard: Dashboard) -> None:
    secret = dashboard.token_of("ada", Role.SCIENTIST, datasets=())
    browser = dashboard.stranger()
    assert (
        browser.post("/login", data={"token": secret, "next": "/settings?a=1"}).headers["Location"] == "/settings?a=1"
    )
    page = browser.get("/settings")
    assert page.status_code == 200
    assert "You are ada, scientist" in page.text
    assert secret not in page.text
    first = next(item for item in dashboard.access.tokens("ada") if not item.token_id.startswith("web-"))
    assert browser.get(f"{API}/me").json()["token_id"].startswith("web-")
    dashboard.access.revoke_token(first.token_id)
    assert browser.get("/settings").headers["Location"] == "/login?next=/settings"


def test_a_session_can_do_no_more_than_its_token_and_lasts_no_longer(dashboard: Dashboard, clock: FakeClock) -> None:
    dashboard.access.add_user("olga", Role.ADMIN)
    until = clock.now() + 100.0
    secret = dashboard.access.make_token(NewToken(user="olga", role=Role.VIEWER, expires_at=until)).secret
    browser = dashboard.stranger()
    browser.post("/login", data={"token": secret})
    assert "You are olga, viewer" in browser.get("/settings").text
    assert "/admin/users" not in browser.get("/admin").text
    clock.pass_by(101.0)
    assert browser.get("/settings").status_code == 303


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_after_a_log_in_one_stays_here(dashboard: Dashboard, elsewhere: str) -> None:
    secret = dashboard.token_of("ada")
    answer = dashboard.stranger().post("/login", data={"token": secret, "next": elsewhere})
    assert answer.headers["Location"] == "/"


def test_who_is_refused_learns_nothing_and_is_written_down(dashboard: Dashboard) -> None:
    dashboard.access.add_user("bot", Role.ENGINEER)
    agents = dashboard.access.make_token(NewToken(user="bot", role=Role.ENGINEER, site="dgx")).secret
    browser = dashboard.stranger()
    for wrong, told in (
        (agents, "pages are for people"),
        ("x" * 47, "no token that holds"),
        ("", "no token that holds"),
    ):
        refused = browser.post("/login", data={"token": wrong})
        assert refused.status_code == 401
        assert told in refused.text
        assert not wrong or wrong not in refused.text
        assert "set-cookie" not in refused.headers
    assert len(dashboard.access.audit(AuditQuery(outcome=Outcome.REFUSED)).records) == 3


def test_the_link_of_the_start_lets_in_once(dashboard: Dashboard, clock: FakeClock) -> None:
    link = dashboard.site.link_for_admin("http://testserver")
    browser = dashboard.stranger()
    looked = dashboard.stranger().head(link)
    assert (looked.status_code, looked.headers.get("set-cookie")) == (200, None), "who only looks has not used it"
    assert browser.get(link).headers["Location"] == "/"
    assert "You are admin, admin" in browser.get("/settings").text
    assert browser.get(link).headers["Location"] == "/", "whoever is in already stays in"
    again = dashboard.stranger().get(link)
    assert again.status_code == 401
    assert "used already" in again.text
    late = dashboard.site.link_for_admin("http://testserver")
    clock.pass_by(3601.0)
    assert dashboard.stranger().get(late).status_code == 401


def test_a_log_in_ends_the_session_that_the_browser_had(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    kept = browser.cookies["forebay_session"]
    browser.get(dashboard.site.link_for_admin("http://testserver"))
    assert browser.cookies["forebay_session"] != kept
    stranger = dashboard.stranger()
    stranger.cookies.set("forebay_session", kept)
    assert stranger.get("/settings").status_code == 303


def test_a_log_out_ends_the_session_itself(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    kept = browser.cookies["forebay_session"]
    assert browser.post("/logout").headers["Location"] == "/login"
    assert "forebay_session" not in browser.cookies
    browser.cookies.set("forebay_session", kept)
    assert browser.get("/settings").status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null", "Sec-Fetch-Site": ""},
        {"Origin": "http://testserver:81", "Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/theme", "/logout", "/login", "/settings/tokens/x/revoke"])
def test_what_another_site_sends_is_refused(dashboard: Dashboard, path: str, headers: dict[str, str]) -> None:
    browser = dashboard.browser_of("ada")
    refused = browser.post(path, data={"theme": "dark"}, headers=headers)
    assert refused.status_code == 403
    assert "hub&#39;s own pages alone" in refused.text
    assert browser.get("/settings").status_code == 200


def test_every_answer_to_a_person_forbids_foreign_code(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    for path in ("/settings", "/find?q=a", "/find?q=a&part=1", "/nowhere", "/settings?table=nope&as=csv"):
        headers = browser.get(path).headers
        assert headers["content-security-policy"] == POLICY
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY
    text = browser.get("/settings").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|javascript:", text)


def test_files_of_pages_are_kept_for_ever_and_come_compressed(dashboard: Dashboard) -> None:
    browser = dashboard.stranger()
    addresses = dashboard.site.renderer.assets.addresses
    assert {"forebay.css", "forebay.js", "mark.svg"} <= set(addresses)
    for address in addresses.values():
        answer = browser.get(address)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
    assert browser.get("/static/forebay-000000000000.css").status_code == 404
    plain = browser.get(addresses["forebay.css"], headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers


def test_the_first_load_is_small(dashboard: Dashboard) -> None:
    browser = dashboard.stranger()
    got = sum(
        int(browser.get(address).headers["content-length"])
        for address in (*dashboard.site.renderer.assets.addresses.values(), "/login")
    )
    assert got < 60_000


def test_people_get_pages_of_errors_and_programs_get_json(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    lost = browser.get(f"/nowhere/{MARKUP}")
    assert lost.status_code == 404
    assert "<h1>Not found</h1>" in lost.text
    assert MARKUP not in lost.text
    assert browser.get("/nowhere", headers={"Accept": "application/json"}).json()["error"]["kind"] == "route-not-found"
    assert browser.get(f"{API}/nowhere").json()["error"]["kind"] == "route-not-found"
    assert browser.get(f"{API}/datasets/none").json()["error"]["kind"] == "dataset-not-found"


def test_a_notice_is_shown_once_and_as_text(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    dashboard.access.make_token(NewToken(user="ada", role=Role.VIEWER, note=MARKUP))
    other = next(item for item in dashboard.access.tokens("ada") if item.note == MARKUP)
    asked = browser.get(f"/settings/tokens/{other.token_id}/revoke")
    assert MARKUP not in asked.text
    assert "&lt;img src=x" in asked.text
    done = browser.post(f"/settings/tokens/{other.token_id}/revoke")
    assert (done.status_code, done.headers["Location"]) == (303, "/settings")
    assert f"The token {other.token_id} has ended." in browser.get("/settings").text
    assert "has ended" not in browser.get("/settings").text


def test_one_ends_no_tokens_of_others_here(dashboard: Dashboard) -> None:
    theirs = dashboard.access.make_token(NewToken(user="admin", role=Role.ADMIN)).token
    browser = dashboard.browser_of("ada")
    assert browser.get(f"/settings/tokens/{theirs.token_id}/revoke").status_code == 404
    assert browser.post(f"/settings/tokens/{theirs.token_id}/revoke").status_code == 404
    assert dashboard.access.token(theirs.token_id).revoked_at == 0


def test_a_table_is_given_as_csv_and_json(dashboard: Dashboard) -> None:
    browser = dashboard.browser_of("ada")
    dashboard.access.make_token(NewToken(user="ada", role=Role.VIEWER, note="=cmd|' /C calc'!A0"))
    told = browser.get("/settings?table=tokens&as=csv")
    assert told.headers["content-disposition"].startswith('attachment; filename="tokens.csv"')
    lines = told.text.splitlines()
    assert lines[0] == "token,what,role,datasets,created,used,expires"
    assert any("'=cmd|" in line for line in lines)
    rows = json.loads(browser.get("/settings?table=tokens&as=json").text)
    assert {row["role"] for row in rows} == {"viewer", "scientist"}
    assert browser.get("/settings?table=none&as=csv").status_code == 404


def test_what_is_hidden_is_not_found_nor_counted(dashboard: Dashboard, clock: FakeClock) -> None:
    Showcase(dashboard, clock).make()
    ada, finn = dashboard.browser_of("ada"), dashboard.browser_of("finn")
    for text in (HIDDEN, HIDDEN[:3], f"{HIDDEN}@v1"):
        assert f"/datasets/{HIDDEN}" in finn.get("/find", params={"q": text, "part": "1"}).text
        assert f"/datasets/{HIDDEN}" not in ada.get("/find", params={"q": text, "part": "1"}).text
    counts = [re.search(r'Datasets <span class="count">(\d+)<', who.get("/settings").text) for who in (finn, ada)]
    assert [int(count[1]) for count in counts if count] == [len(dashboard.hub.catalog.datasets()) - n for n in (0, 1)]
    found = ada.get("/find", params={"q": "prod", "part": "1"}).text
    assert "criteo@prod" in found
    assert "/sites/dgx-basement" in ada.get("/find?q=basement&part=1").text
    for text, first in (("criteo@prod", "criteo@prod"), ("criteo@v1", "criteo@v1"), ("criteo", "criteo")):
        names = re.findall(r"<b>(.*?)</b>", ada.get("/find", params={"q": text, "part": "1"}).text)
        assert names[0] == first, names
    assert MARKUP not in ada.get("/find?q=clicks&part=1").text


def test_what_one_may_not_do_is_known_to_pages(dashboard: Dashboard, clock: FakeClock) -> None:
    Showcase(dashboard, clock).make()
    request = Request({"type": "http", "client": ("127.0.0.1", 1), "headers": [], "state": {"request_id": "r"}})
    seen = {}
    for user in ("ada", "finn", "admin"):
        principal = dashboard.access.person(user)
        assert principal is not None
        seen[user] = dashboard.site.visit(principal, request, address="/", path={})
    assert seen["finn"].may_on(Action.WRITE, HIDDEN)
    assert not seen["ada"].may_on(Action.READ, HIDDEN)
    assert not seen["ada"].may_on(Action.READ, "nothing-like-it")
    assert seen["admin"].may(Action.MANAGE)
    assert not seen["ada"].may(Action.MANAGE)


def test_who_asks_too_often_reads_so_on_a_page_and_a_program_as_ever(dashboard: Dashboard) -> None:
    dashboard.limits = Limits(address_rate=Frequency(count=2, seconds=3600))
    browser = dashboard.stranger()
    assert [browser.get("/login").status_code for _ in range(3)] == [200, 200, 429]
    page = browser.get("/login")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["Content-Security-Policy"] == POLICY
    assert int(page.headers["Retry-After"]) >= 1
    assert "<h1>Too often</h1>" in page.text
    assert "Too many requests come from this address." in page.text
    told = browser.get(f"{API}/me", headers={"Accept": "text/html"})
    assert told.json()["error"]["kind"] == "too-many-requests"
    assert browser.get("/login", headers={"Accept": "*/*"}).json()["error"]["kind"] == "too-many-requests"


def test_a_form_that_is_too_large_is_refused_on_a_page(dashboard: Dashboard) -> None:
    dashboard.limits = Limits(body_bytes=1000)
    page = dashboard.stranger().post("/login", data={"token": "x" * 1001})
    assert page.status_code == 413
    assert "<h1>Too large</h1>" in page.text
    assert "more than 1000 bytes" in page.text
