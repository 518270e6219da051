"""A small world around one cache: a lake in a folder, a hub's home, a volume; made again from the same places."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import obstore

from forebay.cache.contents import load_manifest, load_objects
from forebay.cache.engine import Cache
from forebay.cache.evict import ConfirmLake
from forebay.cache.machine import Terms
from forebay.cache.moving import OpenLake
from forebay.cache.nearby import OpenNearby
from forebay.cache.pace import FillSettings
from forebay.cache.policy import Policy
from forebay.cache.selection import Selection, select
from forebay.catalog.manifest import Entry, Manifest
from forebay.clock import Clock, SystemClock
from forebay.errors import ConflictError
from forebay.fsio import Disk
from forebay.hub.local import LocalHub
from forebay.lake.confirm import confirm
from forebay.lake.etag import etag_of
from forebay.lake.stores import LakeStore
from forebay.vouch import this_process
from forebay.wire.cache import Holder
from forebay.wire.catalog import NewSubset, NewVersion, Version
from forebay.wire.hub import Hub

LIMIT_BYTES = 1 << 40

HOMES = os.environ.get("FOREBAY_TEST_HOMES")
"""A folder that is fit for SQLite, where `root` is on a file system that is not, as on NFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One of several machines around one volume."""

    host: str
    database_url: str


class World:
    """`root` holds lake/, home/ and volume/. Two worlds on one root are two processes.

    A `node` has a home and a path to the volume of its own, and the hub's database on a server.
    """

    def __init__(
        self, root: Path, *, clock: Clock | None = None, terms: Terms | None = None, node: Node | None = None
    ) -> None:
        self.root = root
        self.clock = clock or SystemClock()
        self.terms = terms or Terms()
        self.lake = root / "lake"
        self.node = node
        self.home = root / ("home" if node is None else f"home-{node.host}")
        self.volume = root / ("volume" if node is None else f"seen-by-{node.host}")
        self.lake.mkdir(parents=True, exist_ok=True)
        if HOMES and not self.home.exists():
            self.home.symlink_to(tempfile.mkdtemp(dir=HOMES))
        if node is None and not (self.home / "hub.db").exists():
            self.home.mkdir(exist_ok=True)
            shutil.copy(migrated_database(), self.home / "hub.db")
        self.hub = self.open_hub()

    @property
    def lake_url(self) -> str:
        return f"file://{self.lake}"

    def open_hub(self) -> LocalHub:
        url = f"sqlite:///{self.home}/hub.db" if self.node is None else self.node.database_url
        return LocalHub.open(self.home, url, self.clock, self.terms)

    def cache(
        self,
        *,
        hub: Hub | None = None,
        disk: Disk | None = None,
        limit_bytes: int = LIMIT_BYTES,
        policy: Policy | None = None,
        open_lake: OpenLake | None = None,
        confirm_lake: ConfirmLake | None = None,
        streams: int = 4,
        rebuild: bool = False,
        open_nearby: OpenNearby | None = None,
    ) -> Cache:
        return Cache(
            hub or self.hub,
            self.volume,
            limit_bytes=limit_bytes,
            policy=policy or Policy(grace_s=0.0),
            open_lake=open_lake or open_lake_of,
            confirm_lake=confirm_lake or self.confirm_lake,
            disk=disk or Disk(),
            clock=self.clock,
            fill_settings=FillSettings(streams=streams),
            terms=self.terms,
            rebuild=rebuild,
            host="" if self.node is None else self.node.host,
            open_nearby=open_nearby,
        )

    def put(self, files: Mapping[str, bytes]) -> None:
        """Put objects into the lake."""
        for name, data in files.items():
            path = self.lake / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def register(self, dataset: str, objects: Mapping[str, str]) -> Version:
        """A version of the objects that are in the lake: object key by path."""
        return add_version(self.hub, dataset, self.manifest(objects), self.lake_url)

    def manifest(self, objects: Mapping[str, str]) -> Manifest:
        """The manifest of objects as they are in the lake now."""
        store = LakeStore.open(self.lake_url)
        return Manifest.registered(_entry(store, path, key) for path, key in objects.items())

    def add(self, dataset: str, files: Mapping[str, bytes]) -> Version:
        """Put files into the lake under the dataset's name and register them."""
        self.put({f"{dataset}/{path}": data for path, data in files.items()})
        return self.register(dataset, {path: f"{dataset}/{path}" for path in files})

    def subset(self, whole: Version, paths: Iterable[str]) -> Version:
        """Declare a subset of a version: these of its files."""
        chosen = Selection.of(include=paths)
        part = select(load_manifest(self.hub.catalog, whole), chosen, whole.ref)
        new = NewSubset(
            dataset=whole.dataset,
            number=whole.number,
            subset=chosen.name,
            selection=chosen.text,
            manifest_digest=store_manifest(self.hub, part),
        )
        return self.hub.catalog.add_subset(new)

    def confirm_lake(self, version: Version) -> None:
        """What a client does: look at every object."""
        seen = confirm(load_objects(self.hub.catalog, version), open_lake_of(version))
        if not seen.complete:
            raise ConflictError("not-recoverable", f"the lake has not all of {version.ref}")


def add_version(hub: Hub, dataset: str, manifest: Manifest, lake_url: str, number: int | None = None) -> Version:
    """Keep a manifest and add it as a version, or put it back under its old number."""
    digest = store_manifest(hub, manifest)
    new = NewVersion(dataset=dataset, manifest_digest=digest, origin=manifest.origin, lake_url=lake_url)
    return hub.catalog.add_version(new).version if number is None else hub.catalog.restore_version(new, number)


def store_manifest(hub: Hub, manifest: Manifest) -> str:
    """Keep a manifest; its digest."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.parquet"
        manifest.write(file)
        return hub.catalog.store_manifest(file)


def _entry(store: LakeStore, path: str, key: str) -> Entry:
    meta = obstore.head(store.requests, key)
    return Entry(path=path, size_bytes=meta["size"], key=key, etag=etag_of(meta))


def open_lake_of(version: Version) -> LakeStore:
    """The lake of a version, without credentials."""
    return LakeStore.open(version.lake_url)


def holder(purpose: str = "test", *, far: bool = False) -> Holder:
    """This process; `far`: as one of another machine, which nobody here can look at."""
    process = "" if far else this_process()
    return Holder(user="tester", host="here", pid=os.getpid(), purpose=purpose, process=process)


@functools.cache
def migrated_database() -> Path:
    """An empty database with all tables, made once a process: migrating takes most of a second."""
    folder = Path(tempfile.mkdtemp(prefix="forebay-database-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hub = LocalHub.open(folder, f"sqlite:///{folder}/hub.db", SystemClock())
    hub.close()
    return folder / "hub.db"
