"""The whole queue, pure: who is placed where, which fills begin, who starts now, and what each of the others waits for.

Nobody waits for ever. Shorter runs go first, but a run's turn is fixed by when it came and how long it takes, so only
runs that came at most `EAGERNESS x LONGEST_S` after it can go before it. In that order each reserves its hole, so none
behind delays it. `PATIENCE_S` after its turn a run whose data are there gets whatever comes free at its site, so that
wrong estimates of others can't put it off any more; one that no volume has room for gets the next room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forebay.runs.eligible import Filter
from forebay.runs.outlook import Outlook
from forebay.runs.placement import Placement, Row, judge, rank
from forebay.runs.world import Request, Weights, World
from forebay.sites.site import Site

EAGERNESS = 2.0
"""How many times its own length a run may be overtaken in: it lets those that are over soon go first."""

LONGEST_S = 12 * 3600.0
"""Longer ones are not put back further."""

PATIENCE_S = 2 * 3600.0
"""So long after its turn, nothing behind a run takes what it waits for."""

_LEAST_GAIN_S = 60.0
_LEAST_GAIN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A run that has not started; `site` None: not placed yet."""

    request: Request
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRun:
    """It goes there (from another site, when it was placed already). The placement tells why."""

    run_id: str
    site: str
    placement: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVersion:
    """A version must come to a site from that source; no fill of it is under way there."""

    run_id: str
    site: str
    ref: str
    source: str
    missing_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRun:
    """Its data are there and its compute is free."""

    run_id: str
    site: str


Effect = PlaceRun | FillVersion | StartRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that does not start now: why, and in how many seconds it will as far as is known (None: not known)."""

    run_id: str
    site: str | None
    reason: str
    start_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Step:
    """What is to be done, in that order, and who waits."""

    effects: list[Effect] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


def turn(request: Request) -> float:
    """Whose is earlier goes first (Unix seconds). It never changes while the run waits."""
    return request.submitted_at + EAGERNESS * min(request.estimate_s, LONGEST_S)


def step(queue: Iterable[Queued], world: World, weights: Weights, now: float, *, rethink: bool = False) -> Step:
    """One pass. With `rethink`, a placed run moves to another site that starts it clearly sooner."""
    outlook = Outlook(world, now)
    sites = {site.name: site for site in world.sites}
    done = Step()
    for queued in in_turn(queue):
        _serve(queued, sites, outlook, weights, rethink, done)
    return done


def in_turn(queue: Iterable[Queued]) -> Sequence[Queued]:
    """The order in which runs are served; the order in which they are given does not matter."""
    return sorted(queue, key=lambda queued: (turn(queued.request), queued.request.run_id))


def _serve(
    queued: Queued, sites: dict[str, Site], outlook: Outlook, weights: Weights, rethink: bool, done: Step
) -> None:
    request = queued.request
    row = _own_row(queued, sites, outlook, weights)
    if row is None or (rethink and row.start_s > 0):
        placement = rank(request, outlook, weights, without_room=_is_late(request, outlook.now))
        best = placement.choice
        if best is None:
            done.waiting.append(_unplaced(placement))
            return
        if row is None or _gains(best, row):
            done.effects.append(PlaceRun(run_id=request.run_id, site=best.site, placement=placement))
            row = best
    _advance(request, sites[row.site], row, outlook, done)


def _own_row(queued: Queued, sites: dict[str, Site], outlook: Outlook, weights: Weights) -> Row | None:
    """At the site where it is placed; None when it is not, or may not be there any more."""
    site = sites.get(queued.site or "")
    if site is None:
        return None
    row = judge(queued.request, site, outlook, weights)
    return row if row.eligible else None


def _gains(best: Row, row: Row) -> bool:
    """Whether moving is worth it: nobody moves to and fro for what the estimates can't tell apart."""
    return best.site != row.site and best.score + max(_LEAST_GAIN_S, _LEAST_GAIN * row.score) < row.score


def _advance(request: Request, site: Site, row: Row, outlook: Outlook, done: Step) -> None:
    """Fill what is missing and reserve the hole, or start."""
    for fetch in row.fetches:
        if not fetch.under_way:
            outlook.fill(site.name, fetch.ref, fetch.source, fetch.missing_bytes, fetch.seconds)
            done.effects.append(
                FillVersion(
                    run_id=request.run_id,
                    site=site.name,
                    ref=fetch.ref,
                    source=fetch.source,
                    missing_bytes=fetch.missing_bytes,
                )
            )
    if row.start_s <= 0 and not row.fetches:
        done.effects.append(StartRun(run_id=request.run_id, site=site.name))
    else:
        done.waiting.append(_placed(request, row))
    begin = 0.0 if _is_late(request, outlook.now) and not row.fetches else row.start_s
    outlook.reserve(site, request, begin, row.start_s - begin + request.estimate_s)


def _is_late(request: Request, now: float) -> bool:
    return now - turn(request) >= PATIENCE_S


def _placed(request: Request, row: Row) -> Waiting:
    what = "its data" if row.data_s > row.queue_s else "compute"
    return Waiting(
        run_id=request.run_id, site=row.site, reason=f"it waits for {what} at {row.site}", start_s=row.start_s
    )


def _unplaced(placement: Placement) -> Waiting:
    """The site that is nearest to taking it says what it waits for: with least in the way, and best what passes."""
    if not placement.rows:
        return Waiting(run_id=placement.run_id, site=None, reason="there is no site")
    passing = (Filter.ROOM, Filter.STATE, Filter.SOURCE)

    def distance(row: Row) -> tuple[int, int, str]:
        return sum(item.filter not in passing for item in row.refusals), len(row.refusals), row.site

    row = min(placement.rows, key=distance)
    reasons = "; ".join(item.reason for item in row.refusals)
    return Waiting(run_id=placement.run_id, site=None, reason=f"no site will do; nearest is {row.site}: {reasons}")
