"""`wire.hub.Fills` of a served hub. Heartbeats don't wait for a hub that is away: the next one comes soon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebay.client.remote.connection import BEAT, Connection, at
from forebay.wire.cache import (
    Claim,
    FillDone,
    Granted,
    Holder,
    NoRoom,
    OpenFill,
    Progress,
    Ready,
    Replica,
    Reserved,
    Waiting,
    Wish,
)
from forebay.wire.catalog import Version

# What a type checker takes for a class.
_CLAIM: type[Claim] = Ready | Granted | Waiting  # type: ignore[assignment]
_NOTHING: type[Claim | None] = Ready | Granted | Waiting | None  # type: ignore[assignment]
_ROOM: type[Reserved | NoRoom] = Reserved | NoRoom  # type: ignore[assignment]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Abandoned:
    left_bytes: int


def named(version: Version) -> dict[str, str | int]:
    """A version as requests name it."""
    return {"dataset": version.dataset, "number": version.number, "subset": version.subset}


class RemoteFills:
    """Implements `wire.hub.Fills`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim(self, volume_id: str, version: Version, holder: Holder, *, dead_token: int = 0) -> Claim:
        body = {**named(version), "holder": holder, "dead_token": dead_token}
        return self._connection.write(_CLAIM, "POST", at("volumes", volume_id, "claims"), body, once=True)

    def look(self, volume_id: str, version: Version) -> Claim | None:
        return self._connection.get(_NOTHING, at("volumes", volume_id, "claims"), named(version))

    def reserve(
        self, fill_id: str, token: int, need_bytes: int, free_bytes: int, team_bytes: int = 0
    ) -> Reserved | NoRoom:
        body = {"token": token, "need_bytes": need_bytes, "free_bytes": free_bytes, "team_bytes": team_bytes}
        return self._connection.write(_ROOM, "PUT", at("fills", fill_id, "reservation"), body)

    def renew(self, fill_id: str, token: int, progress: Progress) -> None:
        body = {"token": token, "progress": progress}
        self._connection.do("PUT", at("fills", fill_id, "progress"), body, patience=BEAT)

    def finish(self, fill_id: str, token: int, done: FillDone) -> Replica:
        body = {"token": token, "done": done}
        return self._connection.write(Replica, "POST", at("fills", fill_id, "done"), body, once=True)

    def fail(self, fill_id: str, token: int, reason: str, kept_bytes: int, *, damaged: bool = False) -> None:
        body = {"token": token, "reason": reason, "kept_bytes": kept_bytes, "damaged": damaged}
        self._connection.do("POST", at("fills", fill_id, "failure"), body, once=True)

    def prefer(self, volume_id: str, version: Version, entries: Sequence[int]) -> None:
        body = {**named(version), "entries": list(entries)}
        self._connection.do("POST", at("volumes", volume_id, "wishes"), body)

    def wishes(self, fill_id: str, token: int, after: int) -> list[Wish]:
        return self._connection.pages(Wish, at("fills", fill_id, "wishes"), {"token": token, "after": after})

    def open_fills(self, volume_id: str) -> list[OpenFill]:
        return self._connection.pages(OpenFill, at("volumes", volume_id, "fills"))

    def abandon(self, fill_id: str) -> int:
        return self._connection.write(_Abandoned, "DELETE", at("fills", fill_id), once=True).left_bytes
