"""`forebay cache quota`: how much of the volume a team's replicas may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import DryRun, Yes
from forebay.cli.table import keep, number, print_table, say
from forebay.cli.words import count, parse_size, size

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.cache.evict import TeamUse
    from forebay.cache.policy import Decision

app = typer.Typer(cls=Group, no_args_is_help=True, help="Limit what a team's replicas hold here.")

Team = Annotated[str, typer.Argument(metavar="TEAM", help="A team: ads", show_default=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSet:
    """A team's quota, what it holds, and what the next sweep takes of it."""

    team: str
    limit_bytes: int
    held_bytes: int
    going: tuple[Decision, ...]


@command(app, "ls", example="forebay cache quota ls", gives="[forebay.cache.evict:TeamUse]")
def ls(call: Call) -> None:
    """List the teams' quotas here, and what they hold."""
    uses = call.session.cache.evictor.team_uses()
    call.show(uses, ids=(item.quota.team for item in uses), human=lambda out: _print_uses(out, uses))


@command(
    app,
    "set",
    example="""
forebay cache quota set ads 500GB --dry-run
forebay cache quota set ads 500GB""",
    gives="forebay.cli.quota:QuotaSet",
)
def set_(
    call: Call,
    team: Team,
    limit: Annotated[str, typer.Argument(metavar="SIZE", help="500GB, 2TB", show_default=False)],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Give a team a quota on this volume, or another one.

    A team over its quota loses its own least valuable replicas with the next sweep; nobody else loses any for it.
    """
    session, limit_bytes = call.session, parse_size(limit)
    evictor = session.cache.evictor
    planned = evictor.under_quota(team, limit_bytes)
    going = [item for item in planned.decisions.going if item.candidate.replica.team == team]
    result = QuotaSet(team=team, limit_bytes=limit_bytes, held_bytes=planned.held_bytes, going=tuple(going))
    if not dry_run:
        if going:
            freed = sum(item.frees_bytes for item in going)
            call.confirm(f"{count(len(going), 'replica')} of {team} will go ({size(freed)}). Set it?", yes=yes)
        session.hub.volumes.set_quota(session.cache.volume_id, team, limit_bytes)
    call.show(result, ids=[team], human=lambda out: _print_set(out, result, dry_run=dry_run))


@command(app, "rm", example="forebay cache quota rm ads", gives="{team: text}")
def rm(call: Call, team: Team) -> None:
    """Take a team's quota away. It may hold what the volume holds."""
    call.session.hub.volumes.remove_quota(call.session.cache.volume_id, team)
    call.show({"team": team}, ids=[team], human=lambda out: say(out, f"{team} has no quota here any more"))


def _print_uses(out: Console, uses: list[TeamUse]) -> None:
    if not uses:
        say(out, "No team has a quota here. Give one: forebay cache quota set TEAM 500GB")
        return
    columns = [keep("TEAM"), number("HOLDS"), number("QUOTA"), number("")]
    rows = [
        (
            item.quota.team,
            size(item.held_bytes),
            size(item.quota.limit_bytes),
            f"{item.held_bytes / max(1, item.quota.limit_bytes):.0%}",
        )
        for item in uses
    ]
    print_table(out, columns, rows)


def _print_set(out: Console, result: QuotaSet, *, dry_run: bool) -> None:
    would = "would have" if dry_run else "has"
    held = f"it holds {size(result.held_bytes)}"
    say(out, f"{result.team} {would} a quota of {size(result.limit_bytes)} here; {held}")
    goes = "would go" if dry_run else "goes with the next sweep"
    for item in result.going:
        say(out, f"  {goes}: {item.candidate.replica.ref}, {size(item.frees_bytes)} ({item.reason})")
