"""The table that `forebay run --explain` shows, as values: pure. Faces only draw it."""

from __future__ import annotations

from dataclasses import dataclass

from humanize import naturalsize

from forebay.runs.placement import Fetch, Placement, Row
from forebay.wire.runs import SiteRow

HEAD = ("site", "missing", "from", "data in", "compute in", "start in", "money", "score", "why not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Columns as `HEAD` names them; `choice` is the site that was chosen (None: no site will do). `unblock` has a line
    for everything that is in the way somewhere, with what would change it.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    choice: str | None
    unblock: tuple[str, ...]


def explain(placement: Placement, *, currency: str = "") -> Explained:
    """Every site, in the order of the ranking."""
    return Explained(
        head=HEAD,
        rows=tuple(_cells(row, currency) for row in placement.rows),
        choice=placement.choice.site if placement.choice else None,
        unblock=tuple(
            f"{row.site}: {told}"
            for row in placement.rows
            for told in (*row.failures, *(f"{item.reason}; {item.unblock}" for item in row.refusals))
        ),
    )


def site_row(row: Row) -> SiteRow:
    """As a hub tells it."""
    if row.refusals:
        return SiteRow(
            site=row.site,
            missing_bytes=row.missing_bytes,
            why_not=tuple(item.reason for item in row.refusals),
            unblock=tuple(item.unblock for item in row.refusals),
        )
    return SiteRow(
        site=row.site,
        missing_bytes=row.missing_bytes,
        sources=tuple(dict.fromkeys(_source(fetch) for fetch in row.fetches)),
        ways=tuple(dict.fromkeys(fetch.way for fetch in row.fetches if fetch.way is not None)),
        data_s=row.data_s,
        queue_s=row.queue_s,
        start_s=row.start_s,
        money=row.money,
        score=row.score,
        unblock=row.failures,
    )


def _cells(row: Row, currency: str) -> tuple[str, ...]:
    missing = naturalsize(row.missing_bytes, binary=True) if row.missing_bytes else "-"
    if row.refusals:
        return row.site, missing, "", "", "", "", "", "", "; ".join(item.reason for item in row.refusals)
    seconds = [_in(value) for value in (row.data_s, row.queue_s, row.start_s)]
    sources = ", ".join(dict.fromkeys(_source(fetch) for fetch in row.fetches)) or "-"
    return row.site, missing, sources, *seconds, f"{row.money:.2f} {currency}".strip(), f"{row.score:.0f}", ""


def _source(fetch: Fetch) -> str:
    if fetch.retried:
        return "a fill that failed"
    return "a fill under way" if fetch.under_way else fetch.source


def _in(seconds: float) -> str:
    """As people say it: two units at most."""
    if seconds < 1:
        return "now"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 120:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24} d {hours % 24} h"
