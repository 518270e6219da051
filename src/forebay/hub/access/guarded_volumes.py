"""The volumes for one principal: histories, ledger and quotas without what is hidden.

A volume's account is the volume's own: its sum tells no dataset, and `df` shows it to whoever has it mounted.
"""

from __future__ import annotations

from forebay.errors import NotFoundError
from forebay.hub.access.gate import Gate
from forebay.hub.access.rules import Action, Agent, Place
from forebay.hub.access.trail import Deed
from forebay.wire.cache import CacheEvent, HealthReport, LedgerKey, Quota, Savings, Use, Volume
from forebay.wire.hub import Volumes

_MORE_EVENTS = 4


class GuardedVolumes:
    """Implements `wire.hub.Volumes`."""

    def __init__(self, volumes: Volumes, gate: Gate) -> None:
        self._volumes = volumes
        self._gate = gate

    def add(self, volume_id: str, path: str, limit_bytes: int, host: str = "") -> Volume:
        """A volume that no site has becomes the site's whose agent adds it first.

        Who does not tend it may tell where it is on a host of theirs, and not how large it is.
        """
        who, known = self._gate.principal, self._known(volume_id)
        if isinstance(who, Agent) and not self._place(volume_id).site:
            told = f"volume {volume_id} becomes the site's"
            self._gate.record(Deed(action=Action.TEND.value, call="volumes.add", detail=told))
            self._gate.access.subjects.settle(volume_id, who.site)
        if known is not None and not self._gate.may(Action.TEND, self._place(volume_id)):
            self._gate.on_volume("volumes.add", Action.READ, volume_id)
            return self._volumes.add(volume_id, path, known.limit_bytes, host)
        same = known is not None and known.limit_bytes == limit_bytes
        told = f"at {path} on {host or 'this host'}, {limit_bytes} bytes"
        self._gate.on_volume("volumes.add", Action.TEND, volume_id, detail=told, quiet=same)
        return self._volumes.add(volume_id, path, limit_bytes, host)

    def get(self, volume_id: str) -> Volume:
        self._gate.on_volume("volumes.get", Action.READ, volume_id)
        return self._volumes.get(volume_id)

    def at(self, path: str, host: str = "") -> Volume | None:
        found = self._volumes.at(path, host)
        return found if found is not None and self._may_read(found.volume_id) else None

    def set_used_bytes(self, volume_id: str, used_bytes: int, added_bytes: int | None = None) -> None:
        self._gate.on_volume("volumes.set_used_bytes", Action.TEND, volume_id, detail=f"{used_bytes} bytes")
        self._volumes.set_used_bytes(volume_id, used_bytes, added_bytes)

    def free_bytes(self, volume_id: str, freed_bytes: int, counts: int | None = None) -> None:
        self._gate.on_volume("volumes.free_bytes", Action.TEND, volume_id, quiet=True)
        self._volumes.free_bytes(volume_id, freed_bytes, counts)

    def report_health(self, volume_id: str, report: HealthReport) -> Volume:
        """Counts only from who tends the volume; what others saw of it is no evidence, and no fault of theirs."""
        self._gate.on_volume("volumes.report_health", Action.READ, volume_id)
        if not self._gate.may(Action.TEND, self._place(volume_id)):
            return self._volumes.get(volume_id)
        return self._volumes.report_health(volume_id, report)

    def record(self, volume_id: str, ref: str, event: str, reason: str, size_bytes: int) -> None:
        self._gate.on_volume("volumes.record", Action.TEND, volume_id, ref=ref, quiet=True)
        self._volumes.record(volume_id, ref, event, reason, size_bytes)

    def events(self, volume_id: str, limit: int) -> list[CacheEvent]:
        """As many as there were without what is hidden: fewer than asked for would tell of it."""
        self._gate.on_volume("volumes.events", Action.READ, volume_id)
        if self._gate.sees_all:
            return self._volumes.events(volume_id, limit)
        visible = self._gate.visible_past()
        asked = max(1, limit)
        while True:
            found = self._volumes.events(volume_id, asked)
            shown = [item for item in found if not item.ref or _dataset(item.ref) in visible]
            if len(shown) >= limit or len(found) < asked:
                return shown[:limit]
            asked *= _MORE_EVENTS

    def savings(self, volume_id: str, by: LedgerKey = LedgerKey.VERSION) -> list[Savings]:
        self._gate.on_volume("volumes.savings", Action.READ, volume_id)
        if self._gate.sees_all:
            return self._volumes.savings(volume_id, by)
        return self._gate.access.subjects.savings(volume_id, by, self._gate.visible_past())

    def uses(self, volume_id: str, since: float = 0.0) -> list[Use]:
        self._gate.on_volume("volumes.uses", Action.READ, volume_id)
        found = self._volumes.uses(volume_id, since)
        if self._gate.sees_all:
            return found
        visible = self._gate.visible_past()
        return [item for item in found if _dataset(item.ref) in visible]

    def quotas(self, volume_id: str) -> list[Quota]:
        """A person's own teams'; all of them for an admin and for the site's agent."""
        self._gate.on_volume("volumes.quotas", Action.READ, volume_id)
        found = self._volumes.quotas(volume_id)
        who = self._gate.principal
        if isinstance(who, Agent) or self._gate.sees_all:
            return found
        return [item for item in found if item.team in who.teams]

    def set_quota(self, volume_id: str, team: str, limit_bytes: int) -> Quota:
        told = f"quota of {team}: {limit_bytes} bytes"
        self._gate.on_volume("volumes.set_quota", Action.GOVERN, volume_id, detail=told)
        return self._volumes.set_quota(volume_id, team, limit_bytes)

    def remove_quota(self, volume_id: str, team: str) -> None:
        self._gate.on_volume("volumes.remove_quota", Action.GOVERN, volume_id, detail=f"quota of {team}: none")
        self._volumes.remove_quota(volume_id, team)

    def _place(self, volume_id: str) -> Place:
        return self._gate.access.subjects.place(volume_id)

    def _known(self, volume_id: str) -> Volume | None:
        try:
            return self._volumes.get(volume_id)
        except NotFoundError:
            return None

    def _may_read(self, volume_id: str) -> bool:
        return self._gate.may(Action.READ, self._place(volume_id))


def _dataset(ref: str) -> str:
    return ref.partition("@")[0]
