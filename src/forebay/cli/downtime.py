"""`forebay sites downtime`: when a site is looked after and takes nothing new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.table import keep, print_table, say, wrapped
from forebay.cli.words import moment, parse_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from forebay.wire.downtimes import Downtime

_ID = 12


class _Downtime(Group):
    """`forebay sites downtime dgx ...` plans one: what is no command's name is a site's."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = not args or args[0] in self.commands
        return super().resolve_command(ctx, args if known else ["plan", *args])


app = typer.Typer(cls=_Downtime, no_args_is_help=True, help="Plan when a site takes nothing new, and comes back.")

SiteName = Annotated[str, typer.Argument(metavar="SITE", help="A site: dgx", show_default=False)]


@command(
    app,
    "plan",
    example="""
forebay sites downtime dgx --from 2026-12-01T22:00 --until 2026-12-02T06:00 --why 'new disks'
forebay sites downtime plan dgx --until 2h""",
    gives="forebay.wire.downtimes:Downtime",
)
def plan(
    call: Call,
    site: SiteName,
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="2026-12-02T06:00 (local time), or 8h from now.", show_default=False)
    ],
    begin: Annotated[str, typer.Option("--from", metavar="WHEN", help="The same. Default: now.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="What it is for: 'new disks'", show_default=False)] = "",
) -> None:
    """Have a site drain for a while; `forebay sites downtime SITE ...` is the same.

    Before it, no run begins there that would not end in time: by its --time-limit, or in the last hour if it has none.
    While it lasts nothing new begins, what runs goes on, and nothing in use is evicted. Afterwards the site comes back
    by itself, once its agent has tried its volume out well.
    """
    session, now = call.session, call.now
    begins_at = parse_moment(begin, now, option="--from") if begin else now
    ends_at = parse_moment(until, now, option="--until")
    planned = session.hub.downtimes.plan(site, begins_at, ends_at, why, session.settings.user)
    call.show(planned, ids=[planned.downtime_id], human=lambda out: say(out, f"{site} {told_when(planned, call.now)}"))


@command(
    app,
    "ls",
    example="""
forebay sites downtime ls
forebay sites downtime ls dgx""",
    gives="[forebay.wire.downtimes:Downtime]",
)
def ls(
    call: Call,
    site: Annotated[str, typer.Argument(metavar="[SITE]", help="Only this one's.", show_default=False)] = "",
) -> None:
    """List the downtimes that are planned or under way, and those from which a site is not back yet."""
    found = call.session.hub.downtimes.all(site)
    call.show(found, ids=(item.downtime_id for item in found), human=lambda out: _print(out, found))


@command(
    app,
    "cancel",
    example="forebay sites downtime cancel dgx 4f9c0a",
    gives="forebay.wire.downtimes:Downtime",
)
def cancel(
    call: Call,
    site: SiteName,
    downtime_id: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.", show_default=False)
    ],
) -> None:
    """Take a downtime back, also while it is under way."""
    gone = call.session.hub.downtimes.cancel(site, downtime_id)
    call.show(gone, ids=[gone.downtime_id], human=lambda out: say(out, f"{site} will not be {told(gone)}"))


def told(item: Downtime) -> str:
    """`down from 2026-12-01 22:00 until 2026-12-02 06:00 for new disks, by ana`"""
    why = f" for {item.reason}" if item.reason else ""
    by = f", by {item.planned_by}" if item.planned_by else ""
    return f"down from {moment(item.begins_at)} until {moment(item.ends_at)}{why}{by}"


def told_when(item: Downtime, now: float) -> str:
    """`will be down from ...`, or `is down from ...` once it has begun."""
    return f"{'will be' if item.begins_at > now else 'is'} {told(item)}"


def _print(out: Console, found: Sequence[Downtime]) -> None:
    if not found:
        say(out, "No downtime is planned. Plan one: forebay sites downtime SITE --until 2h --why 'new disks'")
        return
    columns = [keep("DOWNTIME"), keep("SITE"), keep("FROM"), keep("UNTIL"), keep("BY"), wrapped("WHY")]
    rows = (
        (
            item.downtime_id[:_ID],
            item.site,
            moment(item.begins_at),
            moment(item.ends_at),
            item.planned_by,
            item.reason,
        )
        for item in found
    )
    print_table(out, columns, rows)
