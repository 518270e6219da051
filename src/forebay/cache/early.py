"""Opens files of a version that is still being filled, where they lie: blobs, and temp files that were accepted.

VERIFIED: only what a holder with a live claim wrote down as whole, after it accepted the digest, or what hashes to that
here; and a known digest must agree. What was opened stays readable when it is renamed or removed later. Changes nothing
on the volume.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pyarrow.compute as pc

from forebay.cache import journal as journals
from forebay.cache.incoming import holders, temp_file
from forebay.cache.journal import JournalFollowed
from forebay.cache.local_file import LocalFile
from forebay.cache.volume import VolumeLayout
from forebay.catalog.manifest import Manifest
from forebay.digest import new_hasher
from forebay.wire.cache import Ready, Waiting
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_READ_BYTES = 1 << 20


class EarlyFiles:
    """The files of one version on one volume, for readers of this process; threads may share it."""

    def __init__(self, hub: Hub, layout: VolumeLayout, volume_id: str, version: Version, manifest: Manifest) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._version = version
        self._sizes = manifest.table["size_bytes"]
        self._digests = manifest.table["digest"]
        self._lock = threading.Lock()
        self._holder: Path | None = None
        self._journal = JournalFollowed(Path(), 0)
        self._wished: set[int] = set()

    def entry_to_ask_for(self, entry: int) -> int:
        """The entry that a fill moves for this one: of those with the same known digest, it moves the first."""
        digest = self._digests[entry]
        return int(pc.index(self._digests, digest).as_py()) if digest.is_valid else entry

    def open(self, entry: int) -> LocalFile | None:
        """The file of an entry, when it can be had before its version is ready."""
        claim = self._hub.fills.look(self._volume_id, self._version)
        if isinstance(claim, Ready):
            # The tree is there, and a lease that keeps it: that is the better way.
            return None
        known: bytes | None = self._digests[entry].as_py()
        size: int = self._sizes[entry].as_py()
        if known is not None and (file := self._open_blob(known, size)) is not None:
            return file
        if not isinstance(claim, Waiting) or not claim.fill_id:
            return None
        return self._open_accepted(claim, self.entry_to_ask_for(entry), size, known)

    def ask_for(self, entry: int) -> None:
        """Tell the holder that was seen last that a reader waits for this entry; each holder is told once."""
        entry = self.entry_to_ask_for(entry)
        with self._lock:
            told = self._holder is None or entry in self._wished
            self._wished.add(entry)
        if not told:
            self._hub.fills.prefer(self._volume_id, self._version, [entry])

    def open_left(self, entry: int) -> LocalFile | None:
        """The file of an entry that a fill which failed has left whole: hashed here, since nobody answers for it."""
        known: bytes | None = self._digests[entry].as_py()
        size: int = self._sizes[entry].as_py()
        entry = self.entry_to_ask_for(entry)
        for fill in self._hub.fills.open_fills(self._volume_id):
            for holder in holders(self._layout.fill(fill.fill_id)) if fill.ref == self._version.ref else ():
                digest = JournalFollowed(holder / journals.NAME, len(self._sizes)).whole(entry, size)
                if digest is None or known not in (None, digest):
                    continue
                file = _open_sized(temp_file(holder, entry), size)
                if file is not None and _hashes_to(file, digest):
                    return file
        return None

    def _open_accepted(self, claim: Waiting, entry: int, size: int, known: bytes | None) -> LocalFile | None:
        """The file that the holder accepted: its temp file, or the blob that this has become."""
        with self._lock:
            holder = self._follow(claim)
            digest = self._journal.whole(entry, size)
        if digest is None or known not in (None, digest):
            return None
        return _open_sized(temp_file(holder, entry), size) or self._open_blob(digest, size)

    def _follow(self, claim: Waiting) -> Path:
        """The holder's folder; a holder that took over has a journal of its own, and is asked anew."""
        holder = self._layout.fill_of(claim.fill_id, claim.replica.token)
        if holder != self._holder:
            self._holder = holder
            self._journal = JournalFollowed(holder / journals.NAME, len(self._sizes))
            self._wished.clear()
        return holder

    def _open_blob(self, digest: bytes, size: int) -> LocalFile | None:
        return _open_sized(self._layout.blob(self._version.group, digest.hex()), size)


def _open_sized(path: Path, size: int) -> LocalFile | None:
    """A plain file, when it is there and whole."""
    try:
        file = LocalFile.open(path)
    except FileNotFoundError:
        return None
    if file.size == size:
        return file
    file.close()
    return None


def _hashes_to(file: LocalFile, digest: bytes) -> bool:
    """Whether the bytes have this digest; the file is at its beginning again then, and closed when they have not."""
    hasher = new_hasher()
    while data := file.read(_READ_BYTES):
        hasher.update(data)
    if hasher.digest() == digest:
        file.seek(0)
        return True
    file.close()
    return False
