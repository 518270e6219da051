"""How versions, tags and the places of replicas look in tables. Values in, cells out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from forebay import words
from forebay.hub.access.rules import Action
from forebay.hub.board.dataset import Place
from forebay.hub.board.datasets import CachedAt
from forebay.hub.board.used_by import RunUse
from forebay.hub.web import show
from forebay.hub.web.addresses import address, of_dataset, of_place, of_ref, of_run, of_version
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.hub.web.visit import Visit
from forebay.wire.cache import ReplicaState

NO_SITE = "this machine"
"""Where a volume is that no site's agent keeps."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One of the views of a thing; `here` marks the one that is shown."""

    title: str
    href: str
    here: bool


def dataset_tabs(name: str, here: str) -> tuple[Tab, ...]:
    """The views of a dataset."""
    views = (("", "Versions"), ("tags", "Tags"), ("settings", "Settings"))
    return tuple(
        Tab(title=title, href=of_dataset(name, below) if below else of_dataset(name), here=below == here)
        for below, title in views
    )


def version_tabs(name: str, number: int, here: str) -> tuple[Tab, ...]:
    """The views of a version."""
    views = (
        ("", "Version"),
        ("files", "Files"),
        ("preview", "Preview"),
        ("diff", "Changes"),
        ("lineage", "Lineage"),
    )
    return tuple(
        Tab(
            title=title, href=of_version(name, number, below) if below else of_version(name, number), here=below == here
        )
        for below, title in views
    )


def tags(names: Iterable[str]) -> Markup:
    """Some tags, one after the other."""
    return Markup("").join(show.tag(name) for name in names)


def named(href: str, name: str, more: Markup | str = "") -> Markup:
    """A name that leads to its page, with something beside it."""
    return Markup('<span class="name"><a href="{}"><b>{}</b></a>{}</span>').format(show.safe(href), name, more)


def cached(name: str, found: Sequence[CachedAt]) -> Cell:
    """Where a dataset is cached: site by site with the newest version there, which each leads to."""
    told = [
        _there(
            item.site,
            name,
            item.number,
            show.state(item.state.value, item.site or NO_SITE, f"v{item.number}{_others(item.versions - 1)}"),
        )
        for item in found[:_SHOWN]
    ]
    more = [Markup('<span class="dim">and {} more</span>').format(len(found) - _SHOWN)] if len(found) > _SHOWN else []
    value = " ".join(f"{item.site or NO_SITE}:v{item.number}:{item.state}" for item in found)
    return Cell(value=value, shown=_lines([*told, *more]) if found else _nowhere())


def places(name: str, number: int, found: Sequence[Place], now: float) -> Cell:
    """Where a version is, in which state, and the one thing to know of that; each leads to what that site has of it."""
    told = [
        _there(item.site, name, number, show.state(item.state.value, item.site or NO_SITE, place_fact(item, now)))
        for item in found[:_SHOWN]
    ]
    more = [Markup('<span class="dim">and {} more</span>').format(len(found) - _SHOWN)] if len(found) > _SHOWN else []
    value = " ".join(f"{item.site or NO_SITE}:{item.state}" for item in found)
    return Cell(value=value, shown=_lines([*told, *more]) if found else _nowhere())


def place_fact(item: Place, now: float) -> str:
    """`62 %`, `in use by 2`, `pinned`."""
    if item.state is ReplicaState.FILLING and item.size_bytes:
        return show.percent(min(1.0, item.done_bytes / item.size_bytes))
    facts = [f"in use by {item.in_use}"] if item.in_use else []
    facts += ["pinned"] if item.is_pinned else []
    facts += [item.subset] if item.subset else []
    if item.state not in (ReplicaState.READY, ReplicaState.FILLING):
        facts = [item.state.value, f"since {words.ago(item.since, now)}", *facts]
    return ", ".join(facts)


def run_table(runs: Sequence[RunUse], now: float, *, caption: str, more: str, empty: str | Markup) -> Table:
    """Runs that read a version."""
    columns = (
        Column(key="run", title="Run"),
        Column(key="state", title="State"),
        Column(key="by", title="By"),
        Column(key="submitted", title="Submitted"),
        Column(key="site", title="Site"),
        Column(key="seconds", title="Took", number=True),
        Column(key="made", title="Made"),
        Column(key="title", title="What", given=True),
    )
    return Table(
        name="runs",
        caption=caption,
        columns=columns,
        rows=tuple(
            Row(
                cells=(
                    Cell(
                        value=run.run_id,
                        shown=Markup('{} <span class="mono dim">{}</span>').format(
                            show.link(of_run(run.run_id), run.title or run.run_id[:8]), run.run_id[:8]
                        ),
                    ),
                    Cell(value=run.state.value, shown=show.state(run.state.value)),
                    Cell(value=run.submitted_by),
                    Cell(value=run.submitted_at, shown=show.when(run.submitted_at, now)),
                    Cell(value=run.site),
                    Cell(value=run.seconds, shown=show.duration(run.seconds or None)),
                    refs(run.made),
                    Cell(value=run.title),
                ),
                key=run.run_id,
            )
            for run in runs
        ),
        more=more,
        empty=empty,
    )


def refs(found: Sequence[str]) -> Cell:
    """Versions as links to their pages."""
    return Cell(value=" ".join(found), shown=_lines([show.link(of_ref(ref), ref) for ref in found]))


def teams_known(visit: Visit) -> list[str]:
    """The teams that somebody may name: an admin all of them, others their own."""
    if visit.may(Action.MANAGE):
        return [team.name for team in visit.hub.access.teams()]
    return sorted(visit.sight.teams)


def crumbs(base: str, folder: str, root: str, **query: object) -> list[tuple[str, str]]:
    """The folders down to one, each with its address; the last one is where one is."""
    parts = folder.split("/") if folder else []
    found = [(root, address(base, **query))]
    for depth, part in enumerate(parts, 1):
        found.append((part, address(base, folder="/".join(parts[:depth]), **query)))
    return found


def signed_size(size_bytes: int | None) -> Markup | str:
    """`+1.2 GiB`; of the first version nothing."""
    if size_bytes is None:
        return ""
    if size_bytes == 0:
        return Markup('<span class="dim">same size</span>')
    return Markup('<span class="q" title="{:,} bytes">{}{}</span>').format(
        size_bytes, "+" if size_bytes > 0 else "−", words.size(abs(size_bytes))
    )


def _others(count: int) -> str:
    return f" and {words.count(count, 'other')}" if count > 0 else ""


def _there(site: str, name: str, number: int, told: Markup) -> Markup:
    """A volume of no site has no page that its name leads to."""
    return show.link(of_place(site, name, number), told) if site else told


def _nowhere() -> Markup:
    return Markup('<span class="dim">nowhere</span>')


def _lines(told: Sequence[Markup]) -> Markup:
    return Markup('<span class="lines">{}</span>').format(Markup("").join(told)) if told else Markup("")
