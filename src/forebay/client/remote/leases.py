"""`wire.hub.Leases` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import BEAT, Connection, at
from forebay.client.remote.fills import named
from forebay.wire.cache import Holder, Lease
from forebay.wire.catalog import Version


class RemoteLeases:
    """Implements `wire.hub.Leases`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, volume_id: str, version: Version, holder: Holder) -> Lease:
        body = {**named(version), "holder": holder}
        return self._connection.write(Lease, "POST", at("volumes", volume_id, "leases"), body, once=True)

    def renew(self, lease_id: str) -> Lease:
        return self._connection.write(Lease, "PUT", at("leases", lease_id), patience=BEAT)

    def release(self, lease_id: str) -> None:
        # One that can't be ended now ends by itself: nobody's program waits for that.
        self._connection.do("DELETE", at("leases", lease_id), patience=BEAT)

    def live(self, volume_id: str) -> list[Lease]:
        return self._connection.pages(Lease, at("volumes", volume_id, "leases"))

    def lapsed(self, volume_id: str) -> list[Lease]:
        return self._connection.pages(Lease, at("volumes", volume_id, "leases", "lapsed"))
