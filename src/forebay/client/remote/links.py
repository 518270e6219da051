"""`wire.hub.Links` of a served hub. What a fill can do without is not waited for when the hub is away."""

from __future__ import annotations

from forebay.client.remote.connection import BEAT, Connection, at
from forebay.wire.codec import to_json
from forebay.wire.links import LinkRecord, Sources, Ticketed, TransferReport


class RemoteLinks:
    """Implements `wire.hub.Links`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self) -> list[LinkRecord]:
        return self._connection.pages(LinkRecord, at("links"))

    def report(self, volume_id: str, report: TransferReport) -> None:
        address = at("volumes", volume_id, "transfers")
        self._connection.do("POST", address, to_json(report), once=True, patience=BEAT)

    def declare(
        self,
        source: str,
        target: str,
        *,
        bandwidth_bytes_s: float | None = None,
        latency_s: float | None = None,
        price_byte: float | None = None,
    ) -> LinkRecord:
        said = {"bandwidth_bytes_s": bandwidth_bytes_s, "latency_s": latency_s, "price_byte": price_byte}
        return self._connection.write(LinkRecord, "PUT", at("links"), {"source": source, "target": target, **said})

    def forget(self, source: str, target: str) -> None:
        self._connection.do("DELETE", at("links"), query={"source": source, "target": target}, once=True)

    def serve(self, volume_id: str, url: str) -> None:
        self._connection.do("PUT", at("volumes", volume_id, "blob-server"), {"url": url}, patience=BEAT)

    def holders(self, fill_id: str, token: int, lake: str) -> Sources:
        body = {"token": token, "lake": lake}
        return self._connection.write(Sources, "POST", at("fills", fill_id, "sources"), body, patience=BEAT)

    def ticketed(self, volume_id: str, ticket: str) -> Ticketed:
        address = at("volumes", volume_id, "tickets")
        return self._connection.write(Ticketed, "POST", address, {"ticket": ticket}, patience=BEAT)

    def suspect(self, fill_id: str, token: int, volume_id: str, digest: str) -> None:
        body = {"token": token, "volume_id": volume_id, "digest": digest}
        self._connection.do("POST", at("fills", fill_id, "suspects"), body, once=True, patience=BEAT)
