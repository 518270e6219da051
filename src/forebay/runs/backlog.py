"""The whole queue, pure: who is placed where, which fills begin, who starts now, and what each of the others waits for.

Nobody waits for ever. Shorter runs go first, but a run's turn is fixed by when it came and how long it takes, so only
runs that came at most `EAGERNESS x LONGEST_S` after it can go before it. In that order each reserves its hole, so none
behind delays it. `PATIENCE_S` after its turn a run whose data are there gets whatever comes free at its site, so that
wrong estimates of others can't put it off any more; one that no volume has room for gets the next room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from forebay.runs.eligible import Filter, is_out_of_question
from forebay.runs.outlook import Outlook
from forebay.runs.placement import Fetch, Placement, Row, judge, rank
from forebay.runs.world import Failed, Request, Weights, World

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
    """A run that has not started; `site` None: not placed yet. `weights` are its own, where it has some."""

    request: Request
    site: str | None = None
    weights: Weights | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRun:
    """It goes there (from another site, when it was placed already). The placement tells why.

    `because` says what failed at that other site.
    """

    run_id: str
    site: str
    placement: Placement
    because: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FailRun:
    """No site where it may be could be given its data, and another try would not help."""

    run_id: str
    reason: str
    unblock: str


Effect = PlaceRun | FillVersion | StartRun | FailRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A run that does not start now: why, what would change it, and in how many seconds it will start as far as is
    known (None: not known). `refs` are the versions that its site lacks.
    """

    run_id: str
    site: str | None
    reason: str
    start_s: float | None = None
    unblock: str = ""
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done, in that order, and who waits."""

    effects: tuple[Effect, ...]
    waiting: tuple[Waiting, ...]


def turn(request: Request) -> float:
    """Whose is earlier goes first (Unix seconds). It never changes while the run waits."""
    return turn_of(request.submitted_at, request.estimate_s)


def turn_of(submitted_at: float, estimate_s: float) -> float:
    """The same of a run that takes so many seconds as far as is known."""
    return submitted_at + EAGERNESS * min(estimate_s, LONGEST_S)


def step(
    queue: Iterable[Queued],
    world: World,
    weights: Weights,
    now: float,
    *,
    rethink: bool = False,
    between: Callable[[], object] = bool,
) -> Step:
    """One pass. With `rethink`, a placed run moves to another site that starts it clearly sooner.

    A hub may ask about some sites alone, with those of the queue that are placed there: those who come first, and those
    whose fills were not asked for yet. `between` is called before each run is served.
    """
    doing = _Pass(Outlook(world, now), weights, rethink)
    for queued in in_turn(queue):
        between()
        doing.serve(queued)
    return Step(effects=tuple(doing.effects), waiting=tuple(doing.waiting))


def forecast(queued: Queued, queue: Iterable[Queued], world: World, weights: Weights, now: float) -> Placement:
    """Where a run would go, with those of the queue served whose turn is before its own. It changes nothing."""
    doing = _Pass(Outlook(world, now), weights, rethink=False)
    for other in in_turn(queue):
        if turn(other.request) <= turn(queued.request) and _takes_something(other.request, world):
            doing.serve(other)
    return doing.rank(queued)


def _takes_something(request: Request, world: World) -> bool:
    """Whether serving it may change what others find: no, where no site would take it whatever it had already."""
    return any(not is_out_of_question(request, site, world) for site in world.sites)


def in_turn(queue: Iterable[Queued]) -> Sequence[Queued]:
    """The order in which runs are served; the order in which they are given does not matter."""
    return sorted(queue, key=lambda queued: (turn(queued.request), queued.request.run_id))


class _Pass:
    """The work of one `step`: who is served first changes what the others see."""

    def __init__(self, outlook: Outlook, weights: Weights, rethink: bool) -> None:
        self.effects: list[Effect] = []
        self.waiting: list[Waiting] = []
        self._sites = {site.name: site for site in outlook.world.sites}
        self._outlook = outlook
        self._weights = weights
        self._rethink = rethink

    def serve(self, queued: Queued) -> None:
        """Place it where that is due; then it fills, starts or waits."""
        request = queued.request
        row = self._own_row(queued)
        if row is None or (self._rethink and row.start_s > 0):
            placement = self.rank(queued)
            best = placement.choice
            if best is None:
                self._put_off(request, placement)
                return
            # Where every site has failed it once, it stays where it is tried again.
            row = row or next((item for item in placement.rows if item.site == queued.site and item.eligible), None)
            if row is None or _gains(best, row):
                because = self._failed_at(request, queued.site) if row is None else ""
                self.effects.append(
                    PlaceRun(run_id=request.run_id, site=best.site, placement=placement, because=because)
                )
                row = best
        self._advance(request, row)

    def _put_off(self, request: Request, placement: Placement) -> None:
        """No site will do: it fails where every one that could take it has failed it for good, else it waits."""
        refused = [row for row in placement.rows if _is_failed(row)]
        if not refused or any(_may_pass(row) for row in placement.rows):
            self.waiting.append(_unplaced(placement))
            return
        failed = self._outlook.world.failed
        (site, ref), last = max(
            (
                ((row.site, wanted.ref), found)
                for row in refused
                for wanted in request.data
                if (found := failed.get((row.site, wanted.ref)))
            ),
            key=lambda item: (item[1].at, item[0]),
        )
        others = sorted({row.site for row in refused} - {site})
        elsewhere = f" (nor to {', '.join(others)})" if others else ""
        reason = f"{_not_brought(ref, site, last)}{elsewhere}"
        self.effects.append(FailRun(run_id=request.run_id, reason=reason, unblock=last.unblock))

    def _failed_at(self, request: Request, site: str | None) -> str:
        """What did not work there; "" where nothing failed."""
        found = ((wanted.ref, self._outlook.world.failed.get((site or "", wanted.ref))) for wanted in request.data)
        return "; ".join(_not_brought(ref, site or "", failed) for ref, failed in found if failed is not None)

    def rank(self, queued: Queued) -> Placement:
        """The table, with what those who were served before it have taken."""
        late = self._is_late(queued.request)
        return rank(queued.request, self._outlook, queued.weights or self._weights, without_room=late)

    def _own_row(self, queued: Queued) -> Row | None:
        """At the site where it is placed; None when it is not, or may not be there any more."""
        site = self._sites.get(queued.site or "")
        if site is None:
            return None
        weights, late = queued.weights or self._weights, self._is_late(queued.request)
        row = judge(queued.request, site, self._outlook, weights, without_room=late)
        return row if row.eligible else None

    def _advance(self, request: Request, row: Row) -> None:
        """Fill what is missing and reserve the hole, or start."""
        for fetch in row.fetches:
            if not fetch.under_way:
                self._fill(request.run_id, row.site, fetch)
        if row.start_s <= 0 and not row.fetches:
            self.effects.append(StartRun(run_id=request.run_id, site=row.site))
        else:
            self.waiting.append(_placed(request, row))
        begin = 0.0 if self._is_late(request) and not row.fetches else row.start_s
        self._outlook.reserve(self._sites[row.site], request, begin, row.start_s - begin + request.estimate_s)

    def _fill(self, run_id: str, site: str, fetch: Fetch) -> None:
        self._outlook.fill(site, fetch.ref, fetch.source, fetch.missing_bytes, fetch.seconds)
        wanted = FillVersion(
            run_id=run_id, site=site, ref=fetch.ref, source=fetch.source, missing_bytes=fetch.missing_bytes
        )
        self.effects.append(wanted)

    def _is_late(self, request: Request) -> bool:
        return self._outlook.now - turn(request) >= PATIENCE_S


def _gains(best: Row, row: Row) -> bool:
    """Whether moving is worth it: nobody moves to and fro for what the estimates can't tell apart."""
    return best.site != row.site and best.score + max(_LEAST_GAIN_S, _LEAST_GAIN * row.score) < row.score


def _placed(request: Request, row: Row) -> Waiting:
    for_data = row.data_s > row.queue_s
    return Waiting(
        run_id=request.run_id,
        site=row.site,
        reason=f"it waits for {'its data' if for_data else 'compute'} at {row.site}",
        start_s=row.start_s,
        unblock=f"the fill at {row.site} ends" if for_data else f"a run at {row.site} ends",
        refs=tuple(fetch.ref for fetch in row.fetches),
    )


_PASSING = (Filter.ROOM, Filter.STATE, Filter.SOURCE, Filter.DOWNTIME)


def _not_brought(ref: str, site: str, failed: Failed) -> str:
    return f"{ref} can't be brought to {site}: {failed.reason}"


def _is_failed(row: Row) -> bool:
    """Whether the site could take it, but for a fill that failed there."""
    kinds = {item.filter for item in row.refusals}
    return Filter.FILL in kinds and kinds <= {Filter.FILL, *_PASSING}


def _may_pass(row: Row) -> bool:
    """Whether the site may take it later, as things are."""
    return all(item.filter in _PASSING for item in row.refusals)


def _unplaced(placement: Placement) -> Waiting:
    """The site that is nearest to taking it says what it waits for: with least in the way, and best what passes."""
    if not placement.rows:
        unblock = "an agent attaches: forebay agent --site NAME"
        return Waiting(run_id=placement.run_id, site=None, reason="there is no site", unblock=unblock)

    def distance(row: Row) -> tuple[int, int, str]:
        return sum(item.filter not in _PASSING for item in row.refusals), len(row.refusals), row.site

    row = min(placement.rows, key=distance)
    reasons = "; ".join(item.reason for item in row.refusals)
    return Waiting(
        run_id=placement.run_id,
        site=None,
        reason=f"no site will do; nearest is {row.site}: {reasons}",
        unblock="; ".join(dict.fromkeys(item.unblock for item in row.refusals)),
    )
