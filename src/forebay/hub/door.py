"""The hub's front door for people with a browser: log in at the team's provider, come back with a session, leave."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from forebay.clock import Clock
from forebay.errors import InputError, NotAllowedError
from forebay.hub.access.claims import Mapped, entrant_of, log_in_refused
from forebay.hub.access.log_ins import Begun, LogIns
from forebay.hub.access.oidc import Client, Proof, Provider
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request

CALLBACK = "/login/callback"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """`url` is where people reach the hub; `adopt` lets a provider have users that were made here before."""

    url: str
    client: Client
    mapped: Mapped
    session_seconds: float
    adopt: bool = False

    def check(self) -> None:
        """InputError `bad-setting` where something is missing, or would go over a network in the clear."""
        for name, value in (("hub_url", self.url), ("oidc_client_id", self.client.client_id)):
            if not value:
                raise InputError("bad-setting", f"{name} is not set, and a log-in by OIDC needs it.")
        for name, url in (("hub_url", self.url), ("oidc_issuer", self.client.issuer)):
            parts = urlsplit(url)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.netloc.partition(":")[0] in _LOOPBACK):
                raise InputError("bad-setting", f"{name} {url!r} is no https:// address.")
        if not self.mapped.roles:
            raise InputError("bad-setting", "oidc_roles is not set: nobody could log in.", todo="For example: *=viewer")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftFor:
    """Where the browser goes now, and the secret that it keeps until it comes back."""

    address: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A session's secret, and where its browser goes now."""

    secret: str = field(repr=False)
    next: str


class Door:
    """Opens to whoever the provider vouches for."""

    def __init__(self, settings: DoorSettings, access: AccessStore, log_ins: LogIns, clock: Clock) -> None:
        settings.check()
        self.settings = settings
        self._provider = Provider(settings.client)
        self._access = access
        self._log_ins = log_ins
        self._clock = clock

    @property
    def origin(self) -> str:
        parts = urlsplit(self.settings.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_secure(self) -> bool:
        return self.settings.url.startswith("https://")

    def begin(self, next_: str) -> LeftFor:
        """Send somebody to the provider. UnavailableError `provider-away`."""
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        proof = Proof(nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48))
        address = self._provider.address(state, proof, self._redirect_uri)
        self._log_ins.begin(state, browser, Begun(proof=proof, next=next_))
        return LeftFor(address=address, browser=browser)

    def enter(self, state: str, code: str, browser: str, request: Request) -> Entered:
        """Let in who comes back; NotAllowedError `log-in-refused`."""
        begun = self._log_ins.take(state, browser)
        try:
            if not code:
                raise log_in_refused("the provider did not let them in")
            claims = self._provider.claims(code, begun.proof, self._redirect_uri, self._clock.now())
            entrant = entrant_of(claims, self.settings.mapped)
        except NotAllowedError as error:
            self._log_ins.refused("", error, request)
            raise
        made = self._log_ins.enter(entrant, self.settings.session_seconds, request, adopt=self.settings.adopt)
        return Entered(secret=made.secret, next=begun.next)

    @property
    def _redirect_uri(self) -> str:
        return self.settings.url.rstrip("/") + CALLBACK
