"""One version as readers of this process use it: any file at once when it is there, soon when it is not.

A version that is not ready is brought here in the background, by this process or another; a reader waits for its own
file only. One lease for all readers keeps the version here until `close`, or until nobody has read for a while.
"""

from __future__ import annotations

import copy
import threading
import time
import weakref
from typing import TYPE_CHECKING

from forebay.cache.early import EarlyFiles
from forebay.cache.local_file import LocalFile
from forebay.cache.place import holds
from forebay.cache.wishes import Wishes
from forebay.client import ending
from forebay.client.session import Session
from forebay.errors import ConflictError, ForebayError
from forebay.log import get_logger

if TYPE_CHECKING:
    from forebay.cache.leased import Leased
    from forebay.catalog.folders import File
    from forebay.catalog.manifest import Manifest
    from forebay.wire.catalog import Version

IDLE_SECONDS = 600.0
"""So long after the last file was closed the lease ends; the next file takes a new one."""

_log = get_logger("read")
_LOOK_SECONDS = 0.1
_LEASE_SECONDS = 2.0
_STOP_SECONDS = 5.0


class VersionReader:
    """Opens files of one version; threads may share it, processes may not."""

    def __init__(self, session: Session, version: Version, manifest: Manifest) -> None:
        self._session = session
        self._version = version
        self._tree = session.cache.path(version)
        self._early = EarlyFiles(session.hub, session.cache.layout, session.cache.volume_id, version, manifest)
        self._use = _Use()
        self._lock = threading.Lock()
        self._bringing: _Bringing | None = None

    def open(self, file: File) -> LocalFile:
        """The plain local file, opened for reading; waits for it, and only for it, when it is not here yet.

        Raises what went wrong with the fill when that ends without this file.
        """
        while True:
            bringing = self._bring()
            # A version that is here is leased in milliseconds: no need to look for an early file meanwhile.
            ended = bringing.ended.wait(_LEASE_SECONDS if self._is_here() else 0.0)
            opened = self._open_ready(file) if bringing.leased is not None else self._early.open(file.row)
            if opened is not None:
                self._use.note(opened)
                return opened
            if not ended:
                bringing.wishes.add(self._early.entry_to_ask_for(file.row))
                self._early.ask_for(file.row)
                bringing.ended.wait(_LOOK_SECONDS)
            elif bringing.error is not None:
                self._forget(bringing)
                if (left := self._early.open_left(file.row)) is not None:
                    return left
                raise copy.copy(bringing.error) from bringing.error
            else:
                # Its files went away or were found damaged, in spite of the lease: they are brought here anew.
                self._forget(bringing)
                bringing.stop("its files are not there any more")

    @property
    def ready(self) -> bool:
        """Whether the version is here as a whole, and leased."""
        bringing = self._bringing
        return bringing is not None and bringing.leased is not None

    def close(self) -> None:
        """End the lease, and this process's part in a fill. Files that are open stay readable."""
        with self._lock:
            bringing, self._bringing = self._bringing, None
        if bringing is not None:
            bringing.stop_and_wait("its reader was closed")

    def _bring(self) -> _Bringing:
        with self._lock:
            if self._bringing is None or self._bringing.over:
                self._bringing = _Bringing(self._session, self._version, self._use)
                weakref.finalize(self, self._bringing.stop, "nobody reads it any more")
                self._bringing.start()
            return self._bringing

    def _forget(self, bringing: _Bringing) -> None:
        with self._lock:
            if self._bringing is bringing:
                self._bringing = None

    def _is_here(self) -> bool:
        return holds(self._tree, self._version.manifest_digest)

    def _open_ready(self, file: File) -> LocalFile | None:
        if not self._is_here():
            return None
        try:
            return LocalFile.open(self._tree / file.path)
        except FileNotFoundError:
            return None


class _Use:
    """Which files are open, and since when none is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: weakref.WeakSet[LocalFile] = weakref.WeakSet()
        self._last_s = time.monotonic()

    def note(self, file: LocalFile) -> None:
        with self._lock:
            self._files.add(file)
            self._last_s = time.monotonic()

    def idle_s(self) -> float:
        with self._lock:
            if any(not file.closed for file in self._files):
                self._last_s = time.monotonic()
            return time.monotonic() - self._last_s


class _Bringing:
    """One try to have the version ready and leased, and the lease while it is used; in a thread of its own."""

    def __init__(self, session: Session, version: Version, use: _Use) -> None:
        self.wishes = Wishes()
        self.ended = threading.Event()
        self.leased: Leased | None = None
        self.error: BaseException | None = None
        self._session = session
        self._version = version
        self._use = use
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"forebay-read-{version.ref}", daemon=True)

    @property
    def over(self) -> bool:
        """Whether the lease was lost or given back."""
        return self._over.is_set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, why: str) -> None:
        """Nobody reads any more: the fill ends, or the lease."""
        self.wishes.stop(ConflictError("reading-ended", why, todo="Read on, and it goes on from where it was."))
        self._over.set()

    def stop_and_wait(self, why: str) -> None:
        """The same, and give it a moment to tell the hub."""
        self.stop(why)
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        with ending.before_exit(lambda: self.stop_and_wait("the program that read it has ended")):
            try:
                self.leased = self._lease()
            except BaseException as error:  # noqa: BLE001 - raised in those who wait
                self.error = error
            finally:
                self.ended.set()
            if self.leased is not None:
                self._keep(self.leased)

    def _lease(self) -> Leased:
        def lose(error: ConflictError) -> None:
            self._over.set()

        holder = self._session.holder("read")
        return self._session.cache.lease(self._version, holder, on_lost=lose, wishes=self.wishes)

    def _keep(self, leased: Leased) -> None:
        """Until it is over, or idle for too long."""
        with leased:
            try:
                self._session.tidy(leased.warmed)
            except ForebayError as error:
                _log.warning("sweep-failed", kind=error.kind)
            while not self._over.wait(IDLE_SECONDS / 10):
                if self._use.idle_s() >= IDLE_SECONDS:
                    self._over.set()
