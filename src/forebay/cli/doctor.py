"""`forebay doctor`: the usual faults, and how to mend them."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from forebay.cli import exits
from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.table import say
from forebay.cli.words import count

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.doctor.finding import Examined


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "doctor",
        example="""
forebay doctor
forebay doctor --json
FOREBAY_HUB=https://hub.example.org forebay doctor --volume /mnt/cache""",
        gives="forebay.doctor.finding:Examined",
    )(doctor)


def doctor(call: Call) -> None:
    """Find the usual faults, and say how to mend them.

    Settings, home, hub (with certificate, token and clock) or database, volume (with its speed), lakes, left-overs. It
    mends nothing, shows no secret and ends within a minute. Exit code 1 when something is a fault, 0 otherwise.
    """
    from forebay.clock import SystemClock
    from forebay.doctor.checks import run

    examined = run(call.flags, folder=Path.cwd(), host=socket.gethostname(), clock=SystemClock())
    kinds = (found.kind for found in examined.findings)
    call.show(examined, ids=kinds, human=lambda out: _print(out, examined))
    if not examined.healthy:
        call.exit_code = exits.ERROR


_MARKS: Mapping[str, str] = {"fault": "FAULT", "warning": "WARNING", "note": "note"}


def _print(out: Console, examined: Examined) -> None:
    for check in examined.checks:
        if not check.findings:
            say(out, f"{'ok':8}{check.name}")
        for found in check.findings:
            say(out, f"{_MARKS[found.severity]:8}{check.name}: {found.message}")
            say(out, f"{'':8}{found.mend}")
    faults = sum(found.severity == "fault" for found in examined.findings)
    warnings = sum(found.severity == "warning" for found in examined.findings)
    say(out, "")
    say(out, f"{count(faults, 'fault')}, {count(warnings, 'warning')}." if faults + warnings else "All is well.")
