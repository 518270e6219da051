"""The cache: the grid version x place, with filters and pages, and what needs care of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup

from forebay import words
from forebay.hub.access import rules
from forebay.hub.access.rules import Action
from forebay.hub.board import care, grid, overview
from forebay.hub.board.filtered import Only
from forebay.hub.board.grid import Filter, Grid, Line
from forebay.hub.board.overview import Near, Saved, month_of
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.web import cache_shown, care_shown, replicas_listed, show
from forebay.hub.web.care_shown import Item
from forebay.hub.web.forms import Field, Form
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

MOST_PLACES = 12
"""So many columns has the grid, unless places are chosen. What it finds, and what needs care, is of all places."""

_LINES, _EXPORTED, _LINKS = 30, 5000, 40

_ONLY: Final = (
    (Only.THERE, "near compute"),
    (Only.FILLING, "filling"),
    (Only.READY, "ready"),
    (Only.PARTIAL, "in part"),
    (Only.STALE, "leaving soon"),
    (Only.EVICTING, "leaving now"),
    (Only.PINNED, "pinned"),
    (Only.USED, "in use"),
    (Only.DAMAGED, "damaged"),
    (Only.ABSENT, "nowhere"),
    (Only.ALL, "all versions"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """`left_out` are places for which the grid has no column, with where one sees each; there are `more_left_out`.
    `listed` is where programs have all that the cells say.
    """

    near: Near
    saved: Saved
    filters: Form
    care: tuple[Item, ...]
    more_care: int
    left_out: tuple[tuple[str, str], ...]
    more_left_out: int
    listed: tuple[tuple[str, str], ...]
    may_warm: bool


@pages.get("/cache", live=("says", "grid", "care"))
def cache(visit: Visit) -> Page:
    """`?only=`, `q=`, `team=`, `site=` (may repeat), `after=`."""
    wanted = _wanted(visit)
    with visit.read() as connection:
        sight, now = visit.sight, visit.now
        everywhere = places(connection, sight, now)
        chosen = _chosen(visit, everywhere)
        most = 0 if visit.exports or _named(visit) else MOST_PLACES
        found = grid.grid(connection, sight, chosen, wanted, now, most=most)
        near = visit.keep("near", (), lambda sight: overview.near(connection, sight))
        saved = visit.keep("saved", month_of(now), lambda sight: overview.saved(connection, sight, now))
        teams = visit.keep("teams", (), lambda sight: grid.teams(connection, sight))
        needs = care.care(connection, sight, chosen, now, of_hub=False, keep=visit.keep)
    context = Cache(
        near=near,
        saved=saved,
        filters=_filters(wanted, everywhere, teams, _named(visit)),
        care=care_shown.items(needs),
        more_care=needs.more,
        left_out=tuple((place.name, _asked(visit, "site", place.key)) for place in found.others[:_LINKS]),
        more_left_out=max(0, len(found.others) - _LINKS),
        listed=tuple((kind.upper(), _listed(visit, kind)) for kind in ("csv", "json")) if found.lines else (),
        may_warm=any(visit.may(Action.WARM, rules.Place(site=place.site)) for place in everywhere if place.site),
    )
    tables = [_table(found, visit, _empty(wanted, everywhere, visit))]
    if visit.exports == replicas_listed.NAME:
        tables.append(replicas_listed.replicas(found, visit.now))
    return Page(template="cache/grid.html", title="Cache", nav="cache", context=context, tables=tuple(tables))


def _wanted(visit: Visit) -> Filter:
    asked = visit.query.get("only", "")
    return Filter(
        only=Only(asked) if asked in set(Only) else Only.THERE,
        text=visit.query.get("q", "").strip()[:100],
        team=visit.query.get("team", "").strip()[:100],
        owner=visit.query.get("owner", "").strip()[:100],
        after=visit.query.get("after", ""),
        limit=min(visit.limit(_LINES), _EXPORTED),
    )


def _named(visit: Visit) -> list[str]:
    return [key for key in visit.queries("site") if key]


def _chosen(visit: Visit, everywhere: Sequence[Place]) -> list[Place]:
    named = _named(visit)
    if named:
        found = {place_of(everywhere, key).key for key in named}
        return [place for place in everywhere if place.key in found]
    return list(everywhere)


def _filters(wanted: Filter, everywhere: Sequence[Place], teams: Sequence[str], named: Sequence[str]) -> Form:
    sites = (("", "all sites"), *((place.key, place.name) for place in everywhere))
    by_team = (("", "all teams"), *((team, team) for team in teams))
    fields = [
        Field(name="q", label="Dataset", kind="search", value=wanted.text),
        Field(
            name="only",
            label="Which",
            kind="select",
            value=wanted.only.value,
            options=tuple((only.value, label) for only, label in _ONLY),
        ),
        Field(name="site", label="Site", kind="select", value=named[-1] if named else "", options=sites),
        Field(name="team", label="Team", kind="select", value=wanted.team, options=by_team),
    ]
    return Form(action="/cache", method="get", button="Filter", quiet=True, fields=tuple(fields))


def _empty(wanted: Filter, everywhere: Sequence[Place], visit: Visit) -> Markup:
    if not everywhere:
        agent = show.copy("forebay agent --site NAME")
        return Markup("<p>No site has a cache yet. On a machine that sees a volume, start its agent: {}</p>").format(
            agent
        )
    if wanted != Filter(limit=wanted.limit) or _named(visit):
        return Markup('<p>No version is like that. <a href="/cache">Show all that are near compute</a></p>')
    warm = show.copy("forebay cache warm criteo")
    return Markup("<p>No version is near compute yet. The first use of one brings it, or this: {}</p>").format(warm)


def _table(found: Grid, visit: Visit, empty: Markup) -> Table:
    return Table(
        name="grid",
        caption="Versions by site",
        columns=(
            Column(key="version", title="Dataset version"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="last_used", title="Last used"),
            *(Column(key=place.name, title=_heading(place)) for place in found.places),
            Column(key="tags", title="Tags", given=True),
        ),
        rows=tuple(_row(line, visit.now, draws=not visit.exports) for line in found.lines),
        more=_more(visit, found.more),
        empty=empty,
    )


def _heading(place: Place) -> Markup:
    under = f"{show.percent(place.share)} of {words.size(place.limit_bytes)}"
    if place.site_state is not None and place.site_state != "up":
        under = f"{place.site_state} · {under}"
    return Markup('<a href="{}">{}</a><br><span class="dim">{}</span>').format(
        cache_shown.place_href(place), place.name, under
    )


def _row(line: Line, now: float, *, draws: bool) -> Row:
    """What a cell looks like is of no use to programs, and costs something."""
    version = line.version
    return Row(
        key=version.ref,
        cells=(
            Cell(
                value=version.ref,
                shown=cache_shown.ref(version.dataset, version.number, tags=version.tags),
                href=cache_shown.version_href(version.dataset, version.number),
            ),
            Cell(value=version.size_bytes, shown=words.size(version.size_bytes)),
            Cell(value=version.last_used_at or None, shown=_last_used(line, now)),
            *(
                Cell(
                    value=spot.look.value,
                    shown=cache_shown.spot(spot, version, now) if draws else None,
                    href=cache_shown.spot_href(spot.place, version.dataset, version.number),
                )
                for spot in line.spots
            ),
            Cell(value=" ".join(version.tags)),
        ),
    )


def _last_used(line: Line, now: float) -> Markup:
    users = [name for name in line.version.users if name]
    if users:
        return Markup("now <small>· {}</small>").format(cache_shown.who(users, "user"))
    return show.when(line.version.last_used_at or None, now)


def _more(visit: Visit, after: str) -> str:
    return _asked(visit, "after", after) if after else ""


def _listed(visit: Visit, kind: str) -> str:
    """All that the cells of these versions say, as one of the kinds of tables for programs."""
    kept = [pair for pair in visit.query_pairs if pair[0] not in ("table", "as") and pair[1]]
    return f"/cache?{urlencode([*kept, ('table', replicas_listed.NAME), ('as', kind)])}"


def _asked(visit: Visit, name: str, value: str) -> str:
    """The same page, asked for something else, from its begin on."""
    kept = [pair for pair in visit.query_pairs if pair[0] not in (name, "after", "table", "as") and pair[1]]
    return f"/cache?{urlencode([*kept, (name, value)])}"
