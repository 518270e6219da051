"""The tickets that are shown to a volume's blob server: asked of the hub, believed for a while, then asked again.

A ticket opens what its version's own records on this volume list, and only while its marker stands. While the hub is
away, one that was good goes on being good until its time is over.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from weakref import WeakValueDictionary

from forebay.cache.contents import tree_manifest
from forebay.cache.digests import Digests
from forebay.cache.place import holds
from forebay.cache.volume import VolumeLayout
from forebay.clock import Clock
from forebay.errors import DamagedError, NotAllowedError, UnavailableError
from forebay.wire.hub import Hub
from forebay.wire.links import Ticketed

BELIEVED_SECONDS = 60.0
"""After so long a ticket is asked about again: a right that was taken away ends then at the latest."""

_REFUSED_SECONDS = 5.0
_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What a ticket opens: blobs of one access group, by their place in one manifest."""

    group: str
    digests: Digests

    def has(self, index: int, digest: str) -> bool:
        """Whether this is that entry's digest."""
        known = self.digests[index] if index < len(self.digests) else None
        return known is not None and known.hex() == digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is believed of one ticket, None: that it is good for nothing."""

    admitted: Admitted | None
    ask_at: float
    ends_at: float


class Tickets:
    """Admits or refuses. Threads share one."""

    def __init__(self, hub: Hub, layout: VolumeLayout, volume_id: str, clock: Clock) -> None:
        self._hub = hub
        self._layout = layout
        self._volume_id = volume_id
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[bytes, _Known] = {}
        self._digests: WeakValueDictionary[str, Digests] = WeakValueDictionary()

    def admit(self, ticket: str) -> Admitted:
        """What it opens; NotAllowedError `bad-ticket`, UnavailableError when it can't be asked about."""
        # Not by the ticket itself: what is in memory may end in a core file.
        key = hashlib.sha256(ticket.encode(errors="replace")).digest()
        known = self._known.get(key)
        if known is None or self._clock.monotonic() >= known.ask_at:
            with self._lock:
                known = self._known.get(key)
                if known is None or self._clock.monotonic() >= known.ask_at:
                    known = self._ask(key, ticket, known)
        if known.admitted is None:
            raise NotAllowedError("bad-ticket", "This ticket is good for nothing here.")
        return known.admitted

    def _ask(self, key: bytes, ticket: str, before: _Known | None) -> _Known:
        now = self._clock.monotonic()
        admitted: Admitted | None = None
        ends_at, ask_at = now + _REFUSED_SECONDS, now + _REFUSED_SECONDS
        try:
            good = self._hub.links.ticketed(self._volume_id, ticket)
            admitted = self._opened(good)
            ends_at = now + good.lasts_s
            ask_at = min(now + BELIEVED_SECONDS, ends_at)
        except UnavailableError:
            if before is None or before.admitted is None or now >= before.ends_at:
                raise
            admitted, ends_at = before.admitted, before.ends_at
            ask_at = min(ask_at, ends_at)
        except (NotAllowedError, DamagedError):
            pass
        known = _Known(admitted=admitted, ask_at=ask_at, ends_at=ends_at)
        self._known[key] = known
        while len(self._known) > _MOST:
            del self._known[next(iter(self._known))]
        return known

    def _opened(self, good: Ticketed) -> Admitted | None:
        tree = self._layout.tree(good.group, good.dataset, good.number, good.subset)
        if not holds(tree, good.manifest_digest):
            return None
        # Many fills may fetch one large version at once.
        digests = self._digests.get(good.manifest_digest)
        if digests is None:
            digests = Digests.of(tree_manifest(tree, good.manifest_digest).table["digest"])
            self._digests[good.manifest_digest] = digests
        return Admitted(group=good.group, digests=digests)
