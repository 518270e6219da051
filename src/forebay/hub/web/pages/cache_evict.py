"""Letting a version, or a subset of one, go from one place: what that means is shown before.

A site's agent does it, and looks again before it does: what is used by then stays.
"""

from __future__ import annotations

from markupsafe import Markup

from forebay import words
from forebay.errors import ConflictError
from forebay.hub.access.rules import Action
from forebay.hub.board.grid import Spot
from forebay.hub.board.standing import Look
from forebay.hub.web import cache_shown, show
from forebay.hub.web.forms import Confirm, Field, Form
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.spot_asked import found, may, meant
from forebay.hub.web.visit import Visit
from forebay.wire.sites import TaskKind

pages = Pages()


@pages.get("/cache/{place}/{dataset}/v{number}/evict")
def ask_to_evict(visit: Visit) -> Page:
    """What would go, and what that means. `?ref=` is a subset's; without it, the whole version."""
    place, line = found(visit)
    version = line.version
    spot = meant(line.spots[0], visit.query.get("ref", ""), visit.now)
    whole = spot.whole
    here = cache_shown.spot_href(place, version.dataset, version.number)
    stays = _stays(spot)
    facts: list[str | Markup] = [
        f"It frees at most {words.size(whole.size_bytes)}; what other versions here share stays."
    ]
    if place.bandwidth_bytes_s:
        facts.append(f"To bring it back takes about {cache_shown.about(whole.size_bytes / place.bandwidth_bytes_s)}.")
    facts.append(Markup("Last used {}.").format(show.when(whole.last_used_at or None, visit.now)))
    facts.append("The lake keeps it: that is checked before anything is deleted.")
    if stays:
        facts.insert(0, Markup("<strong>{}</strong>").format(stays))
    may_evict = place.takes_orders and not stays and may(visit, Action.EVICT, place, version.dataset)
    confirm = Confirm(
        heading=f"Let {whole.ref} go from {place.name}?",
        says="Whoever wants it there again waits until it has come back.",
        form=Form(action=f"{here}/evict", button="Evict it", danger=True, cancel=here, fields=_named(spot))
        if may_evict
        else Form(action=here, method="get", button="Back"),
        facts=tuple(facts),
    )
    return Page(
        template="confirm.html",
        title=f"Evict {whole.ref}",
        nav="cache",
        context=confirm,
        parent=(f"{version.ref} at {place.name}", here),
    )


@pages.post("/cache/{place}/{dataset}/v{number}/evict")
def evict(visit: Visit) -> Redirect:
    """Ask the site to let it go, or the subset that is named."""
    place, line = found(visit)
    spot = meant(line.spots[0], visit.form.get("ref", ""), visit.now)
    stays = _stays(spot)
    if stays:
        raise ConflictError("in-use", stays)
    ref = spot.whole.ref
    visit.hub.sites.ask(place.site, TaskKind.EVICT, ref, f"{visit.sight.user} let it go")
    here = cache_shown.spot_href(place, line.version.dataset, line.version.number)
    return Redirect(to=here, notice=f"{place.name} lets {ref} go.")


def _named(spot: Spot) -> tuple[Field, ...]:
    return (Field(name="ref", label="", kind="hidden", value=spot.whole.ref),) if spot.whole.subset else ()


def _stays(spot: Spot) -> str:
    """Why a version can't be let go now; "" where it can."""
    whole = spot.whole
    if not whole.is_there:
        return f"{whole.ref} is not at {spot.place.name}."
    if whole.leases:
        return f"It is {cache_shown.users(whole)}, so it stays."
    if whole.pinned_by:
        return f"It is pinned by {cache_shown.pinner(whole)}, so it stays."
    if spot.look in (Look.FILLING, Look.QUEUED):
        return "It is being filled. Call the fill off first."
    return ""
