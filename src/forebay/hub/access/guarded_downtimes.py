"""Downtimes for one principal: everybody sees them, who tends the site plans them. Reasons name nothing hidden."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from forebay.hub.access.gate import Gate
from forebay.hub.access.jobs import hidden_names, without
from forebay.hub.access.rules import Action, Agent, Place, Verdict
from forebay.hub.access.trail import Deed
from forebay.wire.downtimes import Downtime, Downtimes


class GuardedDowntimes:
    """Implements `wire.downtimes.Downtimes`."""

    def __init__(self, downtimes: Downtimes, gate: Gate) -> None:
        self._downtimes = downtimes
        self._gate = gate

    def all(self, site: str = "") -> list[Downtime]:
        """For an agent those of its own site."""
        who = self._gate.principal
        if site:
            told = Deed(action=Action.READ.value, call="downtimes.all", detail=f"site {site}")
            self._gate.on(told, Action.READ, Place(site=site))
        found = self._downtimes.all(site)
        return self._shown(item for item in found if not isinstance(who, Agent) or item.site == who.site)

    def plan(self, site: str, begins_at: float, ends_at: float, reason: str, by: str = "") -> Downtime:
        self._may_plan("downtimes.plan", site, f"{begins_at} to {ends_at}: {reason}")
        planned = self._downtimes.plan(site, begins_at, ends_at, reason, by=self._gate.principal.name)
        return self._shown([planned])[0]

    def cancel(self, site: str, downtime_id: str) -> Downtime:
        self._may_plan("downtimes.cancel", site, f"downtime {downtime_id}")
        return self._shown([self._downtimes.cancel(site, downtime_id)])[0]

    def _may_plan(self, call: str, site: str, detail: str) -> None:
        """An agent does not plan for its own site."""
        deed = Deed(action=Action.TEND.value, call=call, detail=f"site {site} {detail}")
        if isinstance(self._gate.principal, Agent):
            self._gate.refuse(deed, Verdict(allowed=False, reason="a site's agent may not"))
        self._gate.on(deed, Action.TEND, Place(site=site))

    def _shown(self, found: Iterable[Downtime]) -> list[Downtime]:
        known = list(found)
        hidden = hidden_names(self._gate, (item.reason for item in known))
        return [replace(item, reason=without(item.reason, hidden)) for item in known]
