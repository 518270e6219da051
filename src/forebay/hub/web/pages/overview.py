"""The first page: what runs, what is filling, what needs care, what the cache saved, space, quotas, and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from forebay import words
from forebay.hub.access.rules import Action
from forebay.hub.board import care, governed, happened, overview, running
from forebay.hub.board.governed import TeamHold
from forebay.hub.board.overview import Fill, Near, Saved, month_of
from forebay.hub.board.places import Place, places
from forebay.hub.board.running import Running
from forebay.hub.web import cache_shown, care_shown, events_shown, show
from forebay.hub.web.care_shown import Item
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit

pages = Pages()

_RUNS, _FILLS, _EVENTS, _PLACES, _QUOTAS = 8, 8, 10, 40, 8
_EXPORTED = 1000
"""Events as CSV or JSON: all of them are on the pages of the cache, of runs and of datasets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`begins`: the hub has no version yet, so that the page says how to begin."""

    near: Near
    saved: Saved
    runs: int
    fills: int
    care: tuple[Item, ...]
    more_care: int
    quotas: int
    begins: bool
    may_register: bool


@pages.get("/", live=("says", "care", "runs", "fills", "space", "quotas", "events"))
def home(visit: Visit) -> Page:
    """All of it in one snapshot."""
    with visit.read() as connection:
        sight, now = visit.sight, visit.now
        shown = places(connection, sight, now)
        near = visit.keep("near", (), lambda sight: overview.near(connection, sight))
        fills = overview.fills(connection, sight, shown, now, 100)
        runs = running.active(connection, sight, 100)
        needs = care.care(connection, sight, shown, now, keep=visit.keep)
        events = happened.happened(connection, sight, shown, _events(visit))
        saved = visit.keep("saved", month_of(now), lambda sight: overview.saved(connection, sight, now))
        holds = visit.keep("near-quota", (), lambda sight: governed.near_quota(connection, sight))
    context = Overview(
        near=near,
        saved=saved,
        runs=len(runs),
        fills=len(fills),
        care=care_shown.items(needs),
        more_care=needs.more,
        quotas=len(holds),
        begins=not near.versions,
        may_register=visit.may(Action.WRITE),
    )
    tables = (
        _runs(runs[: visit.limit(_RUNS)], now),
        fills_table(fills[: visit.limit(_FILLS)], now),
        _space(shown[: visit.limit(_PLACES)]),
        _quotas(holds[: visit.limit(_QUOTAS)]),
        events_shown.events(
            events,
            now,
            name="events",
            caption="Last events",
            empty="Nothing has happened yet. What is registered, filled, evicted or found damaged is told here, "
            "and how runs ended.",
        ),
    )
    return Page(template="overview/page.html", title="Overview", nav="overview", context=context, tables=tables)


def _events(visit: Visit) -> int:
    return _EXPORTED if visit.exports == "events" else _EVENTS


def _runs(runs: Sequence[Running], now: float) -> Table:
    return Table(
        name="runs",
        caption="Runs under way",
        columns=(
            Column(key="run", title="Run"),
            Column(key="state", title="State"),
            Column(key="site", title="Site"),
            Column(key="by", title="By"),
            Column(key="since", title="Since"),
            Column(key="data", title="Reads"),
            Column(key="title", title="What", given=True),
            Column(key="reason", title="Why", given=True),
        ),
        rows=tuple(_run(item, now) for item in runs),
        empty=Markup("Nothing runs. {}").format(show.copy("forebay run --data d=criteo -- python train.py")),
    )


def _run(item: Running, now: float) -> Row:
    waits = item.reason if item.state in ("queued", "filling") else ""
    return Row(
        key=item.run_id,
        cells=(
            Cell(value=item.run_id, shown=_short(item.title, 60), href=f"/runs/{quote(item.run_id, safe='')}"),
            Cell(value=item.state.value, shown=show.state(item.state.value, item.state.value, _short(waits, 70))),
            Cell(value=item.site, href=f"/sites/{quote(item.site, safe='')}" if item.site else ""),
            Cell(value=item.submitted_by),
            Cell(value=item.since, shown=show.when(item.since, now)),
            Cell(value=" ".join(item.refs), shown=_short(", ".join(item.refs), 60)),
            Cell(value=item.title),
            Cell(value=item.reason),
        ),
    )


def fills_table(found: Sequence[Fill], now: float) -> Table:
    """Versions on their way."""
    return Table(
        name="fills",
        caption="Filling",
        columns=(
            Column(key="version", title="Version"),
            Column(key="site", title="To"),
            Column(key="state", title="How far"),
            Column(key="size_bytes", title="Size", number=True),
            Column(key="by", title="For"),
            Column(key="since", title="Since"),
            Column(key="rate_bytes_s", title="Rate", given=True),
            Column(key="left_s", title="Left", given=True),
            Column(key="reason", title="Why", given=True),
        ),
        rows=tuple(_fill(item, now) for item in found),
        empty="Nothing is on its way.",
    )


def _fill(item: Fill, now: float) -> Row:
    if item.fill is None or not item.fill.is_held:
        how = show.state("queued", "queued", _short(item.reason or "whoever filled it is gone", 70))
    else:
        how = cache_shown.filling(item.fill)
        if item.fill.total_bytes:
            how += show.bar(item.fill.share, "filling", f"{show.percent(item.fill.share)} filled")
    return Row(
        cells=(
            Cell(value=item.ref, href=cache_shown.spot_href(item.place, item.dataset, item.number)),
            Cell(value=item.place.name, href=cache_shown.place_href(item.place)),
            Cell(value=item.fill.share if item.fill else 0.0, shown=how),
            Cell(value=item.size_bytes, shown=words.size(item.size_bytes)),
            Cell(value=item.by),
            Cell(value=item.since, shown=show.when(item.since, now)),
            Cell(value=item.fill.bytes_s if item.fill else None),
            Cell(value=item.fill.left_s if item.fill else None),
            Cell(value=item.reason),
        )
    )


def _space(shown: Sequence[Place]) -> Table:
    return Table(
        name="space",
        caption="Space",
        columns=(
            Column(key="site", title="Site"),
            Column(key="state", title="State"),
            Column(key="share", title="Full"),
            Column(key="used_bytes", title="Used", number=True),
            Column(key="reserved_bytes", title="Set aside", number=True),
            Column(key="free_bytes", title="Free", number=True),
            Column(key="limit_bytes", title="Of", number=True),
        ),
        rows=tuple(_place(place) for place in shown),
        empty=Markup("No site has a cache yet. On a machine with a volume: {}").format(
            show.copy("forebay agent --site NAME")
        ),
    )


def _place(place: Place) -> Row:
    return Row(
        cells=(
            Cell(value=place.name, href=cache_shown.place_href(place)),
            Cell(value=str(place.site_state or place.state), shown=place_state(place)),
            Cell(value=round(place.share, 4), shown=fullness(place)),
            Cell(value=place.used_bytes, shown=words.size(place.used_bytes)),
            Cell(value=place.reserved_bytes, shown=words.size(place.reserved_bytes) if place.reserved_bytes else "–"),
            Cell(value=place.free_bytes, shown=words.size(place.free_bytes)),
            Cell(value=place.limit_bytes, shown=words.size(place.limit_bytes)),
        )
    )


def _quotas(found: Sequence[TeamHold]) -> Table:
    return Table(
        name="quotas",
        caption="What teams hold, and may hold",
        columns=(
            Column(key="team", title="Team"),
            Column(key="site", title="Site"),
            Column(key="share", title="Of its quota"),
            Column(key="held_bytes", title="Holds", number=True),
            Column(key="limit_bytes", title="Quota", number=True),
            Column(key="left_bytes", title="Left", number=True),
            Column(key="versions", title="Versions", number=True),
        ),
        rows=tuple(_hold(item) for item in found),
    )


def _hold(item: TeamHold) -> Row:
    site, limit = item.site or item.volume_id, item.limit_bytes
    share = show.state("absent", "no quota")
    if limit is not None:
        kind, told = "warning" if item.share > 1 else "partial", show.percent(item.share)
        share = show.html('<span class="q">{}</span>', told) + show.bar(item.share, kind, f"{told} of its quota")
    left = None if limit is None else max(0, limit - item.held_bytes)
    return Row(
        key=f"{item.team} {item.volume_id}",
        cells=(
            Cell(value=item.team),
            Cell(value=site, href=f"/cache/{quote(site, safe='')}"),
            Cell(value=None if limit is None else round(item.share, 4), shown=share),
            Cell(value=item.held_bytes, shown=show.size(item.held_bytes)),
            Cell(value=limit, shown=show.size(limit)),
            Cell(value=left, shown=show.size(left)),
            Cell(value=item.versions, shown=show.whole(item.versions)),
        ),
    )


def fullness(place: Place) -> Markup:
    """A number and a bar, which turns to a warning above the high mark."""
    kind = "warning" if place.is_over else "partial"
    told = show.html('<span class="q">{}</span>', show.percent(place.share))
    return told + show.bar(place.share, kind, f"{show.percent(place.share)} full")


def place_state(place: Place) -> Markup:
    """The site's state, or that of a volume of no site."""
    if place.site_state is None:
        shape = "ready" if place.state == "normal" else "failed"
        return show.state(shape, place.state.value)
    shapes = {"up": "ready", "draining": "draining", "degraded": "warning", "down": "failed"}
    return show.state(shapes[place.site_state.value], place.site_state.value)


def _short(text: str, most: int) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= most else f"{line[: most - 1]}…"
