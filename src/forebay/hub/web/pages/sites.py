"""The sites: how each is, how full and how busy, and the map of the ways between lakes and sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forebay import words
from forebay.hub.access.rules import Action
from forebay.hub.board.keep import nearly
from forebay.hub.board.site_load import SiteLoad, site_loads
from forebay.hub.board.site_map import Lane, SiteMap, flows, joined, links
from forebay.hub.web import show, site_words
from forebay.hub.web.addresses import address
from forebay.hub.web.lanes import Drawing, Key, drawing, keys
from forebay.hub.web.page import Page
from forebay.hub.web.route import Pages
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.downtimes import Downtime
from forebay.wire.sites import SiteRecord, SiteState, TaskKind

pages = Pages()

ON_TOP = 12
"""The map of so many sites stands above their table, a longer one below."""

MOST_LINKS = 60
"""So many links are in the table under the map, which is rendered anew as things flow."""

COLUMNS = (
    Column(key="site", title="Site"),
    Column(key="state", title="State"),
    Column(key="gpus", title="GPUs", number=True),
    Column(key="cpus", title="CPUs", number=True),
    Column(key="memory_bytes", title="Memory", number=True),
    Column(key="volume_share", title="Volume"),
    Column(key="ready", title="Ready", number=True),
    Column(key="runs", title="Runs", number=True),
    Column(key="tasks", title="Tasks", number=True),
    Column(key="agent", title="Agent"),
    Column(key="seen_at", title="Seen", number=True),
    Column(key="gpus_busy", title="GPUs busy", given=True),
    Column(key="cpus_busy", title="CPUs busy", given=True),
    Column(key="volume_held_bytes", title="Held", given=True),
    Column(key="volume_limit_bytes", title="Of", given=True),
    Column(key="tasks_by_kind", title="Tasks by kind", given=True),
    Column(key="reason", title="Why", given=True),
    Column(key="down_from", title="Next downtime", given=True),
    Column(key="down_until", title="Until", given=True),
)
LINK_COLUMNS = (
    Column(key="from", title="From"),
    Column(key="to", title="To"),
    Column(key="bandwidth_bytes_s", title="Bandwidth", number=True),
    Column(key="latency_s", title="Latency", number=True),
    Column(key="price_gb", title="A GB costs", number=True),
    Column(key="moved_bytes", title="Moved", number=True),
    Column(key="measured_at", title="Measured", number=True),
    Column(key="now_bytes_s", title="Now"),
    Column(key="brings", title="Brings", given=True),
    Column(key="rest_bytes", title="To come", given=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A place on the map. `href` "": it has no page."""

    name: str
    href: str = ""
    state: Markup | str = ""
    fact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitesPage:
    """`lakes` and `stops` are in the order of the drawing; `told` says in words what the map shows."""

    says: str
    lakes: tuple[Stop, ...]
    stops: tuple[Stop, ...]
    drawing: Drawing
    keys: tuple[Key, ...]
    told: str
    map_first: bool
    may_run: bool
    may_govern: bool


@pages.get("/sites", live=("says", "map", "sites", "links"))
def sites(visit: Visit) -> Page:
    """All sites."""
    records = visit.hub.sites.all()
    planned = _next_by_site(visit.hub.downtimes.all())
    volumes = {site.name: site.volume_id for site in records}
    with visit.read() as connection:
        loads = site_loads(connection, visit.sight, volumes, keep=visit.keep)
        known = visit.keep("links", nearly(visit.now), lambda sight: links(connection, sight, visit.now))
        found = joined([site.name for site in records], known, flows(connection, visit.sight, visit.now))
    drawn, by_name = drawing(found), {site.name: site for site in records}
    context = SitesPage(
        says=_says(records, loads),
        lakes=tuple(_lake(lake, found.lanes) for lake in found.lakes),
        stops=tuple(_stop(name, by_name.get(name), loads) for name in found.sites),
        drawing=drawn,
        keys=keys(drawn),
        told=_told(found),
        map_first=len(found.sites) <= ON_TOP,
        may_run=visit.may(Action.RUN),
        may_govern=visit.may(Action.GOVERN),
    )
    tables = (_sites_table(visit, records, loads, planned), links_table(visit, found.lanes, "links"))
    return Page(template="sites/sites.html", title="Sites", nav="sites", context=context, tables=tables)


def links_table(
    visit: Visit, lanes: Sequence[Lane], name: str, *, caption: str = "The ways between lakes and sites"
) -> Table:
    """The map's numbers, of what flows first; of very many links the rest is on a page of its own."""
    shown = sorted(lanes, key=lambda lane: not lane.flows)[: visit.limit(MOST_LINKS)]
    return Table(
        name=name,
        caption=caption,
        columns=LINK_COLUMNS,
        rows=tuple(Row(key=f"{lane.source}|{lane.target}", cells=_lane(visit, lane)) for lane in shown),
        more="/admin/links" if len(shown) < len(lanes) else "",
        empty="No link is known yet: fills measure them as they bring data.",
    )


def _sites_table(
    visit: Visit, records: Sequence[SiteRecord], loads: Mapping[str, SiteLoad], planned: Mapping[str, Downtime]
) -> Table:
    return Table(
        name="sites",
        caption="State, room and work of each site",
        columns=COLUMNS,
        rows=tuple(Row(key=site.name, cells=_site(visit, site, loads[site.name], planned)) for site in records),
        empty=Markup(
            "<p>No site yet. A site is a machine or a cluster with a volume, and an agent beside it.</p>{}"
        ).format(show.command("forebay agent --site NAME")),
    )


def _site(visit: Visit, site: SiteRecord, load: SiteLoad, planned: Mapping[str, Downtime]) -> tuple[Cell, ...]:
    soon = planned.get(site.name)
    fact = site_words.ahead(soon, visit.now) if soon is not None and site.state is SiteState.UP else ""
    return (
        Cell(value=site.name, href=f"/sites/{site.name}"),
        Cell(value=site.state.value, shown=site_words.site_state(site, fact), title=site.reason),
        site_words.used(site.gpus, load.busy.gpus if load.busy else None, "GPU"),
        site_words.used(site.cpus, load.busy.cpus if load.busy else None, "CPU"),
        Cell(value=site.memory_bytes, shown=show.size(site.memory_bytes)),
        site_words.account(load.account),
        Cell(value=load.ready, href=address("/cache", only="ready", site=site.name) if load.ready else ""),
        Cell(value=load.runs, href=f"/runs?site={site.name}" if load.runs else ""),
        Cell(value=load.all_tasks, title=_tasks(load)),
        Cell(value=site.release, shown=site.release or "unknown"),
        site_words.seen(site, visit.now),
        Cell(value=load.busy.gpus if load.busy else None),
        Cell(value=load.busy.cpus if load.busy else None),
        Cell(value=load.account.held_bytes if load.account else None),
        Cell(value=load.account.limit_bytes if load.account else None),
        Cell(value=_tasks(load)),
        Cell(value=site.reason),
        _moment(soon.begins_at if soon else None, visit.now),
        _moment(soon.ends_at if soon else None, visit.now),
    )


def _moment(at: float | None, now: float) -> Cell:
    return Cell(value=at, shown=show.when(at, now))


def _lane(visit: Visit, lane: Lane) -> tuple[Cell, ...]:
    link = lane.link
    measured = site_words.known(link, visit.now)
    return (
        Cell(value=lane.source, href="" if lane.from_lake else f"/sites/{lane.source}"),
        Cell(value=lane.target, href=f"/sites/{lane.target}"),
        Cell(value=link.bandwidth_bytes_s if link else None, shown=show.rate(link.bandwidth_bytes_s if link else None)),
        Cell(value=link.latency_s if link else None, shown=site_words.latency(link.latency_s) if link else "–"),
        Cell(
            value=(link.price_byte * 2**30) if link else None,
            shown=site_words.price_gb(link.price_byte if link else None),
        ),
        Cell(value=link.moved_bytes if link else 0, shown=show.size(link.moved_bytes) if link else "–"),
        measured,
        Cell(value=lane.bytes_s, shown=site_words.lane_state(lane)),
        Cell(value=" ".join(flow.ref for flow in lane.flows)),
        Cell(value=lane.rest_bytes),
    )


def _says(records: Sequence[SiteRecord], loads: Mapping[str, SiteLoad]) -> str:
    if not records:
        return "No site yet"
    states = [f"{sum(site.state is state for site in records)} {state}" for state in SiteState]
    told = ", ".join(item for item in states if not item.startswith("0 "))
    runs, fills = (
        sum(load.runs for load in loads.values()),
        sum(load.tasks.get(TaskKind.FILL, 0) for load in loads.values()),
    )
    free = sum(load.account.free_bytes for load in loads.values() if load.account)
    limit = sum(load.account.limit_bytes for load in loads.values() if load.account)
    parts = [
        f"{words.count(len(records), 'site')}: {told}",
        _compute(records, loads),
        f"{words.count(runs, 'run')} under way, {words.count(fills, 'fill')}",
        f"{words.size(free)} of {words.size(limit)} free",
    ]
    return " · ".join(parts)


def _compute(records: Sequence[SiteRecord], loads: Mapping[str, SiteLoad]) -> str:
    gpus, cpus = sum(site.gpus for site in records), sum(site.cpus for site in records)
    busy = [load.busy for load in loads.values() if load.busy is not None]
    if not busy:
        return f"{words.count(gpus, 'GPU')}, {words.count(cpus, 'CPU')}"
    had = (sum(item.gpus for item in busy), sum(item.cpus for item in busy))
    return f"{had[0]} of {words.count(gpus, 'GPU')}, {had[1]} of {words.count(cpus, 'CPU')} busy"


def _told(found: SiteMap) -> str:
    flows = sum(len(lane.flows) for lane in found.lanes)
    return (
        f"Map of {words.count(len(found.lakes), 'lake')} and {words.count(len(found.sites), 'site')} with "
        f"{words.count(len(found.lanes), 'link')}, {words.count(flows, 'fill')} under way; "
        "the table of links has the numbers."
    )


def _lake(lake: str, lanes: Sequence[Lane]) -> Stop:
    going = sum(lane.bytes_s for lane in lanes if lane.source == lake)
    return Stop(name=lake, fact=f"{words.size(going)}/s" if going else "")


def _stop(name: str, site: SiteRecord | None, loads: Mapping[str, SiteLoad]) -> Stop:
    if site is None:
        return Stop(name=name, fact="a volume of no site")
    load = loads[name]
    parts = [words.count(load.runs, "run")] if load.runs else []
    parts += [f"{show.percent(load.account.share)} full"] if load.account else []
    return Stop(
        name=name,
        href=f"/sites/{name}",
        state=site_words.site_state(site, " ") if site.state is not SiteState.UP else "",
        fact=" · ".join(parts),
    )


def _tasks(load: SiteLoad) -> str:
    return ", ".join(words.count(number, kind.value) for kind, number in sorted(load.tasks.items()))


def _next_by_site(planned: Sequence[Downtime]) -> dict[str, Downtime]:
    """Of each site the earliest."""
    return {item.site: item for item in reversed(planned)}
