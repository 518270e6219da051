"""Log-in with a browser at a real OpenID provider: who comes in, who does not, and what a session's cookie may do."""

from __future__ import annotations

import base64
import hashlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import sqlalchemy as sa

from forebay.catalog import schema as t
from forebay.catalog.engine import reading
from forebay.errors import InputError
from forebay.hub.access.claims import Mapped
from forebay.hub.access.log_ins import BEGUN_SECONDS, LogIns
from forebay.hub.access.oidc import Client
from forebay.hub.access.sessions import Sessions
from forebay.hub.access.store import AccessStore
from forebay.hub.answers import AnswerStore
from forebay.hub.api.app import create_app
from forebay.hub.door import CALLBACK, Door, DoorSettings
from forebay.hub.local import LocalHub
from forebay.hub.serve import guarded_by
from forebay.hub.web.site import Site
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedApp
from forebay.testing.servers import OpenIdProvider
from forebay.testing.servers.process import free_ports
from forebay.wire.access import AuditQuery, NewToken, Outcome, Role
from forebay.wire.http import API
from tests.e2e.program import Program
from tests.e2e.serving import ended, running, told

SESSION_SECONDS = 1000.0


@pytest.fixture
def clock() -> FakeClock:
    """Where the provider's is, too."""

    return FakeClock(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A hub with a door, and its provider."""

    url: str
    provider: OpenIdProvider
    access: AccessStore
    hub: LocalHub

    def browser(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60)

    def go_to(self, browser: httpx2.Client, subject: str, next_: str = "/") -> tuple[str, dict[str, str]]:
        """To the provider and logged in there: where one goes back to."""
        sent = browser.get("/login/provider", params={"next": next_})
        assert sent.status_code == 303, sent.text
        return self.provider.log_in(sent.headers["Location"], subject)

    def log_in(self, browser: httpx2.Client, subject: str, next_: str = "/") -> httpx2.Response:
        address, query = self.go_to(browser, subject, next_)
        assert address == self.url + CALLBACK
        return browser.get(CALLBACK, params=query)

    def me(self, browser: httpx2.Client) -> httpx2.Response:
        return browser.get(f"{API}/me")

    @property
    def own(self) -> dict[str, str]:
        """What a browser says of requests from the hub's own pages."""
        return {"Sec-Fetch-Site": "same-origin", "Origin": self.url}


def settings_of(url: str, issuer: str) -> DoorSettings:
    return DoorSettings(
        url=url,
        client=Client(issuer=issuer, client_id="forebay", client_secret="hush"),
        mapped=Mapped(
            user_claim="preferred_username",
            groups_claim="groups",
            roles={"data": Role.SCIENTIST, "data-eng": Role.ENGINEER, "bosses": Role.ADMIN},
            teams={"data-ads": "ads", "data-maps": "maps"},
        ),
        session_seconds=SESSION_SECONDS,
    )


@pytest.fixture
def house(local: LocalHub, clock: FakeClock, openid_provider: OpenIdProvider) -> Iterator[House]:
    with _house(local, clock, openid_provider, adopt=False) as made:
        yield made
    openid_provider.be("well")


@contextmanager
def _house(local: LocalHub, clock: FakeClock, provider: OpenIdProvider, *, adopt: bool) -> Iterator[House]:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    access = AccessStore(local.engine, clock)
    with _served(local, clock, replace(settings_of(url, provider.issuer), adopt=adopt), port):
        yield House(url=url, provider=provider, access=access, hub=local)


def _served(local: LocalHub, clock: FakeClock, settings: DoorSettings, port: int) -> ServedApp:
    access, answers = AccessStore(local.engine, clock), AnswerStore(local.engine, clock)
    door = Door(settings, access, LogIns(local.engine, clock), clock)
    hub_for = guarded_by(access, local)
    site = Site(local, access, clock, Sessions(local.engine, clock, SESSION_SECONDS))
    return ServedApp(lambda _: create_app(hub_for, answers=answers, check=bool, door=door, site=site), port)


def test_a_log_in_makes_a_user_with_the_role_and_teams_of_their_groups(house: House, clock: FakeClock) -> None:
    house.provider.add("u-1", preferred_username="Ada", groups=["data", "data-eng", "data-ads", "football"])
    with house.browser() as browser:
        assert house.me(browser).status_code == 401
        entered = house.log_in(browser, "u-1", "/datasets?of=ads")
        assert (entered.status_code, entered.headers["Location"]) == (303, "/datasets?of=ads")
        cookie = entered.headers["Set-Cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", f"Max-Age={SESSION_SECONDS:.0f}", "Path=/"))
        me = house.me(browser).json()
        assert (me["user"], me["role"], me["teams"]) == ("ada", "engineer", ["ads"])
        assert me["expires_at"] == clock.now() + SESSION_SECONDS
        (session,) = house.access.tokens("ada")
        assert (session.note, session.token_id) == ("web log-in", me["token_id"])
        secret = browser.cookies["forebay_session"]
        with reading(house.hub.engine) as connection:
            assert secret not in str(connection.execute(sa.select(t.token)).all())
            assert connection.execute(sa.select(t.log_in)).all() == []
        house.provider.add("u-1", preferred_username="ada", groups=["data", "data-maps"])
        house.log_in(browser, "u-1")
        me = house.me(browser).json()
        assert (me["user"], me["role"], me["teams"]) == ("ada", "scientist", ["maps"]), "groups that one left are gone"
        clock.pass_by(SESSION_SECONDS)
        assert house.me(browser).status_code == 401
    lines = house.access.audit(AuditQuery(user="ada")).records
    assert [(line.action, line.outcome, line.detail) for line in lines if line.call == "access.log_in"] == [
        ("sign-in", Outcome.ALLOWED, "scientist, teams maps"),
        ("sign-in", Outcome.ALLOWED, "engineer, teams ads"),
    ]


def test_the_provider_gets_a_challenge_and_then_what_it_was_made_from(house: House) -> None:
    house.provider.add("u-2", preferred_username="ben", groups=["data"])
    with house.browser() as browser:
        sent = browser.get("/login/provider")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["Location"]).query).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", "forebay")
        assert asked["redirect_uri"] == house.url + CALLBACK
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["state"]) >= 43
        assert len(asked["nonce"]) >= 43
        _, query = house.provider.log_in(sent.headers["Location"], "u-2")
        assert browser.get(CALLBACK, params=query).status_code == 303
    form = house.provider.asked()
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert form["authorization"] == "Basic " + base64.b64encode(b"forebay:hush").decode()


@pytest.mark.parametrize(
    ("manner", "why"),
    [("issuer", "iss"), ("audience", "aud"), ("expired", "exp"), ("key", "")],
)
def test_an_id_token_that_does_not_hold_lets_nobody_in(house: House, manner: str, why: str) -> None:
    house.provider.add("u-3", preferred_username="eve", groups=["data"])
    house.provider.be(manner)
    with house.browser() as browser:
        refused = house.log_in(browser, "u-3")
        assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "log-in-refused")
        assert "ID token does not hold" in refused.text
        assert why in refused.json()["error"]["message"]
        assert "forebay_session" not in browser.cookies
        house.provider.be("well")
        assert house.log_in(browser, "u-3").status_code == 303, "it was the token alone"
    (line,) = house.access.audit(AuditQuery(outcome=Outcome.REFUSED)).records
    assert (line.call, line.action) == ("access.log_in", "sign-in")


def test_a_state_is_taken_once_and_by_its_own_browser(house: House, clock: FakeClock) -> None:
    house.provider.add("u-4", preferred_username="ada", groups=["data"])
    with house.browser() as browser, house.browser() as other:
        _, query = house.go_to(browser, "u-4")
        assert browser.get(CALLBACK, params=query).status_code == 303
        answers = [browser.get(CALLBACK, params=query)]
        _, stolen = house.go_to(browser, "u-4")
        answers.append(other.get(CALLBACK, params=stolen))
        answers.append(browser.get(CALLBACK, params=stolen))
        _, late = house.go_to(browser, "u-4")
        clock.pass_by(BEGUN_SECONDS)
        answers.append(browser.get(CALLBACK, params=late))
        answers.append(browser.get(CALLBACK, params={"state": "made-up", "code": late["code"]}))
        _, nothing = house.go_to(browser, "u-4")
        denied = browser.get(CALLBACK, params={"state": nothing["state"], "error": "access_denied"})
        assert denied.json()["error"]["kind"] == "log-in-refused"
        assert {(item.status_code, item.json()["error"]["message"]) for item in answers} == {
            (403, "This log-in is refused: it was not begun here, is over, or took too long.")
        }
        assert house.me(other).status_code == 401


def test_after_a_log_in_one_stays_on_the_hub(house: House) -> None:
    with house.browser() as browser:
        for elsewhere in (
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "evil.example",
            "",
        ):
            refused = browser.get("/login/provider", params={"next": elsewhere})
            assert (refused.status_code, refused.json()["error"]["kind"]) == (400, "bad-next"), elsewhere


def test_who_is_in_no_group_or_has_another_s_name_stays_outside(house: House) -> None:
    house.access.add_user("root", Role.ADMIN)
    house.access.add_user("gone", Role.SCIENTIST)
    house.access.remove_user("gone")
    house.provider.add("u-5", preferred_username="ada", groups=["football"])
    house.provider.add("u-6", preferred_username="root", groups=["bosses"])
    house.provider.add("u-7", preferred_username="gone", groups=["data"])
    house.provider.add("u-8", groups=["data"])
    house.provider.add("u-9", preferred_username="A name!", groups=["data"])
    house.provider.add("u-10", preferred_username="cleo", groups=["data"])
    house.provider.add("u-11", preferred_username="cleo", groups=["data"])
    with house.browser() as browser:
        assert house.log_in(browser, "u-10").status_code == 303
        refused = [house.log_in(browser, f"u-{number}") for number in (5, 6, 7, 8, 9, 11)]
        assert {(item.status_code, item.json()["error"]["kind"]) for item in refused} == {(403, "log-in-refused")}
        assert [item.name for item in house.access.users()] == ["cleo", "root"]
        house.access.remove_user("cleo")
        assert house.me(browser).status_code == 401, "sessions end with their user"
        assert house.log_in(browser, "u-10").status_code == 403, "who was removed does not come back by logging in"


def test_users_of_before_are_adopted_where_that_is_set_but_never_admins(
    local: LocalHub, clock: FakeClock, openid_provider: OpenIdProvider
) -> None:
    with _house(local, clock, openid_provider, adopt=True) as house:
        house.access.add_user("root", Role.ADMIN)
        house.access.add_user("dora", Role.VIEWER)
        openid_provider.add("u-20", preferred_username="dora", groups=["data-eng"])
        openid_provider.add("u-21", preferred_username="root", groups=["bosses"])
        with house.browser() as browser:
            assert house.log_in(browser, "u-21").status_code == 403
            assert house.log_in(browser, "u-20").status_code == 303
            assert house.me(browser).json()["role"] == "engineer"


def test_another_site_writes_nothing_with_a_session(house: House) -> None:
    house.provider.add("u-12", preferred_username="olga", groups=["bosses"])
    new = {"name": "new", "role": "viewer"}
    with house.browser() as browser:
        house.log_in(browser, "u-12")
        for headers in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site", "Origin": house.url},
        ):
            for method, path in (("POST", f"{API}/users"), ("PUT", f"{API}/users/x/role"), ("POST", "/logout")):
                refused = browser.request(method, path, json=new, headers=headers)
                assert (refused.status_code, refused.json()["error"]["kind"]) == (403, "cross-site"), headers
        assert house.me(browser).json()["user"] == "olga", "to read, the cookie is enough"
        assert browser.post(f"{API}/users", json=new, headers={"Origin": house.url}).status_code == 201
        secret = browser.cookies["forebay_session"]
        key = {**house.own, "Idempotency-Key": "k"}
        assert browser.delete(f"{API}/users/new", headers=key).status_code == 204
        assert browser.delete(f"{API}/users/new", headers=key).headers["Idempotency-Replayed"] == "true"
        assert browser.delete(f"{API}/users/new", headers={"Idempotency-Key": "k"}).status_code == 403
        assert browser.post("/logout", headers=house.own).status_code == 303
        assert "forebay_session" not in browser.cookies
        assert house.me(browser).status_code == 401
        kept = httpx2.get(f"{house.url}{API}/me", headers={"Cookie": f"forebay_session={secret}"}, timeout=60)
        assert kept.status_code == 401, "a session that has ended is no use to who kept its cookie"


def test_a_session_makes_tokens_that_outlive_it_and_an_admin_ends_it(house: House) -> None:
    house.provider.add("u-13", preferred_username="finn", groups=["data"])
    with house.browser() as browser:
        house.log_in(browser, "u-13")
        made = browser.post(f"{API}/tokens", json={"user": "finn", "role": "scientist"}, headers=house.own)
        assert made.status_code == 201
        asked = {"user": "finn", "role": "engineer"}
        assert browser.post(f"{API}/tokens", json=asked, headers=house.own).status_code == 403
        house.access.revoke_token(house.me(browser).json()["token_id"])
        assert house.me(browser).status_code == 401
    bearer = {"Authorization": f"Bearer {made.json()['secret']}"}
    assert httpx2.get(f"{house.url}{API}/me", headers=bearer, timeout=60).json()["user"] == "finn"


def test_a_hub_without_a_provider_has_no_door_and_takes_no_cookie(http: httpx2.Client, local: LocalHub) -> None:
    access = AccessStore(local.engine, FakeClock())
    access.add_user("ada", Role.ADMIN)
    secret = access.make_token(NewToken(user="ada", role=Role.ADMIN)).secret
    url = str(http.base_url).partition(API)[0]
    for method, path in (("GET", "/login/provider"), ("GET", CALLBACK)):
        assert httpx2.request(method, url + path, timeout=60).json()["error"]["kind"] == "no-log-in"
    cookie = {"Cookie": f"forebay_session={secret}"}
    assert httpx2.get(f"{url}{API}/hub", headers=cookie, timeout=60).status_code == 401


def test_a_provider_that_is_away_or_another_one_is_named(local: LocalHub, clock: FakeClock) -> None:
    (port,) = free_ports(1)
    with _served(local, clock, settings_of(f"http://localhost:{port}", "http://localhost:9"), port):
        away = httpx2.get(f"http://localhost:{port}/login/provider", timeout=60)
        assert (away.status_code, away.json()["error"]["kind"]) == (503, "provider-away")


def test_a_door_is_whole_and_speaks_tls() -> None:
    good = settings_of("https://hub.example.org", "https://login.example.org/realm")
    good.check()
    settings_of("http://localhost:1", "http://127.0.0.1:2").check()
    for bad in (
        replace(good, url=""),
        replace(good, url="http://hub.example.org"),
        replace(good, client=replace(good.client, issuer="http://login.example.org")),
        replace(good, client=replace(good.client, client_id="")),
        replace(good, mapped=replace(good.mapped, roles={})),
    ):
        with pytest.raises(InputError) as refused:
            bad.check()
        assert refused.value.kind == "bad-setting"


def test_a_served_hub_has_its_door_from_its_settings(openid_provider: OpenIdProvider, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"
    settings = {
        "FOREBAY_HUB_URL": url,
        "FOREBAY_OIDC_ISSUER": openid_provider.issuer,
        "FOREBAY_OIDC_CLIENT_ID": "forebay",
        "FOREBAY_OIDC_CLIENT_SECRET": "hush-hush",
        "FOREBAY_OIDC_USER_CLAIM": "email",
        "FOREBAY_OIDC_ROLES": "*=viewer, staff=engineer",
        "FOREBAY_HUB_SESSION": "1h",
    }
    openid_provider.add("u-30", email="ada@example.org", email_verified=True, groups=["staff"])
    with running(Program(tmp_path, **settings), "--port", str(port)) as process:
        told(process)
        with httpx2.Client(base_url=url, timeout=60) as browser:
            address, query = openid_provider.log_in(browser.get("/login/provider").headers["Location"], "u-30")
            assert address == url + CALLBACK
            assert browser.get(CALLBACK, params=query).status_code == 303
            me = browser.get(f"{API}/me").json()
            secret = browser.cookies["forebay_session"]
        assert (me["user"], me["role"]) == ("ada@example.org", "engineer")
        assert ended(process, signal.SIGTERM) == 0
        assert process.stderr is not None
        log = process.stderr.read()
    assert "path=/login/callback" in log
    for kept_out in (query["code"], query["state"], secret, "hush-hush"):
        assert kept_out not in log
    shown = Program(tmp_path, **settings)("config", "show", "--json").out
    assert "hush-hush" not in shown
    for missing in ("FOREBAY_HUB_URL", "FOREBAY_OIDC_CLIENT_ID", "FOREBAY_OIDC_ROLES"):
        wrong = Program(tmp_path, **{**settings, missing: ""})("hub", "serve", "--json", code=2).error
        assert (wrong["kind"], missing.removeprefix("FOREBAY_").lower() in wrong["message"]) == ("bad-setting", True)
