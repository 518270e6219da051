"""What happened to replicas, of all places or of one: by kind and dataset, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from forebay.errors import InputError
from forebay.hub.board import history
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.web import cache_shown, history_shown
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.visit import Visit

pages = Pages()

_EVENTS, _EXPORTED = 50, 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The events are in the page's table."""

    says: str
    filters: Form


@pages.get("/cache/-/history")
def everywhere(visit: Visit) -> Page:
    """Of all places."""
    with visit.read() as connection:
        found = places(connection, visit.sight, visit.now)
    return _page(visit, found, None)


@pages.get("/cache/{place}/history")
def at_one_place(visit: Visit) -> Page:
    """Of one."""
    with visit.read() as connection:
        place = place_of(places(connection, visit.sight, visit.now), visit.path["place"])
    return _page(visit, [place], place)


def _page(visit: Visit, shown: Sequence[Place], place: Place | None) -> Page:
    kind, dataset = visit.query.get("event", ""), visit.query.get("dataset", "").strip()[:100]
    kinds = (kind,) if kind in history_shown.KINDS else ()
    with visit.read() as connection:
        found = history.history(
            connection,
            visit.sight,
            shown,
            kinds=kinds,
            dataset=dataset,
            before=_before(visit),
            limit=min(visit.limit(_EVENTS), _EXPORTED),
        )
    kept = {"event": kind if kinds else "", "dataset": dataset, "before": str(found.before)}
    more = f"?{urlencode({name: value for name, value in kept.items() if value})}" if found.before else ""
    table = history_shown.events(
        found.events,
        visit.now,
        name="history",
        caption="History",
        places=place is None,
        more=more,
        empty="Nothing like that has happened.",
    )
    here = cache_shown.place_href(place) if place else "/cache/-"
    context = Past(
        says="What was filled, evicted, damaged and found, the newest first, with the reasons as they were then",
        filters=_filters(f"{here}/history", kind, dataset),
    )
    return Page(
        template="cache/history.html",
        title=f"History of {place.name}" if place else "History of the cache",
        nav="cache",
        context=context,
        tables=(table,),
        parent=(place.name, cache_shown.place_href(place)) if place else ("Cache", "/cache"),
    )


def _filters(action: str, kind: str, dataset: str) -> Form:
    kinds = (("", "all that happened"), *((key, word) for key, (_, word) in history_shown.KINDS.items()))
    fields = (
        Field(name="event", label="What", kind="select", value=kind, options=kinds),
        Field(name="dataset", label="Dataset", kind="search", value=dataset),
    )
    return Form(action=quote(action, safe="/"), method="get", button="Filter", quiet=True, fields=fields)


def _before(visit: Visit) -> int:
    text = visit.query.get("before", "") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("bad-cursor", f"{text[:40]!r} is no place in the list.", todo="Begin at its first page.")
    return int(text)
