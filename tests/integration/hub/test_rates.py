"""How often somebody may ask a hub, and how often an address may fail to sign in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from forebay.client.remote.hub import RemoteHub
from forebay.errors import UnavailableError
from forebay.hub.api.limits import Limits
from forebay.hub.local import LocalHub
from forebay.lake.backoff import Backoff, Patience
from forebay.settings import Frequency
from forebay.testing.cached import FakeClock
from forebay.testing.served import ServedHubs
from forebay.wire.http import API

HOUR = 3600


@contextmanager
def serving(local: LocalHub, clock: FakeClock, limits: Limits) -> Iterator[tuple[ServedHubs, str]]:
    with ServedHubs(limits) as served:
        yield served, served.lend(local, clock)


def ask(served: ServedHubs, token: str | None, path: str = "/hub") -> httpx2.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx2.get(served.url + API + path, headers=headers, timeout=60)


def kind_of(response: httpx2.Response) -> str:
    return str(response.json()["error"]["kind"])


def test_a_token_that_asks_too_often_is_told_when_to_come_again(local: LocalHub, clock: FakeClock) -> None:
    with serving(local, clock, Limits(token_rate=Frequency(count=3, seconds=HOUR))) as (served, token):
        another = served.lend(local, clock)
        assert [ask(served, token).status_code for _ in range(4)] == [200, 200, 200, 429]
        refused = ask(served, token)
        assert kind_of(refused) == "too-many-requests"
        assert 1 <= int(refused.headers["Retry-After"]) <= 2 * HOUR
        assert refused.headers["X-Request-ID"]
        assert f"{refused.headers['Retry-After']} s" in refused.json()["error"]["todo"]
        assert ask(served, another).status_code == 200, "another one's token is not meant"
        assert httpx2.get(f"{served.url}/healthz").status_code == 200


def test_an_address_is_limited_whatever_its_tokens(local: LocalHub, clock: FakeClock) -> None:
    with serving(local, clock, Limits(address_rate=Frequency(count=4, seconds=HOUR))) as (served, token):
        others = [served.lend(local, clock) for _ in range(3)]
        assert [ask(served, some).status_code for some in (token, *others, None)] == [200] * 4 + [429]
        for probe in ("/healthz", "/readyz"):
            assert httpx2.get(served.url + probe).status_code == 200, "who watches the hub is never sent away"


def test_wrong_tokens_are_limited_by_address_and_right_ones_go_on(local: LocalHub, clock: FakeClock) -> None:
    with serving(local, clock, Limits(failed_sign_ins=Frequency(count=3, seconds=HOUR))) as (served, token):
        late = served.lend(local, clock)
        assert ask(served, token).status_code == 200
        assert ask(served, None).status_code == 401, "who shows no token guesses none"
        assert [ask(served, f"wrong-{number}").status_code for number in range(4)] == [401, 401, 401, 429]
        refused = ask(served, "wrong-0")
        assert kind_of(refused) == "too-many-failed-sign-ins"
        assert int(refused.headers["Retry-After"]) >= 1
        assert ask(served, token).status_code == 200, "a colleague at the same address was signed in before"
        assert ask(served, late).status_code == 429, "and this one was not"
        assert ask(served, None, "/openapi.json").status_code == 200
        served.take_back(token)
        assert ask(served, token).status_code == 401, "known is not let in"


def test_a_public_page_makes_no_token_known(local: LocalHub, clock: FakeClock) -> None:
    with serving(local, clock, Limits(failed_sign_ins=Frequency(count=1, seconds=HOUR))) as (served, _):
        assert ask(served, "wrong", "/openapi.json").status_code == 200
        assert [ask(served, "wrong").status_code for _ in range(2)] == [401, 429]


def test_the_client_waits_as_long_as_it_is_asked_to(local: LocalHub, clock: FakeClock, tmp_path: Path) -> None:
    with serving(local, clock, Limits(token_rate=Frequency(count=2, seconds=2))) as (served, token):
        with closing(RemoteHub(served.url, token, tmp_path / "client")) as remote:
            for _ in range(7):
                remote.catalog.datasets()
        slept: list[float] = []
        patience = Patience(backoff=Backoff(attempts=3, base_s=0.0, total_s=60.0), sleep=slept.append)
        with closing(RemoteHub(served.url, token, tmp_path / "client", first=patience, later=patience)) as hasty:
            with pytest.raises(UnavailableError) as refused:
                _ask_for_ever(hasty)
            assert refused.value.kind == "too-many-requests"
            assert slept
            assert all(seconds >= 1 for seconds in slept)


def _ask_for_ever(remote: RemoteHub) -> None:
    while True:
        remote.catalog.datasets()


def test_a_client_does_not_wait_for_an_hour(local: LocalHub, clock: FakeClock, tmp_path: Path) -> None:
    slept: list[float] = []
    patience = Patience(backoff=Backoff(attempts=9, total_s=40.0), sleep=slept.append)
    limits = Limits(token_rate=Frequency(count=1, seconds=100 * HOUR))
    with serving(local, clock, limits) as (served, token):
        assert ask(served, token).status_code == 200
        hasty = RemoteHub(served.url, token, tmp_path, first=patience, later=patience)
        with closing(hasty), pytest.raises(UnavailableError):
            hasty.catalog.datasets()
    assert slept == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/tokens"), ("POST", "/users"), ("PUT", "/datasets/d/policy")])
def test_bodies_are_bounded_wherever_they_go(local: LocalHub, clock: FakeClock, method: str, path: str) -> None:
    with serving(local, clock, Limits(body_bytes=500)) as (served, token):
        url = served.url + API + path
        headers = {"Authorization": f"Bearer {token}"}
        refused = httpx2.request(method, url, content=b"x" * 501, headers=headers)
        assert (refused.status_code, kind_of(refused)) == (413, "body-too-large")
