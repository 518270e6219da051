"""How sites, links and their work look on pages, in one place: states, hardware, accounts, cells of tables."""

from __future__ import annotations

from typing import Final

from markupsafe import Markup

from forebay import words
from forebay.hub.board.site_load import Account
from forebay.hub.board.site_map import Lane
from forebay.hub.web import show
from forebay.hub.web.given import GB
from forebay.hub.web.table import Cell
from forebay.sites.site import Resources
from forebay.sites.state import HEARD
from forebay.wire.downtimes import Downtime
from forebay.wire.links import LinkRecord
from forebay.wire.sites import SiteRecord, SiteState, Task, TaskState

_KINDS: Final = {
    SiteState.UP: "ok",
    SiteState.DEGRADED: "warning",
    SiteState.DRAINING: "draining",
    SiteState.DOWN: "failed",
}
_TASK_KINDS: Final = {
    TaskState.WAITING: "waiting",
    TaskState.ORDERED: "waiting",
    TaskState.UNDER_WAY: "running",
    TaskState.DONE: "done",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "cancelled",
}
ID_LENGTH = 12


def site_state(site: SiteRecord, fact: str = "") -> Markup:
    """Its word, and why where it is not simply up."""
    reason = "" if site.reason == HEARD else site.reason
    return show.state(_KINDS[site.state], site.state.value, fact or reason)


def task_state(task: Task) -> Markup:
    """With how far it is."""
    fact = show.percent(task.done_bytes / task.total_bytes) if task.total_bytes and not task.state.is_final else ""
    return show.state(_TASK_KINDS[task.state], task.state.value.replace("-", " "), fact)


def hardware(site: SiteRecord) -> str:
    """`8 GPUs, 96 CPUs, 512.0 GiB`"""
    parts = [words.count(site.gpus, "GPU")] if site.gpus else []
    return ", ".join([*parts, words.count(site.cpus, "CPU"), words.size(site.memory_bytes)])


def busy(site: SiteRecord, found: Resources) -> str:
    """`5 of 8 GPUs, 40 of 96 CPUs busy`"""
    parts = [f"{found.gpus} of {words.count(site.gpus, 'GPU')}"] if site.gpus else []
    return ", ".join([*parts, f"{found.cpus} of {words.count(site.cpus, 'CPU')}"]) + " busy"


def used(had: int, found: int | None, noun: str) -> Cell:
    """`5 of 8 busy`; only how many there are for who may not know, and where there are none."""
    if found is None or not had:
        return Cell(value=had)
    return Cell(value=had, shown=f"{found} of {had} busy", title=f"{found} of {words.count(had, noun)} busy")


def account(found: Account | None) -> Cell:
    """`62 % of 14.0 TiB` over a bar."""
    if found is None:
        return Cell(value=None, shown=Markup('<span class="dim">–</span>'))
    kind = "damaged" if found.share > 0.95 else "ready"
    told = f"{show.percent(found.share)} of {words.size(found.limit_bytes)}"
    return Cell(value=round(found.share, 4), shown=show.html("{}{}", told, show.bar(found.share, kind, told)))


def seen(site: SiteRecord, now: float) -> Cell:
    """When its agent was last heard of."""
    return Cell(value=site.seen_at or None, shown=show.when(site.seen_at, now) if site.seen_at else "never")


def price_gb(price_byte: float | None) -> str:
    """Of a GB; `–` for nothing."""
    return f"{price_byte * GB:.4g}" if price_byte else "–"


def latency(seconds: float) -> str:
    """`12 ms`"""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def lane_state(lane: Lane) -> Markup | str:
    """What flows over it now."""
    if not lane.flows:
        return Markup('<span class="dim">–</span>')
    what = lane.flows[0].ref if len(lane.flows) == 1 else words.count(len(lane.flows), "fill")
    return show.state("filling", f"{words.size(lane.bytes_s)}/s", f"{what}, {words.size(lane.rest_bytes)} to come")


def known(link: LinkRecord | None, now: float) -> Cell:
    """When a fill measured it last, or that somebody only said so."""
    if link is None:
        return Cell(value=None, shown="not yet")
    if link.measured_at:
        return Cell(value=link.measured_at, shown=show.when(link.measured_at, now))
    return Cell(value=None, shown="only declared")


def ahead(planned: Downtime, now: float) -> str:
    """`down in 2 h` or `down until ...` of a window."""
    if planned.begins_at > now:
        return f"down {show.relative(planned.begins_at, now)}"
    return f"down, back {show.relative(planned.ends_at, now)}" if planned.ends_at > now else "not back yet"
