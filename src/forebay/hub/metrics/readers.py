"""Who may read a hub's metrics: whoever shows the metrics token, and an admin, who sees everything anyway.

The numbers are sums over all datasets, hidden ones too. From how they move somebody could tell what happens to what is
hidden (PRIVATE), so they are for those alone who run the hub.
"""

from __future__ import annotations

import hmac

from forebay.clock import Clock
from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import Action
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.local import LocalHub
from forebay.hub.metrics.collector import HubMetrics
from forebay.metrics.exposition import CONTENT_TYPE


class GuardedMetrics(HubMetrics):
    """Implements `hub.api.measured.Metrics`. `secret` is the metrics token, "" for none."""

    def __init__(self, hub: LocalHub, access: AccessStore, clock: Clock, secret: str) -> None:
        super().__init__(hub, clock)
        self._access = access
        self._secret = secret.encode()

    def told_to(self, token: str | None, request: Request) -> tuple[bytes, str]:
        """The text for a scrape, and its content type. NotAllowedError `not-signed-in`, `not-allowed` (audited)."""
        given = (token or "").encode(errors="replace")
        if not (self._secret and hmac.compare_digest(given, self._secret)):
            principal = self._access.principal_of(token, request)
            Gate(self._access, principal, request).on_whole("metrics.read", Action.AUDIT, quiet=True)
        return self.text(), CONTENT_TYPE
