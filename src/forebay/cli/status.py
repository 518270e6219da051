"""`forebay status`: the cache volume at a glance."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.table import keep, number, print_facts, print_table, say
from forebay.cli.words import count, duration, moment, size

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.overview import Overview
    from forebay.wire.cache import OpenFill, Savings

_BAR = 24
_SHOWN = 5


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "status",
        example="""
forebay status
forebay status --by team""",
        gives={"": "forebay.client.overview:Overview", "--by": "[forebay.wire.cache:Savings]"},
    )(status)


def status(
    call: Call,
    by: Annotated[
        str,
        typer.Option(metavar="WHAT", help="Only the ledger: by dataset, team, month or version.", show_default=False),
    ] = "",
) -> None:
    """Show the cache volume at a glance.

    Room, replicas, who uses and fills what, what goes next, what the cache saved.
    """
    from forebay.client.overview import overview

    if by:
        _show_ledger(call, by)
        return
    seen = overview(call.session)
    call.show(seen, ids=(item.ref for item in seen.replicas), human=lambda out: _print(out, seen))


def _print(out: Console, seen: Overview) -> None:
    volume = seen.volume
    held = volume.used_bytes + volume.reserved_bytes
    states = Counter(item.state.value for item in seen.replicas)
    reserved = f", {size(volume.reserved_bytes)} set aside for fills" if volume.reserved_bytes else ""
    room = f"{size(volume.used_bytes)} of {size(volume.limit_bytes)}{reserved}"
    facts = [
        ("volume", volume.path),
        ("used", f"{bar(held / max(1, volume.limit_bytes))} {room}"),
        *([("health", f"{volume.state}: {volume.state_reason}")] if volume.state_reason else []),
        ("disk", f"{size(seen.free_bytes)} free"),
        ("replicas", ", ".join(f"{number} {state}" for state, number in states.items()) or "none"),
    ]
    facts += [("in use", f"{item.ref} by {item.holder}") for item in seen.leases[:_SHOWN]]
    facts += [("", f"and {count(len(seen.leases) - _SHOWN, 'lease')} more")] if len(seen.leases) > _SHOWN else []
    facts += [("filling" if item.live else "left over", _fill(item)) for item in seen.fills]
    facts += [
        ("pinned", f"{item.ref} by {item.pinned_by}{_until(item.pin_until)}")
        for item in seen.replicas
        if item.pinned_by
    ]
    facts += [("goes next", f"{item.candidate.replica.ref}: {item.reason}") for item in seen.going[:_SHOWN]]
    facts.append(("saved", _saved(seen)))
    print_facts(out, facts)
    if not seen.replicas and not seen.fills:
        say(out, "Bring a version here: forebay cache warm REF")


def bar(share: float) -> str:
    """`[######........]  43 %`"""
    full = min(_BAR, max(0, round(share * _BAR)))
    return f"[{'#' * full}{'.' * (_BAR - full)}] {share:4.0%}"


def _fill(item: OpenFill) -> str:
    progress = item.progress
    if not item.live:
        return f"{item.ref}: {size(item.reserved_bytes)} of a fill that broke off; the next one goes on from there"
    share = progress.done_bytes / max(1, progress.total_bytes)
    return f"{item.ref} {bar(share)} {size(progress.done_bytes)} of {size(progress.total_bytes)} by {item.holder}"


def _until(at: float) -> str:
    return f" until {moment(at)}" if at else ""


def _show_ledger(call: Call, by: str) -> None:
    from forebay.client.ledger import savings_in

    found = savings_in(call.session, by)
    call.show(found, ids=(item.key for item in found), human=lambda out: _print_ledger(out, by, found))


def _print_ledger(out: Console, by: str, found: list[Savings]) -> None:
    if not found:
        say(out, "The ledger is empty: no version was opened here yet.")
        return
    numbers = ("USES", "A DOWNLOAD EACH", "MOVED", "SAVED", "TIME SAVED")
    rows = [
        (
            item.key or "(none)",
            f"{item.uses:,}",
            size(item.conventional_bytes),
            size(item.moved_bytes),
            size(item.saved_bytes),
            duration(max(0.0, item.seconds_saved)),
        )
        for item in found
    ]
    print_table(out, [keep(by.upper()), *map(number, numbers)], rows)


def _saved(seen: Overview) -> str:
    if not seen.uses:
        return "nothing yet: no version was opened"
    moved = f"{size(seen.moved_bytes)} came from the lake"
    moved += f" and {size(seen.peer_bytes)} from other sites" if seen.peer_bytes else ""
    time = f" and {duration(seen.seconds_saved)}" if seen.seconds_saved > 0 else ""
    return f"{size(seen.saved_bytes)}{time}: {count(seen.uses, 'use')}, {moved}; else each would have downloaded a copy"
