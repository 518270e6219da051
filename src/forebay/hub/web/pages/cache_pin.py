"""Keeping a version, or a subset of one, at one place, and letting go of it again."""

from __future__ import annotations

import datetime
from dataclasses import replace

from markupsafe import Markup

from forebay.errors import InputError
from forebay.hub.access.rules import Action
from forebay.hub.board.grid import Line, Spot
from forebay.hub.board.places import Place
from forebay.hub.board.standing import Look
from forebay.hub.web import cache_shown
from forebay.hub.web.forms import Confirm, Field, Form, failed, filled
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.spot_asked import found, may, meant
from forebay.hub.web.visit import Visit

pages = Pages()

SAYS = "What is pinned stays, whatever the pressure, until somebody takes the pin away."


@pages.get("/cache/{place}/{dataset}/v{number}/pin")
def ask_to_pin(visit: Visit) -> Page:
    """`?ref=` is a subset's; without it, the whole version."""
    place, line = found(visit)
    return _page(visit, place, line, meant(line.spots[0], visit.query.get("ref", ""), visit.now))


@pages.post("/cache/{place}/{dataset}/v{number}/pin")
def pin(visit: Visit) -> Page | Redirect:
    """Keep it, or the subset that is named, until told otherwise or until a day."""
    place, line = found(visit)
    spot = meant(line.spots[0], visit.form.get("ref", ""), visit.now)
    here = _here(place, line)
    try:
        end = _end_of(visit.form.get("until", "").strip(), visit.now)
        version = visit.hub.catalog.resolve(spot.whole.ref)
        reason = visit.form.get("reason", "").strip()[:500]
        visit.hub.replicas.pin(place.volume_id, version, visit.sight.user, reason, end)
    except InputError as error:
        form = failed(filled(pin_form(here, spot), visit.form), error, "until")
        return replace(_page(visit, place, line, spot, form), status=422)
    return Redirect(to=here, notice=f"{version.ref} stays at {place.name}.")


@pages.post("/cache/{place}/{dataset}/v{number}/unpin")
def unpin(visit: Visit) -> Redirect:
    """Take a person's pin away; a rule's ends with the rule."""
    place, line = found(visit)
    spot = meant(line.spots[0], visit.form.get("ref", ""), visit.now)
    version = visit.hub.catalog.resolve(spot.whole.ref)
    visit.hub.replicas.unpin(place.volume_id, version)
    return Redirect(to=_here(place, line), notice=f"{version.ref} may go from {place.name} once it is idle.")


def pin_form(here: str, spot: Spot) -> Form:
    """Of what `meant` gave, for the page of its version at that place."""
    subset = (Field(name="ref", label="", kind="hidden", value=spot.whole.ref),) if spot.whole.subset else ()
    return Form(
        action=f"{here}/pin",
        button="Pin",
        fields=(
            *subset,
            Field(name="reason", label="Why it must stay", placeholder="nightly training"),
            Field(
                name="until",
                label="Until the end of (UTC)",
                kind="date",
                hint="Empty: until somebody unpins it.",
            ),
        ),
    )


def _here(place: Place, line: Line) -> str:
    return cache_shown.spot_href(place, line.version.dataset, line.version.number)


def _page(visit: Visit, place: Place, line: Line, spot: Spot, form: Form | None = None) -> Page:
    known, here = spot.whole, _here(place, line)
    stays = _stays_anyhow(spot)
    may_pin = not stays and may(visit, Action.PIN, place, line.version.dataset)
    shown = replace(form or pin_form(here, spot), cancel=here)
    confirm = Confirm(
        heading=f"Pin {known.ref} at {place.name}?",
        says=SAYS,
        form=shown if may_pin else Form(action=here, method="get", button="Back"),
        facts=(Markup("<strong>{}</strong>").format(stays),) if stays else (),
    )
    return Page(
        template="confirm.html",
        title=f"Pin {known.ref}",
        nav="cache",
        context=confirm,
        parent=(f"{line.version.ref} at {place.name}", here),
    )


def _stays_anyhow(spot: Spot) -> str:
    """Why there is nothing to pin; "" where there is."""
    known = spot.whole
    if known.pinned_by:
        return f"It is pinned by {cache_shown.pinner(known)}."
    if spot.look not in (Look.READY, Look.STALE):
        return f"{known.ref} is not ready at {spot.place.name}."
    return ""


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
