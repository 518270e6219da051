"""What sites are asked for: to bring versions, and to let them go. Each is shown first with what it would take.

A site's agent does it, and looks again before it does: what is used by then stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from forebay import words
from forebay.cache.policy import Decision
from forebay.errors import ForebayError, InputError
from forebay.hub.access.rules import Action
from forebay.hub.board import going, grid
from forebay.hub.board.grid import Line, Spot
from forebay.hub.board.places import Place, place_of, places
from forebay.hub.board.standing import Known, Look
from forebay.hub.board.warming import Source, Warming, warming
from forebay.hub.web import cache_shown, show
from forebay.hub.web.forms import Field, Form, failed
from forebay.hub.web.page import Page, Redirect
from forebay.hub.web.route import Pages
from forebay.hub.web.spot_asked import may
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.catalog import Version
from forebay.wire.sites import TaskKind

pages = Pages()

_STAYING = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Which version, and where; then what it takes. `order` begins it, None where it can't begin."""

    choose: Form
    line: Line | None = None
    says: str = ""
    facts: tuple[Markup | str, ...] = ()
    order: Form | None = None
    fits: bool = True


@pages.get("/cache/-/warm")
def ask_to_warm(visit: Visit) -> Page:
    """`?ref=` and `site=`: without both of them, where one chooses. Where there is one site alone, it is that."""
    with visit.read() as connection:
        everywhere = [place for place in places(connection, visit.sight, visit.now) if place.site]
    only = everywhere[0].key if len(everywhere) == 1 else ""
    ref, site = visit.query.get("ref", "").strip(), visit.query.get("site", only)
    choose = _choose(everywhere, ref, site)
    if not ref or not site:
        return _warm_page(Warm(choose=choose))
    try:
        version = visit.hub.catalog.resolve(ref)
        place = place_of(everywhere, site)
    except ForebayError as error:
        return _warm_page(Warm(choose=failed(choose, error, "ref")), status=422)
    with visit.read() as connection:
        shown = places(connection, visit.sight, visit.now)
        line = grid.one(connection, visit.sight, (version.dataset, version.number), shown, visit.now)
        if line is None:
            raise InputError("bad-ref", f"There is no version {ref}.")
        spot = next(item for item in line.spots if item.place.key == place.key)
        takes = warming(
            connection, visit.sight, line.version, line.spots, spot, visit.now, subset=_subset(version, spot)
        )
    may_fill = may(visit, Action.WARM, place, version.dataset)
    context = Warm(
        choose=choose,
        line=line,
        says=_says(version, spot, takes),
        facts=tuple(_facts(takes, spot, may_fill=may_fill)),
        order=_order(version, spot, takes) if may_fill else None,
        fits=not takes.missing_bytes,
    )
    tables = (_sources(takes.sources), _decisions(takes.evicts, "evicts", "What would go for it", visit.now))
    return _warm_page(context, tables=tables)


@pages.post("/cache/-/warm")
def warm(visit: Visit) -> Redirect:
    """Ask the site for it."""
    ref, site = visit.form.get("ref", ""), visit.form.get("site", "")
    version = visit.hub.catalog.resolve(ref)
    task = visit.hub.sites.ask(site, TaskKind.FILL, version.ref, f"{visit.sight.user} wants it there")
    with visit.read() as connection:
        place = place_of(places(connection, visit.sight, visit.now), site)
    here = cache_shown.spot_href(place, version.dataset, version.number)
    return Redirect(to=here, notice=f"{place.name} brings {task.ref}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldGo:
    """What the next sweep of a place would let go."""

    place: Place
    versions: int
    frees_bytes: int
    refill_s: float
    action: str
    may_evict: bool


@pages.get("/cache/{place}/evict")
def ask_to_make_room(visit: Visit) -> Page:
    """What would go now and why, and what comes next."""
    with visit.read() as connection:
        place = place_of(places(connection, visit.sight, visit.now), visit.path["place"])
        would = going.going(connection, visit.sight, place, visit.now, staying=visit.limit(_STAYING))
    may_evict = place.takes_orders and any(
        may(visit, Action.EVICT, place, name) for name in {item.candidate.replica.dataset for item in would.going[:50]}
    )
    context = WouldGo(
        place=place,
        versions=len(would.going),
        frees_bytes=would.frees_bytes,
        refill_s=would.refill_s,
        action=cache_shown.place_href(place, "evict"),
        may_evict=may_evict,
    )
    tables = (
        _decisions(would.going, "going", "What would go now, in this order", visit.now, chooses=may_evict),
        _decisions(would.staying, "staying", "What stays, the least worth first", visit.now),
    )
    return Page(
        template="cache/going.html",
        title=f"What would go from {place.name}",
        nav="cache",
        context=context,
        tables=tables,
        parent=(place.name, cache_shown.place_href(place)),
    )


@pages.post("/cache/{place}/evict")
def make_room(visit: Visit) -> Redirect:
    """Ask the site to let the chosen ones go now."""
    with visit.read() as connection:
        place = place_of(places(connection, visit.sight, visit.now), visit.path["place"])
    refs = list(dict.fromkeys(visit.fields("ref")))
    if not refs:
        raise InputError("nothing-chosen", "Nothing was chosen.", todo="Tick what shall go.")
    for ref in refs[:200]:
        visit.hub.sites.ask(place.site, TaskKind.EVICT, ref, f"{visit.sight.user} made room")
    return Redirect(
        to=cache_shown.place_href(place), notice=f"{place.name} lets {words.count(len(refs), 'version')} go."
    )


def _choose(everywhere: Sequence[Place], ref: str, site: str) -> Form:
    options = tuple((place.key, place.name) for place in everywhere)
    fields = (
        Field(
            name="ref",
            label="Version",
            value=ref,
            placeholder="criteo@prod",
            hint="By number, tag or digest: criteo@v3, criteo@prod; or just criteo for the latest.",
            required=True,
        ),
        Field(name="site", label="Site", kind="select", value=site, options=options),
    )
    return Form(action="/cache/-/warm", method="get", button="See what it takes", fields=fields)


def _warm_page(context: Warm, *, tables: tuple[Table, ...] = (), status: int = 200) -> Page:
    return Page(
        template="cache/warm.html",
        title="Warm a version",
        nav="cache",
        context=context,
        tables=tables,
        status=status,
        parent=("Cache", "/cache"),
    )


def _says(version: Version, spot: Spot, takes: Warming) -> str:
    name = spot.place.name
    if not takes.move_bytes:
        return f"{version.ref} is at {name} already."
    best = takes.best
    told = f"{version.ref} to {name}: at most {words.size(takes.move_bytes)} to fetch"
    if best is None:
        return f"{told}."
    told += f", about {cache_shown.about(best.seconds)}"
    return f"{told}; it costs {_money(best.cost)}." if best.cost else f"{told}."


def _subset(version: Version, spot: Spot) -> Known | None:
    """That subset at the place; None for the whole version."""
    if not version.subset:
        return None
    found = next((part for part in spot.parts if part.ref == version.ref), None)
    return found or replace(spot.whole, ref=version.ref, subset=version.subset, size_bytes=version.size_bytes)


def _facts(takes: Warming, spot: Spot, *, may_fill: bool) -> Sequence[str | Markup]:
    facts: list[str | Markup] = []
    place = takes.place
    if spot.look is Look.BARRED:
        facts.append(Markup("<strong>Its policy does not let it be there.</strong>"))
    elif not place.takes_orders:
        facts.append(Markup("<strong>{} takes no orders now: {}.</strong>").format(place.name, place.site_reason))
    elif not may_fill:
        facts.append("You may not warm it there: that is an engineer's. A run that reads it brings it by itself.")
    if takes.missing_bytes:
        facts.append(
            Markup("<strong>It does not fit: {} would lack after all that may go.</strong>").format(
                words.size(takes.missing_bytes)
            )
        )
    elif takes.evicts:
        many = words.count(len(takes.evicts), "version")
        facts.append(f"{many} would have to go for it, at most {words.size(takes.frees_bytes)}.")
    elif takes.move_bytes:
        facts.append(f"It fits: {words.size(place.free_bytes)} are free.")
    if takes.move_bytes:
        facts.append("What other versions there share is not fetched again, so it may be less.")
    return facts


def _order(version: Version, spot: Spot, takes: Warming) -> Form | None:
    place = spot.place
    if not place.takes_orders or not takes.move_bytes or spot.look is Look.BARRED or takes.missing_bytes:
        return None
    return Form(
        action="/cache/-/warm",
        button="Warm it",
        cancel="/cache",
        fields=(
            Field(name="ref", label="", kind="hidden", value=version.ref),
            Field(name="site", label="", kind="hidden", value=place.key),
        ),
    )


def _sources(sources: Sequence[Source]) -> Table:
    return Table(
        name="sources",
        caption="Where it may come from, the soonest first",
        columns=(
            Column(key="source", title="From"),
            Column(key="bandwidth_bytes_s", title="Bandwidth", number=True),
            Column(key="seconds", title="Would take", number=True),
            Column(key="cost", title="Would cost", number=True),
            Column(key="lake", title="Is a lake", given=True),
            Column(key="assumed", title="Speed assumed", given=True),
        ),
        rows=tuple(
            Row(
                key=item.name,
                cells=(
                    Cell(value=item.name, shown=Markup("{} <small>{}</small>").format(item.name, _kind(item))),
                    Cell(value=item.bandwidth_bytes_s, shown=f"{words.size(item.bandwidth_bytes_s)}/s"),
                    Cell(value=round(item.seconds, 1), shown=cache_shown.about(item.seconds)),
                    Cell(value=item.cost, shown=_money(item.cost) if item.cost else "–"),
                    Cell(value=item.is_lake),
                    Cell(value=not item.is_known),
                ),
            )
            for item in sources
        ),
    )


def _kind(source: Source) -> str:
    what = "the lake" if source.is_lake else "a site that has it"
    return what if source.is_known else f"{what}, speed assumed"


def _money(cost: float) -> str:
    """In the team's currency, whose name the hub does not know."""
    return f"{cost:,.2f}" if cost >= 0.01 else "less than 0.01"


def _decisions(found: Sequence[Decision], name: str, caption: str, now: float, *, chooses: bool = False) -> Table:
    """With boxes to tick, or without."""
    return Table(
        name=name,
        caption=caption,
        columns=(
            Column(key="version", title="Version"),
            *((Column(key="choose", title=""),) if chooses else ()),
            Column(key="frees_bytes", title="Frees at most", number=True),
            Column(key="refill_s", title="To refill", number=True),
            Column(key="last_used", title="Last used"),
            Column(key="rule", title="Rule"),
            Column(key="why", title="Why"),
        ),
        rows=tuple(_decision(item, now, chooses=chooses) for item in found),
        empty="Nothing is due, and there is room." if name == "going" else "Nothing.",
    )


def _decision(item: Decision, now: float, *, chooses: bool) -> Row:
    replica = item.candidate.replica
    box = Markup('<input type="checkbox" name="ref" value="{}" aria-label="{}" checked>').format(
        replica.ref, f"Let {replica.ref} go"
    )
    return Row(
        key=replica.ref,
        cells=(
            Cell(value=replica.ref, href=cache_shown.ref_href(replica.ref)),
            *((Cell(value=None, shown=box),) if chooses else ()),
            Cell(value=item.frees_bytes, shown=words.size(item.frees_bytes)),
            Cell(
                value=round(item.refill_seconds, 1),
                shown=cache_shown.about(item.refill_seconds) if item.refill_seconds else "–",
            ),
            Cell(value=replica.last_used_at, shown=show.when(replica.last_used_at, now)),
            Cell(value=item.rule.value),
            Cell(value=item.reason),
        ),
    )
