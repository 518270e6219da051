"""A hub for one principal: every method asks the rules first, hides what is hidden, and writes the audit.

Cheap to make: an HTTP face makes one for each request, `Guarded(hub, access, access.principal_of(token), request)`.
"""

from __future__ import annotations

from forebay.hub.access.gate import Gate
from forebay.hub.access.guarded_access import GuardedAccess
from forebay.hub.access.guarded_cache import GuardedFills, GuardedLeases, GuardedReplicas
from forebay.hub.access.guarded_catalog import GuardedCatalog
from forebay.hub.access.guarded_downtimes import GuardedDowntimes
from forebay.hub.access.guarded_links import GuardedLinks
from forebay.hub.access.guarded_previews import GuardedPreviews
from forebay.hub.access.guarded_retention import GuardedRetention
from forebay.hub.access.guarded_rules import GuardedRules
from forebay.hub.access.guarded_runs import GuardedRuns
from forebay.hub.access.guarded_sites import GuardedSites
from forebay.hub.access.guarded_volumes import GuardedVolumes
from forebay.hub.access.rules import Principal
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.watched import WatchedHub


class Guarded:
    """Implements `wire.Hub`, and has the guarded `wire.access.Access`; the hub behind it is closed by who opened it."""

    def __init__(
        self, hub: WatchedHub, access: AccessStore, principal: Principal, request: Request | None = None
    ) -> None:
        gate = Gate(access, principal, request or Request())
        self.principal = principal
        self.owner = hub.owner
        self.catalog = GuardedCatalog(hub.catalog, hub.runs, gate)
        self.volumes = GuardedVolumes(hub.volumes, gate)
        self.fills = GuardedFills(hub.fills, gate)
        self.leases = GuardedLeases(hub.leases, gate)
        self.replicas = GuardedReplicas(hub.replicas, gate)
        self.links = GuardedLinks(hub.links, gate)
        self.retention = GuardedRetention(hub.retention, self.catalog.shown, gate)
        self.sites = GuardedSites(hub.sites, hub.runs, gate)
        self.downtimes = GuardedDowntimes(hub.downtimes, gate)
        self.rules = GuardedRules(hub.rules, gate)
        self.runs = GuardedRuns(hub.runs, gate)
        self.previews = GuardedPreviews(hub.previews, gate)
        self.revisions = hub.revisions
        self.access = GuardedAccess(access, gate)

    def close(self) -> None:
        """Nothing here is open: one hub serves many principals."""
