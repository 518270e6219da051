"""What needs care, as lines: what, why in one line, and the one action that helps. The worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from forebay import words
from forebay.hub.board.care import Care, Damaged, FailedTask, Full, Leaving
from forebay.hub.board.drifting import Drifting
from forebay.hub.board.places import Place
from forebay.hub.board.running import Waits
from forebay.hub.web import cache_shown, show
from forebay.hub.web.addresses import address, of_version
from forebay.wire.cache import VolumeState
from forebay.wire.sites import TaskKind

_NOUNS = {TaskKind.FILL: "fill", TaskKind.EVICT: "eviction", TaskKind.SCRUB: "check"}
_WHY = 220


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line. `href` is where the action leads."""

    what: Markup
    why: str
    since: float = 0.0
    action: str = ""
    href: str = ""


def items(care: Care) -> tuple[Item, ...]:
    """All of it."""
    return tuple(_items(care))


def _items(care: Care) -> Iterator[Item]:
    for damaged in care.damaged:
        yield _damaged(damaged)
    for place in care.down:
        yield _down(place)
    for run in care.runs:
        yield Item(
            what=show.state("failed", f"run {run.title}"[:80]),
            why=_line(run.reason) or "it failed",
            since=run.since,
            action="Open the run",
            href=f"/runs/{quote(run.run_id, safe='')}",
        )
    for waits in care.stuck:
        yield _stuck(waits)
    for task in care.tasks:
        yield _task(task)
    for full in care.full:
        yield _full(full)
    for over in care.quotas:
        held, limit = words.size(over.held_bytes), words.size(over.quota.limit_bytes)
        yield Item(
            what=show.state("warning", f"{over.quota.team} is over its quota"),
            why=f"its versions at {over.place.name} are {held} of {limit}: those worth least to it go first",
            action="Show which",
            href=cache_shown.place_href(over.place, "evict"),
        )
    for rule in care.rules:
        yield Item(
            what=show.state("waiting", f"{rule.ref} at {rule.site}"),
            why=f"a rule wants it there: {_line(rule.reason)}",
            since=rule.since,
            action="Open the dataset",
            href=cache_shown.ref_href(rule.ref),
        )
    for drifting in care.drifting:
        yield _drifting(drifting)
    if care.leaving:
        yield _leaving(care.leaving)


def _damaged(item: Damaged) -> Item:
    mended = "; it is being fetched again" if item.refills else ""
    return Item(
        what=show.state("damaged", f"{item.ref} at {item.place.name}"),
        why=f"{_line(item.reason)}{mended}",
        since=item.since,
        action="Details" if item.refills else "Mend it",
        href=cache_shown.spot_href(item.place, item.dataset, item.number),
    )


def _down(place: Place) -> Item:
    """The volume's own trouble says more than what follows from it for the site."""
    if place.state is not VolumeState.NORMAL:
        word, why, since = f"its volume is {place.state}", place.state_reason, place.state_since
    else:
        word, why, since = str(place.site_state), place.site_reason, place.site_since
    href = f"/sites/{quote(place.site, safe='')}" if place.site else cache_shown.place_href(place)
    return Item(
        what=show.state("failed", f"{place.name}: {word}"),
        why=_line(why),
        since=since,
        action="Open the site",
        href=href,
    )


def _full(item: Full) -> Item:
    place = item.place
    mark = show.percent(place.policy.high_mark)
    if item.versions is None:
        why = f"above its high mark ({mark})"
    elif item.versions:
        many, least = words.count(item.versions, "version"), words.size(item.frees_bytes)
        refill = f", {cache_shown.about(item.refill_s)} to refill" if item.refill_s else ""
        why = f"above its high mark ({mark}): {many} would go, at most {least}{refill}"
    else:
        why = f"above its high mark ({mark}), and nothing may go: all is in use, pinned or new"
    return Item(
        what=show.state("warning", f"{place.name} is {show.percent(place.share)} full"),
        why=why,
        action="Show which, and why",
        href=cache_shown.place_href(place, "evict"),
    )


def _task(item: FailedTask) -> Item:
    errand = item.errand
    what = f"{_NOUNS.get(errand.kind, 'task')} of {item.ref}" if item.ref else "check of the volume"
    gave_up = "given up" if errand.state.is_final else f"failed {errand.failures} ×"
    why = f"{gave_up}: {_line(errand.last_error or errand.reason)}"
    return Item(
        what=show.state("failed", f"{what} at {item.site}"),
        why=f"{why}. {errand.unblock}" if errand.unblock else why,
        since=item.since,
        action="Open the version" if item.ref else "Open the site",
        href=cache_shown.ref_href(item.ref) if item.ref else f"/sites/{quote(item.site, safe='')}",
    )


def _stuck(waits: Waits) -> Item:
    """One run by its name, more by their number."""
    first = waits.first
    one = waits.runs == 1
    why = _line(waits.reason)
    return Item(
        what=show.state("waiting", f"run {first.title}"[:80] if one else f"{words.count(waits.runs, 'run')} wait"),
        why=f"{why}. {_line(first.unblock)}" if first.unblock else why,
        since=first.submitted_at,
        action="Open the run" if one else "Open the first",
        href=f"/runs/{quote(first.run_id, safe='')}",
    )


def _drifting(item: Drifting) -> Item:
    """With the column that moved farthest."""
    others = f", and {words.count(item.columns - 1, 'other column')}" if item.columns > 1 else ""
    href = of_version(item.dataset, item.number, "diff/preview")
    return Item(
        what=show.state("warning", f"{item.dataset}@v{item.number} has drifted"),
        why=f"{_short(item.column)} of {item.path} is another population than in v{item.before} "
        f"(PSI {item.psi:.2f}){others}",
        since=item.since,
        action="Show the change",
        href=address(href, **{"with": item.before, "path": item.path}),
    )


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:59]}…"


def _leaving(found: Sequence[Leaving]) -> Item:
    """All places in one line."""
    versions, size_bytes = sum(item.versions for item in found), sum(item.size_bytes for item in found)
    sites = [item.place for item in found]
    where = sites[0].name if len(sites) == 1 else words.count(len(sites), "site")
    only = f"&site={quote(sites[0].key, safe='')}" if len(sites) == 1 else ""
    return Item(
        what=show.state("stale", f"{words.count(versions, 'version')} at {where}"),
        why=f"{_goes(versions)}: {words.size(size_bytes)}",
        action="Show which",
        href=f"/cache?only=stale{only}",
    )


def _goes(versions: int) -> str:
    if versions == 1:
        return "goes within a day unless somebody uses or pins it"
    return "go within a day unless somebody uses or pins them"


def _line(text: str) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= _WHY else f"{first[: _WHY - 1]}…"
