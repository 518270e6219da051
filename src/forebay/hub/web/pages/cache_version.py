"""One version at one place: how it stands there, why, who uses it, what keeps it, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from markupsafe import Markup

from forebay import words
from forebay.hub.board import grid, history
from forebay.hub.board.grid import Spot
from forebay.hub.board.known import Version
from forebay.hub.board.standing import Known, Look
from forebay.hub.web import buttons, cache_shown, history_shown, show
from forebay.hub.web.forms import Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.pages.cache_pin import pin_form
from forebay.hub.web.route import Pages
from forebay.hub.web.spot_asked import Acts, Rights, acts, found, found_in, rights
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.sites import TaskKind

pages = Pages()

_EVENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OneVersion:
    """`facts` are (name, value); `command` tells the same to a shell."""

    ref: str
    here: str
    state: Markup
    facts: tuple[tuple[str, str | Markup], ...]
    version_href: str
    acts: Acts
    pin: Form | None
    command: str
    parts: int


@pages.get("/cache/{place}/{dataset}/v{number}", live=("says", "acts", "facts", "parts", "events"))
def one_version(visit: Visit) -> Page:
    """How it stands."""
    with visit.read() as connection:
        place, line = found_in(connection, visit)
        dataset = line.version.dataset
        happened = history.history(
            connection, visit.sight, [place], dataset=dataset, number=line.version.number, limit=visit.limit(_EVENTS)
        )
    version, spot = line.version, line.spots[0]
    here = cache_shown.spot_href(place, dataset, version.number)
    held = rights(visit, place, dataset)
    can = acts(spot, here, held, retired=version.retired)
    context = OneVersion(
        ref=version.ref,
        here=here,
        state=cache_shown.state(spot, version, visit.now),
        facts=tuple(_facts(spot, version, visit.now)),
        version_href=cache_shown.version_href(dataset, version.number),
        acts=can,
        pin=pin_form(here, spot) if can.pin_href else None,
        command=f"forebay cache why {quote(version.ref)}",
        parts=len(spot.parts),
    )
    events = history_shown.events(
        happened.events, visit.now, name="events", caption="What happened to it here", places=False
    )
    return Page(
        template="cache/version.html",
        title=f"{version.ref} at {place.name}",
        nav="cache",
        context=context,
        tables=(_parts(spot, version, here, held, visit.now), events),
        parent=(place.name, cache_shown.place_href(place)),
    )


@pages.post("/cache/{place}/{dataset}/v{number}/withdraw")
def withdraw(visit: Visit) -> Redirect:
    """A fill or an eviction that was asked for is not wanted any more."""
    place, line = found(visit)
    task = visit.hub.sites.withdraw(visit.form.get("task", ""), f"{visit.sight.user} does not want it any more")
    here = cache_shown.spot_href(place, line.version.dataset, line.version.number)
    return Redirect(to=here, notice=f"The {task.kind} of {task.ref} is called off.")


def _facts(spot: Spot, version: Version, now: float) -> Sequence[tuple[str, str | Markup]]:
    whole = spot.whole
    facts: list[tuple[str, str | Markup]] = [
        ("Size", f"{words.size(version.size_bytes)}, {words.count(version.files, 'file')}")
    ]
    if whole.reason:
        facts.append(("Why", whole.reason))
    if whole.is_there:
        facts.append(("Since", show.when(whole.since, now)))
    if whole.fill is not None:
        fill = whole.fill
        facts.append(("Fetched", f"{words.size(fill.done_bytes)} of {words.size(fill.total_bytes)}"))
        facts.append(("For", fill.by or "somebody"))
    facts.extend(_of_errands(whole, now))
    if spot.look in (Look.READY, Look.STALE):
        facts.append(("Last used", show.when(whole.last_used_at, now)))
        facts.append(("In use by", _users(whole)))
        facts.append(("Goes", _goes(spot, now)))
        facts.append(("Verified", show.when(whole.verified_at, now) if whole.verified_at else "not since it was found"))
        if whole.lake_confirmed_at:
            facts.append(("Seen in the lake", show.when(whole.lake_confirmed_at, now)))
        if whole.fill_seconds:
            facts.append(("Filled in", f"{words.duration(whole.fill_seconds)}, {words.size(whole.fill_bytes)} fetched"))
    if whole.pinned_by:
        facts.append(("Pinned by", _pin(whole, now)))
    if spot.look is Look.BARRED:
        facts.append(("May be at", ", ".join(sorted(version.sites))))
    if spot.look is Look.ABSENT and spot.seconds is not None:
        facts.append(("A fill takes about", cache_shown.about(spot.seconds)))
    return facts


def _of_errands(whole: Known, now: float) -> Sequence[tuple[str, str | Markup]]:
    facts: list[tuple[str, str | Markup]] = []
    for errand in whole.errands:
        name = {TaskKind.FILL: "Asked to bring it", TaskKind.EVICT: "Asked to let it go"}.get(errand.kind, "Asked")
        facts.append((name, f"{errand.asked_by or 'somebody'}: {errand.reason}"))
        if errand.last_error:
            facts.append(("Last error", errand.last_error))
        if errand.unblock:
            facts.append(("Waits for", errand.unblock))
        if errand.next_try_at > now:
            facts.append(("Tries again", show.when(errand.next_try_at, now)))
    return facts


def _users(whole: Known) -> str:
    if not whole.leases:
        return "nobody now"
    return f"{', '.join(name for name in whole.users if name) or 'somebody'} ({words.count(whole.leases, 'lease')})"


def _goes(spot: Spot, now: float) -> str | Markup:
    if spot.whole.pinned_by:
        return "not while it is pinned"
    if spot.whole.leases:
        return "not while it is in use"
    if spot.leaves_at is None:
        return "only when its space is needed"
    return Markup("{} if nobody uses it, or when its space is needed").format(show.when(spot.leaves_at, now))


def _pin(whole: Known, now: float) -> Markup:
    until = show.when(whole.pin_until, now) if whole.pin_until else "for ever"
    said = f": {whole.pin_reason}" if whole.pin_reason else ""
    return Markup("{}, {}{}").format(cache_shown.pinner(whole), until, said)


def _parts(spot: Spot, version: Version, here: str, held: Rights, now: float) -> Table:
    """The subsets of it that are there, or on their way, each with its buttons."""
    rows = []
    for part in spot.parts:
        alone = grid.spot_of(spot.place, part, (), now)
        doable = _buttons(alone, acts(alone, here, held, retired=version.retired), here)
        cells = (
            Cell(value=part.ref, shown=show.mono(part.subset)),
            Cell(value=cache_shown.selected(part, version)),
            Cell(value=part.state.value, shown=cache_shown.state(alone, version, now)),
            Cell(value=part.size_bytes, shown=words.size(part.size_bytes)),
            Cell(value=" ".join(name for name in part.users if name), shown=_users(part)),
            Cell(value=part.last_used_at or None, shown=show.when(part.last_used_at or None, now)),
            Cell(value=None, shown=doable),
        )
        rows.append(Row(key=part.subset, cells=cells))
    return Table(
        name="parts",
        caption="Subsets here",
        columns=(
            Column(key="subset", title="Subset"),
            Column(key="holds", title="Holds"),
            Column(key="state", title="State"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="users", title="In use by"),
            Column(key="last_used", title="Last used"),
            Column(key="acts", title=""),
        ),
        rows=tuple(rows),
    )


def _buttons(alone: Spot, can: Acts, here: str) -> Markup:
    """As those of the version above: what destroys or needs a reason asks first, on its page."""
    part = alone.whole
    links = ((can.warm_href, can.warm_label), (can.pin_href, "Pin…"), (can.evict_href, "Evict…"))
    found = [buttons.link(href, label, about=part.subset) for href, label in links if href]
    if can.unpin_href:
        found.append(buttons.post(can.unpin_href, "Unpin", {"ref": part.ref}, about=part.subset))
    for task, label in can.withdraw:
        found.append(buttons.post(f"{here}/withdraw", label, {"task": task}, about=part.subset))
    return buttons.side_by_side(*found)
