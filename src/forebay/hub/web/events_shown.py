"""What happened lately to replicas, runs and versions, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from forebay import words
from forebay.hub.board.happened import Happened, OfVersion
from forebay.hub.board.history import Event
from forebay.hub.board.running import Running
from forebay.hub.web import cache_shown, history_shown, show
from forebay.hub.web.addresses import of_run, of_site, of_version
from forebay.hub.web.table import Cell, Column, Row, Table
from forebay.wire.catalog import ref_of
from forebay.wire.runs import RunState

_WORDS: Final = {
    RunState.SUCCEEDED: ("succeeded", "run succeeded"),
    RunState.FAILED: ("failed", "run failed"),
    RunState.CANCELLED: ("cancelled", "run cancelled"),
    "registered": ("live", "registered"),
    "committed": ("live", "committed"),
    "retired": ("retired", "retired"),
}
"""Of runs and versions, as `history_shown.KINDS` has it of replicas: the shape, and how people call it."""


class _Line(NamedTuple):
    """What a row tells. `event` is what exports call it; `told` names what it is about on the page."""

    key: str
    at: float
    event: str
    shape: str
    word: str
    value: str
    told: str
    href: str
    site: str = ""
    site_href: str = ""
    by: str = ""
    size_bytes: int = 0
    why: str = ""


def events(found: Sequence[Happened], now: float, *, name: str, caption: str, empty: str) -> Table:
    """The newest first."""
    return Table(
        name=name,
        caption=caption,
        columns=(
            Column(key="at", title="When"),
            Column(key="event", title="What"),
            Column(key="of", title="Version or run"),
            Column(key="site", title="Where"),
            Column(key="by", title="By"),
            Column(key="size_bytes", title="Bytes", number=True),
            Column(key="why", title="Why"),
        ),
        rows=tuple(_row(_line(item), now) for item in found),
        empty=empty,
    )


def _line(item: Happened) -> _Line:
    match item:
        case Event():
            return _of_replica(item)
        case Running():
            return _of_run(item)
        case OfVersion():
            return _of_version(item)


def _of_replica(item: Event) -> _Line:
    line = item.line
    shape, word = history_shown.kind(line.event)
    return _Line(
        key=str(item.number),
        at=line.at,
        event=line.event,
        shape=shape,
        word=word,
        value=line.ref,
        told=line.ref,
        href=cache_shown.ref_href(line.ref) if line.ref else "",
        site=item.place.name,
        site_href=cache_shown.place_href(item.place),
        size_bytes=line.size_bytes,
        why=line.reason,
    )


def _of_run(item: Running) -> _Line:
    shape, word = _WORDS[item.state]
    return _Line(
        key=f"run {item.run_id}",
        at=item.since,
        event=f"run-{item.state.value}",
        shape=shape,
        word=word,
        value=item.run_id,
        told=item.title,
        href=of_run(item.run_id),
        site=item.site,
        site_href=of_site(item.site) if item.site else "",
        by=item.submitted_by,
        why=item.reason,
    )


def _of_version(item: OfVersion) -> _Line:
    shape, word = _WORDS[item.what]
    ref = ref_of(item.dataset, item.number)
    return _Line(
        key=f"{item.what} {ref}",
        at=item.at,
        event=item.what,
        shape=shape,
        word=word,
        value=ref,
        told=ref,
        href=of_version(item.dataset, item.number),
        by=item.by,
        size_bytes=item.size_bytes,
        why=item.why,
    )


def _row(line: _Line, now: float) -> Row:
    size_bytes = line.size_bytes
    return Row(
        key=line.key,
        cells=(
            Cell(value=line.at, shown=show.when(line.at, now)),
            Cell(value=line.event, shown=show.state(line.shape, line.word)),
            Cell(value=line.value, shown=_cut(line.told, 60), href=line.href),
            Cell(value=line.site, href=line.site_href),
            Cell(value=line.by),
            Cell(value=size_bytes, shown=words.size(size_bytes) if size_bytes else ""),
            history_shown.why(line.why),
        ),
    )


def _cut(text: str, most: int) -> str:
    first = text.partition("\n")[0]
    return first if len(first) <= most else f"{first[: most - 1]}…"
