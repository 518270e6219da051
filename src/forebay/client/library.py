"""The versions that one program reads: each ref is resolved once, each version has one reader.

So a tag that moves meanwhile does not show a program two versions. Belongs to one process: a fork needs its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from forebay.cache.contents import load_manifest
from forebay.cache.local_file import LocalFile
from forebay.catalog.folders import File, Folder, Folders
from forebay.client.reading import VersionReader
from forebay.client.session import Session
from forebay.wire.catalog import Dataset, Version


class Shelf:
    """One version: its folders, what is known of its files, and the files themselves."""

    def __init__(self, session: Session, version: Version) -> None:
        self.version = version
        self._session = session
        self._manifest = load_manifest(session.hub.catalog, version)
        self.folders = Folders(self._manifest.table["path"])
        self._lock = threading.Lock()
        self._reader: VersionReader | None = None

    def find(self, path: str) -> File | Folder:
        """What a path is; NotFoundError `file-not-found`."""
        return self.folders.find(path)

    def size_bytes(self, file: File) -> int:
        size: int = self._manifest.table["size_bytes"][file.row].as_py()
        return size

    def digest(self, file: File) -> str | None:
        """BLAKE3 in hex; None while nobody has read the object."""
        found: bytes | None = self._manifest.table["digest"][file.row].as_py()
        return None if found is None else found.hex()

    def open(self, file: File) -> LocalFile:
        """The file itself, see `VersionReader.open`."""
        with self._lock:
            if self._reader is None:
                # Not before: whoever only looks around needs no volume.
                self._reader = VersionReader(self._session, self.version, self._manifest)
            reader = self._reader
        opened = reader.open(file)
        if reader.ready:
            self._learn()
        return opened

    def close(self) -> None:
        """End the lease, see `VersionReader.close`."""
        with self._lock:
            reader = self._reader
        if reader is not None:
            reader.close()

    def _learn(self) -> None:
        """The first fill of registered objects learns their digests: take them over once they are all known."""
        with self._lock:
            if not self._manifest.sealed:
                self._manifest = load_manifest(self._session.hub.catalog, self.version)


class Library:
    """`pinned` are refs that are resolved already: `{"criteo@prod": "criteo@v3"}`."""

    def __init__(self, session: Session, pinned: Mapping[str, str]) -> None:
        self._session = session
        self._pinned = dict(pinned)
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}

    @property
    def pinned(self) -> dict[str, str]:
        """What every ref that was asked for stands for here."""
        with self._lock:
            return dict(self._pinned)

    def datasets(self) -> list[Dataset]:
        return self._session.hub.catalog.datasets()

    def shelf(self, ref: str) -> Shelf:
        """The version that a ref stood for when it was asked for first; NotFoundError, InputError."""
        with self._lock:
            exact = self._pinned.get(ref)
            if exact is None or exact not in self._shelves:
                version = self._session.hub.catalog.resolve(exact or ref)
                exact = self._pinned[ref] = version.ref
                if exact not in self._shelves:
                    self._shelves[exact] = Shelf(self._session, version)
            return self._shelves[exact]

    def forget(self) -> None:
        """Resolve every ref anew when it is asked for next."""
        with self._lock:
            self._pinned.clear()

    def close(self) -> None:
        """End all leases, and this process's part in fills. It can be used again."""
        with self._lock:
            shelves = list(self._shelves.values())
        for shelf in shelves:
            shelf.close()
