"""One process's forebay: the settings, the hub, the cache on the volume, and the lakes, made when first asked for."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from forebay.cache.policy import Policy
from forebay.clock import SystemClock
from forebay.errors import ConflictError
from forebay.settings import Loaded, Settings, load, parse_duration, parse_limit
from forebay.vouch import this_process
from forebay.wire.cache import Holder

if TYPE_CHECKING:
    from forebay.cache.engine import Cache, OnProgress
    from forebay.cache.leased import Kept, Leased, Readied, Warmed
    from forebay.cache.measured import VolumeMeter
    from forebay.cache.nearby import OpenNearby
    from forebay.cache.scrub import Scrubber
    from forebay.cache.wishes import Wishes
    from forebay.lake.stores import LakeStore
    from forebay.wire.access import Access
    from forebay.wire.catalog import Version
    from forebay.wire.hub import Hub

_FOR_EVER_S = 1e12
"""Any price is too much then."""


class Session:
    """Everything a command needs. Threads may share one; processes may not."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.clock = SystemClock()

    @classmethod
    def start(cls, flags: Mapping[str, Any] | None = None) -> Session:
        """A session with the settings of all sources; `flags` are those of the command line."""
        return cls(load(flags))

    def through(self, hub: Hub) -> Session:
        """The same settings on another face of the hub: what is done then is that one's to allow. It closes nothing."""
        other = Session(self.loaded)
        other.hub = hub
        return other

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @property
    def host(self) -> str:
        """The name of this machine, as its holders and its places of volumes are recorded."""
        return socket.gethostname()

    @cached_property
    def hub(self) -> Hub:
        """The team's hub where one is set, else the one in this process. Neither imports what the other needs."""
        settings = self.settings
        if settings.hub:
            from forebay.client.remote.hub import RemoteHub

            return RemoteHub(settings.hub, settings.token, settings.home / "hub")
        from forebay.hub.local import LocalHub
        from forebay.hub.run_purge import Kept
        from forebay.sites.state import SiteTerms

        terms = SiteTerms.holding(settings.site_hold_s)
        kept = Kept(logs_s=parse_duration(settings.hub_logs_kept), runs_s=parse_duration(settings.hub_runs_kept))
        return LocalHub.open(
            settings.home,
            settings.database_url,
            self.clock,
            site_terms=terms,
            retention_grace_s=settings.retention_grace_s,
            kept=kept,
        )

    @cached_property
    def access(self) -> Access:
        """Users, tokens, policies and the audit: a served hub's as it lets us, the embedded one's all."""
        if self.settings.hub:
            from forebay.client.remote.hub import RemoteHub

            assert isinstance(self.hub, RemoteHub)
            return self.hub.access
        from forebay.hub.access.guarded import Guarded
        from forebay.hub.access.rules import Person
        from forebay.hub.access.store import AccessStore
        from forebay.hub.access.trail import Request
        from forebay.hub.local import LocalHub
        from forebay.wire.access import Role

        hub = self.hub
        assert isinstance(hub, LocalHub)
        owner = Person(user=self.settings.user, role=Role.ADMIN)
        return Guarded(hub, AccessStore(hub.engine, self.clock), owner, Request(source=f"at {self.host}")).access

    @cached_property
    def cache(self) -> Cache:
        """The cache on the volume; the volume is made when it is not there yet."""
        # The engine and the lakes are slow to import, and commands that only ask the catalog need neither.
        from forebay.cache.engine import Cache, default_limit
        from forebay.cache.pace import FillSettings
        from forebay.fsio import Disk

        settings = self.settings
        root = settings.volume_root
        limit = parse_limit(settings.volume_limit)
        return Cache(
            self.hub,
            root,
            host=self.host,
            limit_bytes=limit if isinstance(limit, int) else default_limit(root, limit),
            policy=self.policy,
            open_lake=self.open_lake,
            confirm_lake=self.confirm_lake,
            disk=Disk(),
            clock=self.clock,
            fill_settings=FillSettings(streams=settings.streams),
            open_nearby=self.open_nearby,
        )

    @property
    def volume_meter(self) -> VolumeMeter:
        """Measures the volume; makes none."""
        from forebay.cache.measured import VolumeMeter
        from forebay.fsio import Disk

        return VolumeMeter(self.hub, self.settings.volume_root, host=self.host, disk=Disk(), clock=self.clock)

    @property
    def policy(self) -> Policy:
        settings = self.settings
        return Policy(
            stale_after_s=parse_duration(settings.stale_after),
            grace_s=parse_duration(settings.grace) or 0.0,
            high_mark=settings.high_mark,
            low_mark=settings.low_mark,
        )

    @property
    def memo_folder(self) -> Path:
        return self.settings.home / "memo"

    def holder(self, purpose: str) -> Holder:
        """Who this process is, in fills and leases."""
        return Holder(
            user=self.settings.user,
            host=self.host,
            pid=os.getpid(),
            purpose=purpose,
            process=this_process(),
        )

    def warm(self, version: Version, purpose: str, on_progress: OnProgress = lambda progress, who: None) -> Warmed:
        """Make a version ready on the volume; what is due goes afterwards."""
        warmed = self.cache.warm(version, self.holder(purpose), on_progress)
        self.tidy(warmed)
        return warmed

    def keep(self, version: Version, directory: Path) -> Kept:
        """Make a version ready on the volume from a directory that has its files; what is due goes afterwards."""
        kept = self.cache.keep(version, directory, self.holder("commit"))
        if kept.copied_bytes:
            self.cache.sweep()
        return kept

    def lease(
        self,
        version: Version,
        purpose: str,
        on_progress: OnProgress = lambda progress, who: None,
        on_lost: Callable[[ConflictError], object] = bool,
        wishes: Wishes | None = None,
    ) -> Leased:
        """Make a version ready and use it; what is due goes afterwards."""
        leased = self.cache.lease(
            version, self.holder(purpose), on_progress=on_progress, on_lost=on_lost, wishes=wishes
        )
        self.tidy(leased.warmed)
        return leased

    def scrubber(
        self, rate_bytes_s: float | None, *, refill: bool, force: bool, wait: Callable[[float], object]
    ) -> Scrubber:
        """Verifies the volume's replicas; `wait` sleeps between two reads."""
        from forebay.cache.scrub import Scrubber, ScrubSettings

        settings = ScrubSettings(rate_bytes_s=rate_bytes_s, refill=refill, force=force)
        holder = self.holder("cache scrub")
        return Scrubber(self.cache, self.memo_folder, settings, holder=holder, clock=self.clock, wait=wait)

    def tidy(self, warmed: Readied) -> None:
        """Whoever fills also sweeps: here is no daemon that would. What will not go is logged and does no harm."""
        if warmed.moved_bytes:
            self.cache.sweep()

    def open_lake(self, version: Version) -> LakeStore:
        """The lake a version lies in, with this user's own credentials."""
        from forebay.lake.stores import LakeStore

        return LakeStore.open(version.lake_url, self.settings.profile_options(version.profile))

    @cached_property
    def open_nearby(self) -> OpenNearby:
        """The other sites from which a fill may have its files."""
        from forebay.sites.nearby import PeerManners, peers_of

        waits_s = parse_duration(self.settings.wait_per_money)
        manners = PeerManners(wait_s_per_money=_FOR_EVER_S if waits_s is None else waits_s)
        return peers_of(self.hub, self.clock, manners)

    def confirm_lake(self, version: Version) -> None:
        """See that the lake still has every object of a version (RECOVERABLE); ConflictError or UnavailableError."""
        from forebay.cache.contents import load_objects
        from forebay.lake.confirm import confirm

        seen = confirm(load_objects(self.hub.catalog, version), self.open_lake(version))
        if not seen.complete:
            lost = (*seen.missing, *seen.changed)
            raise ConflictError(
                "not-recoverable",
                f"the lake no longer has {len(lost)} of {seen.checked} objects of {version.ref} (first: {lost[0]})",
                todo="This copy may be the only one: keep it (forebay cache pin), or commit it as a new version.",
            )
        self.hub.replicas.confirm_lake(self.cache.volume_id, version)

    def close(self) -> None:
        """Give connections back. What was opened stays leased until it is closed itself."""
        if "hub" in self.__dict__:
            self.hub.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_shared: dict[tuple[int, str], Session] = {}
_shared_lock = threading.Lock()


def shared_session() -> Session:
    """The session of `forebay.open` in this process, made anew after a fork or a change of folder or environment."""
    relevant = sorted(name for name in os.environ if name.startswith(("FOREBAY_", "XDG_", "HOME")))
    key = (os.getpid(), "\n".join([os.getcwd(), *(f"{name}={os.environ[name]}" for name in relevant)]))
    with _shared_lock:
        if key not in _shared:
            _shared[key] = Session.start()
        return _shared[key]
