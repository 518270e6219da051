"""One version at one place: how it stands there, why, who uses it, what keeps it, and what can be done about it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from shlex import quote

from markupsafe import Markup
from sqlalchemy import Connection

from forebay import words
from forebay.errors import InputError, NotFoundError
from forebay.hub.access import rules
from forebay.hub.access.rules import Action
from forebay.hub.board import grid, history
from forebay.hub.board.grid import Line, Spot
from forebay.hub.board.known import Version
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.board.standing import Known, Look
from forebay.hub.web import cache_shown, history_shown, show
from forebay.hub.web.forms import Field, Form, failed, filled
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.sites import TaskKind

pages = Pages()

_EVENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OneVersion:
    """`facts` are (name, value); `command` tells the same to a shell. Addresses are "" for what one may not do."""

    ref: str
    here: str
    state: Markup
    facts: tuple[tuple[str, str | Markup], ...]
    version_href: str
    warm_href: str
    warm_label: str
    evict_href: str
    unpin_href: str
    withdraw: tuple[tuple[str, str], ...]
    pin: Form | None
    command: str
    parts: int


@pages.get("/cache/{place}/{dataset}/v{number}", live=("says", "acts", "facts", "parts", "events"))
def one_version(visit: Visit) -> Page:
    """How it stands."""
    return _page(visit)


@pages.post("/cache/{place}/{dataset}/v{number}/pin")
def pin(visit: Visit) -> Page | Redirect:
    """Keep it, or the subset that is named, until told otherwise or until a day."""
    place, line = found(visit)
    form = filled(_pin_form(place, line.version, line.spots[0]), visit.form)
    try:
        end = _end_of(visit.form.get("until", "").strip(), visit.now)
        version = visit.hub.catalog.resolve(_ref(visit, line.spots[0]))
        reason = visit.form.get("reason", "").strip()[:500]
        visit.hub.replicas.pin(place.volume_id, version, visit.sight.user, reason, end)
    except InputError as error:
        return replace(_page(visit, pin_form=failed(form, error, "until")), status=422)
    here = cache_shown.spot_href(place, line.version.dataset, line.version.number)
    return Redirect(to=here, notice=f"{version.ref} stays at {place.name}.")


@pages.post("/cache/{place}/{dataset}/v{number}/unpin")
def unpin(visit: Visit) -> Redirect:
    """Take a person's pin away; a rule's ends with the rule."""
    place, line = found(visit)
    version = visit.hub.catalog.resolve(_ref(visit, line.spots[0]))
    visit.hub.replicas.unpin(place.volume_id, version)
    here = cache_shown.spot_href(place, line.version.dataset, line.version.number)
    return Redirect(to=here, notice=f"{version.ref} may go from {place.name} once it is idle.")


@pages.post("/cache/{place}/{dataset}/v{number}/withdraw")
def withdraw(visit: Visit) -> Redirect:
    """A fill or an eviction that was asked for is not wanted any more."""
    place, line = found(visit)
    task = visit.hub.sites.withdraw(visit.form.get("task", ""), f"{visit.sight.user} does not want it any more")
    here = cache_shown.spot_href(place, line.version.dataset, line.version.number)
    return Redirect(to=here, notice=f"The {task.kind} of {task.ref} is called off.")


def found(visit: Visit) -> tuple[Place, Line]:
    """The place and the version, alone with it, that the address names; NotFoundError `version-not-found`."""
    with visit.read() as connection:
        return found_in(connection, visit)


def found_in(connection: Connection, visit: Visit) -> tuple[Place, Line]:
    """The same, within a transaction."""
    place = place_of(places(connection, visit.sight, visit.now), visit.path["place"])
    dataset, text = visit.path["dataset"], visit.path["number"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else -1
    line = grid.one(connection, visit.sight, (dataset, number), [place], visit.now)
    if line is None:
        raise NotFoundError(
            "version-not-found",
            f"There is no version {dataset}@v{text}.",
            todo="See its dataset's page for all of them.",
        )
    return place, line


def may(visit: Visit, action: Action, place: Place, dataset: str) -> bool:
    """Whether that is allowed on a dataset at a place."""
    data = visit.data_of(dataset)
    at = rules.Place(site=place.site)
    return data is not None and not data.removed and visit.may(action, replace(data, at=at))


def _end_of(day: str, now: float) -> float:
    """The end of a day, in UTC; 0 for none. InputError `bad-until`."""
    if not day:
        return 0.0
    try:
        date = datetime.date.fromisoformat(day)
    except ValueError as error:
        raise InputError("bad-until", f"{day[:40]!r} is no day.", todo="Write one as 2027-01-31.") from error
    end = datetime.datetime.combine(date, datetime.time.max, datetime.UTC).timestamp()
    if end <= now:
        raise InputError("bad-until", f"{day} is over.", todo="Choose a day to come.")
    return end


def _ref(visit: Visit, spot: Spot) -> str:
    """The version, or that subset of it which the form names."""
    asked = visit.form.get("ref", "")
    return asked if asked in {part.ref for part in spot.parts} else spot.whole.ref


def _page(visit: Visit, *, pin_form: Form | None = None) -> Page:
    with visit.read() as connection:
        place, line = found_in(connection, visit)
        dataset = line.version.dataset
        happened = history.history(
            connection, visit.sight, [place], dataset=dataset, number=line.version.number, limit=visit.limit(_EVENTS)
        )
    version, spot = line.version, line.spots[0]
    whole = spot.whole
    here = cache_shown.spot_href(place, dataset, version.number)
    may_fill = place.takes_orders and may(visit, Action.WARM, place, dataset)
    may_evict = place.takes_orders and may(visit, Action.EVICT, place, dataset)
    may_pin = may(visit, Action.PIN, place, dataset)
    is_there = spot.look in (Look.READY, Look.STALE)
    fills = spot.look in (Look.ABSENT, Look.PARTIAL, Look.DAMAGED) and whole.errand(TaskKind.FILL) is None
    goes = whole.errand(TaskKind.EVICT) is not None
    context = OneVersion(
        ref=version.ref,
        here=here,
        state=cache_shown.state(spot, version, visit.now),
        facts=tuple(_facts(spot, version, visit.now)),
        version_href=cache_shown.version_href(dataset, version.number),
        warm_href=cache_shown.warm_href(version.ref, place.key) if may_fill and fills and not version.retired else "",
        warm_label="Mend it" if spot.look is Look.DAMAGED else "Warm it here",
        evict_href=f"{here}/evict" if may_evict and whole.is_there and not goes else "",
        unpin_href=f"{here}/unpin" if may_pin and whole.pinned_by and not whole.by_rule else "",
        withdraw=tuple((item.task_id, _called(item.kind)) for item in whole.errands) if may_fill or may_evict else (),
        pin=(pin_form or _pin_form(place, version, spot)) if may_pin and is_there and not whole.pinned_by else None,
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
        tables=(_parts(spot, version, visit.now), events),
        parent=(place.name, cache_shown.place_href(place)),
    )


def _called(kind: TaskKind) -> str:
    return {TaskKind.FILL: "Call the fill off", TaskKind.EVICT: "Keep it after all"}.get(kind, "Call it off")


def _pin_form(place: Place, version: Version, spot: Spot) -> Form:
    here = cache_shown.spot_href(place, version.dataset, version.number)
    return Form(
        action=f"{here}/pin",
        button="Pin",
        fields=(
            Field(name="reason", label="Why it must stay", placeholder="nightly training"),
            Field(
                name="until",
                label="Until the end of (UTC)",
                kind="date",
                hint="Empty: until somebody unpins it.",
            ),
        ),
    )


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


def _parts(spot: Spot, version: Version, now: float) -> Table:
    """The subsets of it that are there, or on their way."""
    return Table(
        name="parts",
        caption="Subsets here",
        columns=(
            Column(key="subset", title="Subset"),
            Column(key="holds", title="Holds"),
            Column(key="state", title="State"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="last_used", title="Last used"),
        ),
        rows=tuple(
            Row(
                key=part.subset,
                cells=(
                    Cell(value=part.ref, shown=show.mono(part.subset)),
                    Cell(value=cache_shown.selected(part, version)),
                    Cell(value=part.state.value, shown=_part_state(spot, part, version, now)),
                    Cell(value=part.size_bytes, shown=words.size(part.size_bytes)),
                    Cell(value=part.last_used_at or None, shown=show.when(part.last_used_at or None, now)),
                ),
            )
            for part in spot.parts
        ),
    )


def _part_state(spot: Spot, part: Known, version: Version, now: float) -> Markup:
    return cache_shown.state(grid.spot_of(spot.place, part, (), now), version, now)
