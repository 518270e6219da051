"""One place of the cache: its capacity by dataset and team, what fills, what goes, what needs care."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from markupsafe import Markup

from forebay import words
from forebay.hub.access import rules
from forebay.hub.access.rules import Action
from forebay.hub.board import care, history, overview
from forebay.hub.board.capacity import Capacity, Holds, capacity
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.web import cache_shown, care_shown, history_shown, show, stack_shown
from forebay.hub.web.addresses import of_site
from forebay.hub.web.care_shown import Item
from forebay.hub.web.page import Page
from forebay.hub.web.pages.overview import fills_table, place_state
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

_ROWS, _FILLS, _EVENTS = 100, 20, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePlace:
    """A place with what it holds. `site_href` "": its volume is of no site."""

    place: Place
    state: Markup
    capacity: Capacity
    by_dataset: Markup
    dataset_keys: tuple[tuple[Markup, str, int], ...]
    by_team: Markup
    team_keys: tuple[tuple[Markup, str, int], ...]
    care: tuple[Item, ...]
    more_care: int
    may_warm: bool
    site_href: str
    grid_href: str
    going_href: str
    warm_href: str
    history_href: str


@pages.get("/cache/{place}", live=("says", "care", "capacity", "fills", "events"))
def one_place(visit: Visit) -> Page:
    """By its site's name, or by its volume's id where it is of none."""
    with visit.read() as connection:
        sight, now = visit.sight, visit.now
        place = place_of(places(connection, sight, now), visit.path["place"])
        holds = capacity(connection, sight, place, now)
        needs = care.care(connection, sight, [place], now, of_hub=False)
        fills = overview.fills(connection, sight, [place], now, visit.limit(_FILLS))
        happened = history.history(connection, sight, [place], kinds=("evicted",), limit=visit.limit(_EVENTS))
    context = OnePlace(
        place=place,
        state=place_state(place),
        capacity=holds,
        by_dataset=stack_shown.by_dataset(holds),
        dataset_keys=tuple(stack_shown.keys_by_dataset(holds)),
        by_team=stack_shown.by_team(holds),
        team_keys=tuple(stack_shown.keys_by_team(holds)),
        care=care_shown.items(needs),
        more_care=needs.more,
        may_warm=bool(place.site) and visit.may(Action.WARM, rules.Place(site=place.site)),
        site_href=of_site(place.site) if place.site else "",
        grid_href=f"/cache?{urlencode({'site': place.key})}",
        going_href=cache_shown.place_href(place, "evict"),
        warm_href=cache_shown.warm_href(site=place.key),
        history_href=cache_shown.place_href(place, "history"),
    )
    events = history_shown.events(
        happened.events,
        now,
        name="evictions",
        caption="Last evictions",
        places=False,
        empty="Nothing was evicted here yet.",
    )
    limit = visit.limit(_ROWS)
    tables = (_datasets(holds, now, limit), _teams(holds, limit), fills_table(fills, now), events)
    return Page(
        template="cache/place.html",
        title=place.name,
        nav="cache",
        context=context,
        tables=tables,
        parent=("Cache", "/cache"),
    )


def _datasets(held: Capacity, now: float, limit: int) -> Table:
    rows = []
    for number, item in enumerate(held.datasets[:limit]):
        name = Markup("{} {}").format(stack_shown.key_of(number, item), item.name)
        cells = (
            Cell(value=item.name, shown=name, href=f"/datasets/{quote(item.name, safe='')}"),
            *_sums(item, held.place),
            Cell(value=item.last_used_at or None, shown=show.when(item.last_used_at or None, now)),
        )
        rows.append(Row(cells=cells, key=item.name))
    return Table(
        name="datasets",
        caption="By dataset",
        columns=(Column(key="dataset", title="Dataset"), *_SUMS, Column(key="last_used", title="Last used")),
        rows=tuple(rows),
        empty="Nothing is here yet.",
    )


def _teams(held: Capacity, limit: int) -> Table:
    rows = []
    for number, item in enumerate(held.teams[:limit]):
        name = item.name or Markup('<span class="dim">no team</span>')
        shown = Markup("{} {}").format(stack_shown.key_of(number, item), name)
        cells = (Cell(value=item.name, shown=shown), *_sums(item, held.place), _quota(item))
        rows.append(Row(cells=cells, key=item.name or "-"))
    return Table(
        name="teams",
        caption="By team",
        columns=(Column(key="team", title="Team"), *_SUMS, Column(key="quota_bytes", title="Quota", number=True)),
        rows=tuple(rows),
        empty="Nothing is here yet.",
    )


_SUMS = (
    Column(key="versions", title="Versions", number=True),
    Column(key="size_bytes", title="Size", number=True),
    Column(key="share", title="Share", number=True),
    Column(key="in_use_bytes", title="In use", number=True),
    Column(key="pinned_bytes", title="Pinned", number=True),
    Column(key="leaving_bytes", title="Leaving soon", number=True),
    Column(key="filling_bytes", title="Filling", number=True),
)


def _sums(item: Holds, place: Place) -> Sequence[Cell]:
    share = item.size_bytes / place.limit_bytes if place.limit_bytes else 0.0
    sizes = (item.used_bytes, item.kept_bytes, item.stale_bytes, item.filling_bytes)
    return (
        Cell(value=item.versions),
        Cell(value=item.size_bytes, shown=words.size(item.size_bytes)),
        Cell(value=round(share, 4), shown=show.percent(share)),
        *(Cell(value=size_bytes, shown=words.size(size_bytes) if size_bytes else "–") for size_bytes in sizes),
    )


def _quota(item: Holds) -> Cell:
    if item.quota is None:
        return Cell(value=None, shown="–")
    limit = item.quota.limit_bytes
    told = words.size(limit)
    if item.size_bytes > limit:
        return Cell(value=limit, shown=show.state("warning", told, "is over"))
    return Cell(value=limit, shown=told)
