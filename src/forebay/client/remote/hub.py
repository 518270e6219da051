"""The remote hub: the whole `wire.Hub` by asking a served one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from forebay.client.remote.access import RemoteAccess
from forebay.client.remote.catalog import RemoteCatalog
from forebay.client.remote.connection import FIRST, LATER, Connection, at
from forebay.client.remote.downtimes import RemoteDowntimes
from forebay.client.remote.fills import RemoteFills
from forebay.client.remote.leases import RemoteLeases
from forebay.client.remote.links import RemoteLinks
from forebay.client.remote.previews import RemotePreviews
from forebay.client.remote.replicas import RemoteReplicas
from forebay.client.remote.retention import RemoteRetention
from forebay.client.remote.rules import RemoteRules
from forebay.client.remote.runs import RemoteRuns
from forebay.client.remote.sites import RemoteSites
from forebay.client.remote.volumes import RemoteVolumes
from forebay.lake.backoff import Patience


@dataclass(frozen=True, slots=True, kw_only=True)
class _HubInfo:
    owner: str


class RemoteHub:
    """Implements `wire.Hub`, and has the hub's `wire.access.Access`. `folder` keeps files that were brought, by hub."""

    def __init__(self, url: str, token: str, folder: Path, *, first: Patience = FIRST, later: Patience = LATER) -> None:
        self._connection = Connection(url, token, first=first, later=later)
        self._folder = folder
        self._owner = ""
        self.catalog = RemoteCatalog(self._connection, lambda: self._folder / self.owner)
        self.volumes = RemoteVolumes(self._connection)
        self.fills = RemoteFills(self._connection)
        self.leases = RemoteLeases(self._connection)
        self.replicas = RemoteReplicas(self._connection)
        self.links = RemoteLinks(self._connection)
        self.retention = RemoteRetention(self._connection)
        self.access = RemoteAccess(self._connection)
        self.sites = RemoteSites(self._connection)
        self.downtimes = RemoteDowntimes(self._connection)
        self.rules = RemoteRules(self._connection)
        self.previews = RemotePreviews(self._connection)
        self.runs = RemoteRuns(self._connection, lambda: self._folder / self.owner)

    @property
    def owner(self) -> str:
        if not self._owner:
            self._owner = self._connection.get(_HubInfo, at("hub")).owner
        return self._owner

    def close(self) -> None:
        self._connection.close()
