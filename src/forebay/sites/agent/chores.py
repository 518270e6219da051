"""What an agent does on the volume: fills, evictions, scrubs. The cache's own holds and tokens fence them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from forebay.cache.engine import Cache
from forebay.cache.scrub import Scrubber, ScrubSettings
from forebay.cache.wishes import Wishes
from forebay.clock import Clock
from forebay.errors import UnavailableError
from forebay.sites.agent.effects import Why
from forebay.sites.agent.work import Leash, LetGoError, Tell, report
from forebay.wire.cache import Holder, Progress
from forebay.wire.hub import Hub
from forebay.wire.sites import Order, Report, TaskState

_TELL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """The site's volume, and how it is tended. `holder` says who does something, for a purpose."""

    hub: Hub
    cache: Cache
    clock: Clock
    holder: Callable[[str], Holder]
    memo_folder: Path
    scrub_rate_bytes_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillWork:
    """Make a version ready; let go, what has come stays for the next fill."""

    at: Tended
    order: Order

    def do(self, leash: Leash, tell: Tell) -> Report:
        cache, clock = self.at.cache, self.at.clock
        version = cache.resolve(self.order.ref)
        under_way = report(self.order, TaskState.UNDER_WAY)
        told_at = clock.monotonic() - _TELL_S

        def show(progress: Progress, who: str) -> None:
            nonlocal told_at
            if clock.monotonic() - told_at >= _TELL_S:
                told_at = clock.monotonic()
                detail = f"{who} fills it" if who else ""
                now = replace(under_way, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)
                tell(replace(now, detail=detail))

        wishes = Wishes()
        with leash.stops(lambda: wishes.stop(stopped(leash.why))):
            warmed = cache.warm(version, self.at.holder("fill"), show, wishes=wishes)
        if warmed.moved_bytes:
            cache.sweep()
        size_bytes = version.size_bytes
        return replace(report(self.order, TaskState.DONE), done_bytes=size_bytes, total_bytes=size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictWork:
    """Have a replica go. Short enough to be done to its end; half done, the next one goes on."""

    at: Tended
    order: Order

    def do(self, leash: Leash, tell: Tell) -> Report:
        cache = self.at.cache
        replica = self.at.hub.replicas.get(cache.volume_id, cache.resolve(self.order.ref))
        if replica is None:
            return report(self.order, TaskState.DONE, "it was not here")
        gone = cache.evictor.evict(replica, self.order.reason or "the hub asked for it")
        if gone.error is not None:
            raise gone.error
        return replace(report(self.order, TaskState.DONE), done_bytes=gone.freed_bytes, total_bytes=gone.freed_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrubWork:
    """Verify the volume, or one version on it, at the site's rate."""

    at: Tended
    order: Order

    def do(self, leash: Leash, tell: Tell) -> Report:
        cache = self.at.cache
        if self.order.ref:
            results, damaged = cache.verify([cache.resolve(self.order.ref)], self.at.memo_folder, force=False)
            bad = [item.ref for item in damaged]
            return self._found(sum(item.files for item in results), bad, [])
        scrubber = Scrubber(
            cache,
            self.at.memo_folder,
            ScrubSettings(rate_bytes_s=self.at.scrub_rate_bytes_s),
            holder=self.at.holder("scrub"),
            clock=self.at.clock,
            wait=lambda seconds: _wait(leash, seconds),
        )
        done = scrubber.run(on_file=lambda _: _wait(leash, 0.0))
        refs = [f"{ref}: {error.message}" for ref, error in done.failed]
        return self._found(sum(item.files for item in done.verified), list(done.damaged), refs)

    def _found(self, files: int, damaged: list[str], failed: list[str]) -> Report:
        detail = f"{files} files verified"
        detail += f"; damaged: {', '.join(damaged)}" if damaged else ""
        detail += f"; not verified: {'; '.join(failed)}" if failed else ""
        return report(self.order, TaskState.DONE, detail)


def stopped(why: Why | None) -> UnavailableError:
    """What ends a fill from outside."""
    return UnavailableError("task-stopped", f"it was stopped: {why or 'its agent ends'}")


def _wait(leash: Leash, seconds: float) -> None:
    """LetGoError, or UnavailableError `task-stopped`."""
    if leash.wait(seconds):
        if leash.is_let_go:
            raise LetGoError
        raise stopped(leash.why)
