"""`wire.hub.Replicas` of a served hub."""

from __future__ import annotations

from forebay.client.remote.connection import BEAT, Connection, Query, at
from forebay.errors import NotFoundError
from forebay.wire.cache import EvictGrant, Replica
from forebay.wire.catalog import Version


class RemoteReplicas:
    """Implements `wire.hub.Replicas`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, volume_id: str) -> list[Replica]:
        return self._connection.pages(Replica, at("volumes", volume_id, "replicas"))

    def get(self, volume_id: str, version: Version) -> Replica | None:
        address, query = _one(volume_id, version)
        try:
            return self._connection.get(Replica, address, query)
        except NotFoundError as error:
            if error.kind == "not-cached":
                return None
            raise

    def pin(self, volume_id: str, version: Version, by: str, reason: str, until: float) -> Replica:
        address, query = _one(volume_id, version, "pin")
        body = {"by": by, "reason": reason, "until": until}
        return self._connection.write(Replica, "PUT", address, body, query=query)

    def unpin(self, volume_id: str, version: Version) -> Replica:
        address, query = _one(volume_id, version, "pin")
        return self._connection.write(Replica, "DELETE", address, query=query)

    def confirm_lake(self, volume_id: str, version: Version) -> None:
        address, query = _one(volume_id, version, "lake-confirmation")
        self._connection.do("PUT", address, query=query)

    def begin_evict(self, volume_id: str, version: Version, reason: str) -> EvictGrant:
        address, query = _one(volume_id, version, "eviction")
        return self._connection.write(EvictGrant, "POST", address, {"reason": reason}, query=query, once=True)

    def renew_evict(self, volume_id: str, version: Version, token: int) -> None:
        address, query = _one(volume_id, version, "eviction")
        self._connection.do("PUT", address, {"token": token}, query=query, patience=BEAT)

    def abandon_evict(self, volume_id: str, version: Version, token: int) -> None:
        address, query = _one(volume_id, version, "eviction", "abandonment")
        self._connection.do("POST", address, {"token": token}, query=query)

    def cancel_evict(self, volume_id: str, version: Version, token: int, reason: str, *, damaged: bool) -> None:
        address, query = _one(volume_id, version, "eviction", "cancellation")
        body = {"token": token, "reason": reason, "damaged": damaged}
        self._connection.do("POST", address, body, query=query, once=True)

    def finish_evict(self, volume_id: str, version: Version, token: int, freed_bytes: int) -> None:
        address, query = _one(volume_id, version, "eviction", "done")
        self._connection.do("POST", address, {"token": token, "freed_bytes": freed_bytes}, query=query, once=True)

    def mark_verified(self, volume_id: str, version: Version, token: int) -> None:
        address, query = _one(volume_id, version, "verification")
        self._connection.do("PUT", address, {"token": token}, query=query)

    def mark_damaged(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> Replica:
        address, query = _one(volume_id, version, "damage")
        body = {"reason": reason, "token": token}
        return self._connection.write(Replica, "PUT", address, body, query=query, once=True)

    def adopt(self, volume_id: str, version: Version, token: int, fill_seconds: float) -> Replica:
        address, query = _one(volume_id, version)
        body = {"token": token, "fill_seconds": fill_seconds}
        return self._connection.write(Replica, "PUT", address, body, query=query, once=True)

    def forget(self, volume_id: str, version: Version, reason: str, *, token: int = 0) -> None:
        address, query = _one(volume_id, version)
        self._connection.do("DELETE", address, query={**query, "reason": reason, "token": token}, once=True)


def _one(volume_id: str, version: Version, *part: str) -> tuple[str, Query]:
    """The address of a replica, or of a part of it."""
    return at("volumes", volume_id, "replicas", version.dataset, version.number, *part), {"subset": version.subset}
