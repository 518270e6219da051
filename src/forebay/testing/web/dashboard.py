"""A hub with its pages, asked in this process: by a client that is logged in as whom a test wants."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.testclient import TestClient

from forebay.clock import Clock
from forebay.hub.access.claims import Mapped
from forebay.hub.access.log_ins import LogIns
from forebay.hub.access.oidc import Client
from forebay.hub.access.sessions import Sessions
from forebay.hub.access.store import AccessStore
from forebay.hub.api.limits import Limits
from forebay.hub.board.checkup import Look
from forebay.hub.door import Door, DoorSettings
from forebay.hub.local import LocalHub
from forebay.hub.serve import More, guarded_by, make_app
from forebay.hub.web.site import Site
from forebay.wire.access import NewToken, Role

ORIGIN = "http://testserver"
OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
"""What a browser says of requests from the hub's own pages."""
_SESSION_S: Final = 3600.0


class Dashboard:
    """A hub and its application. The first admin is `admin`."""

    def __init__(self, hub: LocalHub, clock: Clock) -> None:
        self.hub = hub
        self.clock = clock
        self.access = AccessStore(hub.engine, clock)
        self.access.bootstrap()
        self.sessions = Sessions(hub.engine, clock, _SESSION_S)
        self.look: Look | None = None
        self.door: Door | None = None
        self.limits = Limits()
        self.is_stopping = False

    @classmethod
    @contextmanager
    def on(cls, folder: Path, clock: Clock) -> Iterator[Dashboard]:
        """A new hub on SQLite."""
        hub = LocalHub.open(folder, f"sqlite:///{folder}/hub.db", clock)
        try:
            yield cls(hub, clock)
        finally:
            hub.close()

    @functools.cached_property
    def site(self) -> Site:
        """The pages. A doctor's `look` is set before, as `limits` are before the application is asked for."""
        return Site(self.hub, self.access, self.clock, self.sessions, look=self.look)

    @functools.cached_property
    def app(self) -> FastAPI:
        """As it is served."""
        return self.made(lambda: self.is_stopping)

    def made(self, is_stopping: Callable[[], bool]) -> FastAPI:
        """The application for a server, which says whether it stops."""
        more = More(site=self.site, check_lake=bool, door=self.door)
        return make_app(self.hub, guarded_by(self.access, self.hub), self.clock, self.limits, is_stopping, more)

    def open_door(self, url: str, issuer: str) -> None:
        """People may log in at that provider as well; before the application is made. `url` is where it is served.

        Whoever is of the group `data` is a scientist.
        """
        settings = DoorSettings(
            url=url,
            client=Client(issuer=issuer, client_id="forebay", client_secret="hush"),
            mapped=Mapped(
                user_claim="preferred_username", groups_claim="groups", roles={"data": Role.SCIENTIST}, teams={}
            ),
            session_seconds=_SESSION_S,
        )
        self.door = Door(settings, self.access, LogIns(self.hub.engine, self.clock), self.clock)

    def token_of(self, user: str, role: Role = Role.SCIENTIST, *teams: str, datasets: tuple[str, ...] = ()) -> str:
        """The secret of a new token of a user, who is made where there is none."""
        if user not in {item.name for item in self.access.users()}:
            self.access.add_user(user, role)
        for team in teams:
            self.access.join_team(team, [user])
        return self.access.make_token(NewToken(user=user, role=role, datasets=datasets)).secret

    def stranger(self) -> TestClient:
        """A browser that is not logged in; it follows no redirects."""
        return TestClient(self.app, base_url=ORIGIN, follow_redirects=False, headers=OWN)

    def browser_of(self, user: str, role: Role = Role.SCIENTIST, *teams: str) -> TestClient:
        """A browser in which somebody has logged in with a token."""
        browser = self.stranger()
        answer = browser.post("/login", data={"token": self.token_of(user, role, *teams)})
        assert answer.status_code == 303, answer.text
        return browser

    def admin(self) -> TestClient:
        """The first admin's browser."""
        return self.browser_of("admin", Role.ADMIN)
