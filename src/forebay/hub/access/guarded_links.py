"""Links and tickets for one principal.

A fill's holder alone hears who else has its version, and only while it may bring those bytes to its volume; who serves
a volume hears only of tickets for that one. Both are asked again each time: a right that was taken away ends here.
"""

from __future__ import annotations

from typing import NoReturn

from forebay.catalog.names import check_dataset_name
from forebay.errors import NotAllowedError
from forebay.hub.access.gate import Gate
from forebay.hub.access.guarded_cache import require_holder
from forebay.hub.access.rules import HIDDEN, UNKNOWN, Action, Verdict, resides
from forebay.hub.access.trail import Deed
from forebay.hub.links import bad_ticket
from forebay.wire.hub import Links
from forebay.wire.links import LinkRecord, Sources, Ticketed, TransferReport


class GuardedLinks:
    """Implements `wire.hub.Links`."""

    def __init__(self, links: Links, gate: Gate) -> None:
        self._links = links
        self._gate = gate

    def all(self) -> list[LinkRecord]:
        """As the fills of visible datasets saw them."""
        if self._gate.sees_all:
            return self._links.all()
        return self._gate.access.links(self._gate.visible_past())

    def report(self, volume_id: str, report: TransferReport) -> None:
        dataset = check_dataset_name(report.dataset)
        self._gate.on_dataset("links.report", Action.WARM, dataset, volume_id=volume_id, quiet=True)
        self._links.report(volume_id, report)

    def declare(
        self,
        source: str,
        target: str,
        *,
        bandwidth_bytes_s: float | None = None,
        latency_s: float | None = None,
        price_byte: float | None = None,
    ) -> LinkRecord:
        self._gate.on_whole("links.declare", Action.GOVERN, detail=f"link {source} to {target}")
        return self._links.declare(
            source, target, bandwidth_bytes_s=bandwidth_bytes_s, latency_s=latency_s, price_byte=price_byte
        )

    def forget(self, source: str, target: str) -> None:
        self._gate.on_whole("links.forget", Action.GOVERN, detail=f"link {source} to {target}")
        self._links.forget(source, target)

    def serve(self, volume_id: str, url: str) -> None:
        self._gate.on_volume("links.serve", Action.TEND, volume_id, quiet=True)
        self._links.serve(volume_id, url)

    def holders(self, fill_id: str, token: int, lake: str) -> Sources:
        require_holder(self._gate, "links.holders", fill_id)
        return self._links.holders(fill_id, token, lake)

    def ticketed(self, volume_id: str, ticket: str) -> Ticketed:
        self._gate.on_volume("links.ticketed", Action.TEND, volume_id, quiet=True)
        try:
            found = self._links.ticketed(volume_id, ticket)
        except NotAllowedError:
            self._refuse(volume_id, UNKNOWN)
        data = self._gate.access.subjects.data(found.dataset, self._gate.principal, found.for_volume_id)
        if data is None or not self._gate.sees(data):
            self._refuse(volume_id, HIDDEN)
        elsewhere = resides(Action.WARM, data)
        if elsewhere is not None:
            self._refuse(volume_id, elsewhere)
        return found

    def suspect(self, fill_id: str, token: int, volume_id: str, digest: str) -> None:
        require_holder(self._gate, "links.suspect", fill_id, quiet=False)
        self._links.suspect(fill_id, token, volume_id, digest)

    def _refuse(self, volume_id: str, verdict: Verdict) -> NoReturn:
        deed = Deed(action=Action.OPEN.value, call="links.ticketed", detail=f"a ticket shown to volume {volume_id}")
        self._gate.refuse(deed, Verdict(allowed=False, visible=False, reason=verdict.reason), bad_ticket)
