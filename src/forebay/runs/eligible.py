"""Whether a run may be at a site at all, pure: each filter says what is in the way and what would change it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from humanize import naturalsize

from forebay.runs.world import Request, World
from forebay.sites import downtime
from forebay.sites.labels import unmet
from forebay.sites.site import Resources, Site
from forebay.wire.sites import SiteState


class Filter(StrEnum):
    """What is asked of a site, in this order. FILL may pass with another try; ROOM, SOURCE, STATE, DOWNTIME alone."""

    STATE = "state"
    TEAM = "team"
    RESIDENCY = "residency"
    LABELS = "labels"
    CAPACITY = "capacity"
    VOLUME = "volume"
    ROOM = "room"
    SOURCE = "source"
    FILL = "fill"
    DOWNTIME = "downtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why not there, and what would have to change."""

    filter: Filter
    reason: str
    unblock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What would have to be moved to the site, beside what fills bring already, and the room for it (None: not known).

    `sourceless` is a version that no link leads from, "" when there is none. `again`: where fills failed is good enough
    if another try may help, since no site is left where none did.
    """

    new_bytes: int = 0
    room_bytes: int | None = None
    sourceless: str = ""
    again: bool = False


def refusals(request: Request, site: Site, world: World, need: Need) -> tuple[Refusal, ...]:
    """Everything that is in the way."""
    return tuple(
        Refusal(filter=kind, reason=reason, unblock=unblock)
        for kind, reason, unblock in _found(request, site, world, need)
    )


def is_out_of_question(request: Request, site: Site, world: World) -> bool:
    """Whether something is in the way there, whatever of its data is there and whatever room there is."""
    return next(_found(request, site, world, Need(again=True)), None) is not None


def cut_short(request: Request, site: Site, begins_at: float) -> Refusal | None:
    """Whether a downtime is in the way of a run that would begin there then."""
    longest_s = downtime.needs_s(request.time_limit_s, request.estimate_s)
    window = downtime.in_the_way(site.windows, begins_at, begins_at + longest_s)
    if window is None:
        return None
    unblock = "the downtime ends; or give it a --time-limit with which it ends before"
    return Refusal(filter=Filter.DOWNTIME, reason=downtime.foretold(window), unblock=unblock)


def _found(request: Request, site: Site, world: World, need: Need) -> Iterator[tuple[Filter, str, str]]:
    yield from _state(site, need.new_bytes)
    if site.teams is not None and request.team not in site.teams:
        yield Filter.TEAM, f"the team {request.team} may not run here", "an admin lets the team run at this site"
    for wanted in request.data:
        allowed = world.residency.get(wanted.dataset)
        if allowed is not None and site.name not in allowed:
            unblock = f"an admin adds this site to where {wanted.dataset} may be"
            yield Filter.RESIDENCY, f"{wanted.dataset} may never be here", unblock
    for condition in unmet(request.where, site.labels):
        yield Filter.LABELS, condition.shortfall(site.labels), f"ask without {condition}, or label the site so"
    for name in request.resources.lacking(site.capacity):
        yield Filter.CAPACITY, _short_of(name, request.resources, site.capacity), "ask for less, or a larger site"
    yield from _space(request, site, need)
    if need.sourceless:
        yield Filter.SOURCE, f"no link leads here from where {need.sourceless} is", "declare a link to this site"
    for wanted in request.data:
        failed = world.failed.get((site.name, wanted.ref))
        if failed is not None and not (need.again and failed.may_pass(request.submitted_at)):
            yield Filter.FILL, f"{wanted.ref} can't be brought here: {failed.reason}", failed.unblock


def _state(site: Site, new_bytes: int) -> Iterator[tuple[Filter, str, str]]:
    why = f": {site.state_reason}" if site.state_reason else ""
    if site.state in (SiteState.DOWN, SiteState.DRAINING):
        yield Filter.STATE, f"the site is {site.state}{why}", "the site comes up again"
    elif site.state is SiteState.DEGRADED and new_bytes:
        yield Filter.STATE, f"the site is degraded{why}, and the data are not all there", "the site comes up again"


def _space(request: Request, site: Site, need: Need) -> Iterator[tuple[Filter, str, str]]:
    size_bytes = sum(wanted.size_bytes for wanted in request.data)
    if site.volume_bytes is not None and size_bytes > site.volume_bytes:
        reason = f"its volume holds {_size(site.volume_bytes)}, the data are {_size(size_bytes)}"
        yield Filter.VOLUME, reason, "take a subset, or raise the volume's limit"
    elif need.room_bytes is not None and need.new_bytes > need.room_bytes:
        room = _size(max(0, need.room_bytes))
        reason = f"{_size(need.new_bytes)} are missing, and only {room} can be had: the rest is in use"
        yield Filter.ROOM, reason, "a run there ends, or a pin is taken off"


def _short_of(name: str, asked: Resources, had: Resources) -> str:
    if name == "memory_bytes":
        return f"it has {_size(had.memory_bytes)} of memory, asked for {_size(asked.memory_bytes)}"
    return f"it has {getattr(had, name)} {name}, asked for {getattr(asked, name)}"


def _size(size_bytes: int) -> str:
    return naturalsize(size_bytes, binary=True)
