"""`wire.hub.Volumes` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import Connection, at
from forebay.wire.cache import CacheEvent, HealthReport, LedgerKey, Quota, Savings, Use, Volume
from forebay.wire.codec import to_json


class RemoteVolumes:
    """Implements `wire.hub.Volumes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, volume_id: str, path: str, limit_bytes: int, host: str = "") -> Volume:
        body = {"path": path, "limit_bytes": limit_bytes, "host": host}
        return self._connection.write(Volume, "PUT", at("volumes", volume_id), body)

    def get(self, volume_id: str) -> Volume:
        return self._connection.get(Volume, at("volumes", volume_id))

    def at(self, path: str, host: str = "") -> Volume | None:
        found = self._connection.pages(Volume, at("volumes"), {"path": path, "host": host})
        return found[0] if found else None

    def set_used_bytes(self, volume_id: str, used_bytes: int, added_bytes: int | None = None) -> None:
        body = {"used_bytes": used_bytes, "added_bytes": added_bytes}
        self._connection.do("PUT", at("volumes", volume_id, "used-bytes"), body)

    def free_bytes(self, volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        body = {"freed_bytes": freed_bytes, "counts": counts}
        self._connection.do("POST", at("volumes", volume_id, "freed"), body, once=True)

    def report_health(self, volume_id: str, report: HealthReport) -> Volume:
        return self._connection.write(Volume, "POST", at("volumes", volume_id, "health"), to_json(report), once=True)

    def record(self, volume_id: str, ref: str, event: str, reason: str, size_bytes: int) -> None:
        body = {"ref": ref, "event": event, "reason": reason, "size_bytes": size_bytes}
        self._connection.do("POST", at("volumes", volume_id, "events"), body, once=True)

    def events(self, volume_id: str, limit: int) -> list[CacheEvent]:
        if limit < 1:
            return []
        return self._connection.pages(CacheEvent, at("volumes", volume_id, "events"), most=limit)

    def savings(self, volume_id: str, by: LedgerKey = LedgerKey.VERSION) -> list[Savings]:
        return self._connection.pages(Savings, at("volumes", volume_id, "savings"), {"by": by.value})

    def uses(self, volume_id: str, since: float = 0.0) -> list[Use]:
        return self._connection.pages(Use, at("volumes", volume_id, "uses"), {"since": since})

    def quotas(self, volume_id: str) -> list[Quota]:
        return self._connection.pages(Quota, at("volumes", volume_id, "quotas"))

    def set_quota(self, volume_id: str, team: str, limit_bytes: int) -> Quota:
        address = at("volumes", volume_id, "quotas", team)
        return self._connection.write(Quota, "PUT", address, {"limit_bytes": limit_bytes})

    def remove_quota(self, volume_id: str, team: str) -> None:
        self._connection.do("DELETE", at("volumes", volume_id, "quotas", team), once=True)
