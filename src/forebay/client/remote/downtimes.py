"""`wire.downtimes.Downtimes` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import Connection, at
from forebay.wire.downtimes import Downtime


class RemoteDowntimes:
    """Implements `wire.downtimes.Downtimes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, site: str = "") -> list[Downtime]:
        return self._connection.pages(Downtime, at("downtimes"), {"site": site})

    def plan(self, site: str, begins_at: float, ends_at: float, reason: str, by: str = "") -> Downtime:
        body = {"begins_at": begins_at, "ends_at": ends_at, "reason": reason, "by": by}
        return self._connection.write(Downtime, "POST", at("sites", site, "downtimes"), body, once=True)

    def cancel(self, site: str, downtime_id: str) -> Downtime:
        return self._connection.write(Downtime, "DELETE", at("sites", site, "downtimes", downtime_id), once=True)
