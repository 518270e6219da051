"""`forebay audit`: who did what to which dataset, and who was refused."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.table import keep, print_table, say, text, wrapped
from forebay.cli.words import moment
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.access import AuditPage, AuditQuery, AuditRecord

app = typer.Typer(cls=Group, no_args_is_help=True, help="Who did what to which dataset, and who was refused.")

_EXPORT_PAGE = 1000

OfUser = Annotated[str, typer.Option("--user", metavar="USER", help="Only what this one did.", show_default=False)]
OfDataset = Annotated[
    str, typer.Option("--dataset", metavar="NAME", help="Only what was to be done to this one.", show_default=False)
]
Refused = Annotated[bool, typer.Option("--refused", help="Only what was refused.")]
Since = Annotated[str, typer.Option(metavar="WHEN", help="Not before: 7d, 2026-12-01", show_default=False)]


@command(
    app,
    "ls",
    example="""
forebay audit ls --dataset criteo
forebay audit ls --refused --since 7d""",
    gives="forebay.wire.access:AuditPage",
)
def ls(
    call: Call,
    user: OfUser = "",
    dataset: OfDataset = "",
    refused: Refused = False,
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=_EXPORT_PAGE, help="At most so many lines.")] = 50,
    before: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="The next page: older than this line.")] = 0,
) -> None:
    """List what was done and what was refused, newest first."""
    query = _query(call, user, dataset, refused, since, limit)
    page = call.session.access.audit(_after(query, before))
    numbers = (str(item.number) for item in page.records)
    call.show(page, ids=numbers, human=lambda out: _print(out, page))


@command(
    app,
    "export",
    example="""
forebay audit export > audit.jsonl
forebay audit export --format csv --since 2026-12-01 > december.csv""",
    gives="one object a line, with the fields of forebay.wire.access.AuditRecord; or CSV with a line of their names",
)
def export(
    call: Call,
    user: OfUser = "",
    dataset: OfDataset = "",
    refused: Refused = False,
    since: Since = "",
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="jsonl or csv")] = "jsonl",
) -> None:
    """Print all of it, newest first, a line each: as JSON lines or as CSV."""
    if format_ not in ("jsonl", "csv"):
        raise InputError("bad-option", f"--format {format_!r} is none", todo="Write jsonl or csv.")
    from forebay.wire.audit_lines import csv_lines, json_lines

    records = _all(call, _query(call, user, dataset, refused, since, _EXPORT_PAGE))
    for line in csv_lines(records) if format_ == "csv" else json_lines(records):
        sys.stdout.write(line)


def parse_since(text: str, now: float) -> float:
    """The moment that `7d` (ago) or `2026-12-01` (its begin, local time) means, 0 for ""; InputError `bad-since`."""
    from forebay.settings import parse_duration

    if not text:
        return 0.0
    try:
        return datetime.datetime.combine(datetime.date.fromisoformat(text), datetime.time.min).timestamp()
    except ValueError:
        pass
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = None
    if seconds is None:
        raise InputError("bad-since", f"--since {text!r} is no moment", todo="Write 2026-12-01, 12h or 30d.")
    return now - seconds


def _query(call: Call, user: str, dataset: str, refused: bool, since: str, limit: int) -> AuditQuery:
    from forebay.wire.access import AuditQuery, Outcome

    outcome = Outcome.REFUSED if refused else None
    return AuditQuery(user=user, dataset=dataset, outcome=outcome, since=parse_since(since, call.now), limit=limit)


def _after(query: AuditQuery, before: int) -> AuditQuery:
    from dataclasses import replace

    return replace(query, before=before)


def _all(call: Call, query: AuditQuery) -> Iterator[AuditRecord]:
    before = 0
    while True:
        page = call.session.access.audit(_after(query, before))
        yield from page.records
        before = page.next_before
        if not before:
            return


def _print(out: Console, page: AuditPage) -> None:
    if not page.records:
        say(out, "Nothing of that is in the audit.")
        return
    columns = [keep("WHEN"), keep("WHO"), keep("WHAT"), text("ON"), keep("OUTCOME"), wrapped("")]
    print_table(
        out,
        columns,
        (
            (
                moment(item.at),
                item.user,
                item.call,
                item.ref or item.dataset,
                item.outcome.value,
                "; ".join(part for part in (item.detail, item.reason) if part),
            )
            for item in page.records
        ),
    )
    if page.next_before:
        say(out, f"... older ones: --before {page.next_before}")
