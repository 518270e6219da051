"""The embedded hub: the whole `wire.Hub` in this process, on a local database. No server is needed.

Its folder holds the database, the manifests and the hub's own id.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.cache.machine import Terms
from forebay.catalog import schema as t
from forebay.catalog.archive import Archive
from forebay.catalog.engine import migrate, open_engine, reading, writing
from forebay.catalog.retention import GRACE_S
from forebay.catalog.shared_files import SharedFiles
from forebay.catalog.store import CatalogStore
from forebay.catalog.versions import insert_if_absent
from forebay.clock import Clock
from forebay.errors import DamagedError, NotAllowedError
from forebay.fsio import Disk
from forebay.hub.changes import Changes
from forebay.hub.downtimes import DowntimeStore
from forebay.hub.fills import FillStore
from forebay.hub.foreground import Foreground
from forebay.hub.leases import LeaseStore
from forebay.hub.links import LinkStore
from forebay.hub.previews import PreviewStore
from forebay.hub.replicas import ReplicaStore
from forebay.hub.retention import RetentionStore
from forebay.hub.revisions import RevisionStore
from forebay.hub.rules import RuleStore
from forebay.hub.run_purge import Kept
from forebay.hub.runs import RunStore
from forebay.hub.scheduler import Scheduler
from forebay.hub.shared_bytes import SharedBytes
from forebay.hub.sites import SiteStore
from forebay.hub.volumes import VolumeStore
from forebay.hub.watched import Revisions
from forebay.sites.state import SiteTerms

_OWNER = "hub-id"


class LocalHub:
    """Implements `wire.Hub`."""

    def __init__(
        self,
        engine: Engine,
        files: Path,
        owner: str,
        clock: Clock,
        terms: Terms,
        site_terms: SiteTerms | None = None,
        retention_grace_s: float = GRACE_S,
        kept: Kept | None = None,
    ) -> None:
        self.engine = engine
        self.owner = owner
        self.catalog = CatalogStore(engine, files, clock)
        self.retention = RetentionStore(engine, clock, retention_grace_s)
        self.catalog.on_added = self.retention.tend
        self.volumes = VolumeStore(engine, clock)
        self.fills = FillStore(engine, clock, terms)
        self.leases = LeaseStore(engine, clock, terms)
        self.replicas = ReplicaStore(engine, clock, terms)
        of_sites, changes = site_terms or SiteTerms(), Changes()
        self.site_terms = of_sites
        self.links = LinkStore(engine, clock, terms, of_sites)
        archive = Archive(files, shared=SharedFiles.of(engine))
        shared = SharedBytes(archive)
        self.foreground = Foreground()
        self.scheduler = Scheduler(engine, clock, of_sites, terms, changes, shared, kept, self.foreground)
        self.scheduler.chores.append(self.retention.tend_due)
        self.sites = SiteStore(engine, clock, of_sites, changes, self.scheduler.poke)
        self.downtimes = DowntimeStore(engine, clock, of_sites, changes, self.scheduler.poke)
        self.revisions: Revisions = RevisionStore(engine)
        self.rules = RuleStore(engine, clock, self.scheduler.poke)
        self.previews = PreviewStore(engine, archive, clock, of_sites, changes)
        self.scheduler.chores.append(self.previews.tend)
        self.runs = RunStore(engine, archive, clock, of_sites, terms, changes, shared, self.scheduler.poke)

    @classmethod
    def open(
        cls,
        home: Path,
        database_url: str,
        clock: Clock,
        terms: Terms | None = None,
        site_terms: SiteTerms | None = None,
        retention_grace_s: float = GRACE_S,
        kept: Kept | None = None,
    ) -> LocalHub:
        """The hub of a home folder, made and migrated when it is not there yet.

        `kept` is what stays of runs that ended, by default all.
        NotAllowedError `home-read-only`, DamagedError `hub-id`.
        """
        try:
            home.mkdir(parents=True, exist_ok=True)
            owner = _owner(home)
        except OSError as error:
            raise NotAllowedError(
                "home-read-only",
                f"cannot write to forebay's folder {home}: {error.strerror}",
                todo="Give write permission there, or set FOREBAY_HOME to another folder.",
            ) from error
        engine = open_engine(database_url)
        migrate(engine)
        owner = _shared_owner(engine, owner)
        return cls(engine, home, owner, clock, terms or Terms(), site_terms, retention_grace_s, kept)

    def close(self) -> None:
        self.scheduler.close()
        self.engine.dispose()


def _shared_owner(engine: Engine, owner: str) -> str:
    """On a database server many homes are one hub: the id of the first of them counts for all."""
    if engine.dialect.name == "sqlite":
        return owner
    query = sa.select(t.hub.c.owner)
    with reading(engine) as connection:
        known = connection.execute(query).scalar()
    if known is None:
        with writing(engine) as connection:
            insert_if_absent(connection, t.hub, {"hub_id": 1, "owner": owner})
            known = connection.execute(query).scalar_one()
    return str(known)


def _owner(home: Path) -> str:
    """This hub's id, made once: of two processes that start together, one's id stays."""
    path = home / _OWNER
    if not path.exists():
        disk = Disk()
        candidate = home / f".{_OWNER}.{uuid.uuid4().hex}"
        disk.write_durable(candidate, uuid.uuid4().hex.encode() + b"\n")
        with suppress(FileExistsError):
            disk.link(candidate, path)
        disk.unlink(candidate)
    owner = path.read_text().strip()
    if not owner:
        raise DamagedError(
            "hub-id", f"{path} is empty", todo="Restore it; forebay-volume.json on a volume of this hub has its id."
        )
    return owner
