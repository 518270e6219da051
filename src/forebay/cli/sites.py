"""`forebay sites`: where runs run; how each site is, and how it shall be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli import downtime
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Message, Yes

if TYPE_CHECKING:
    from forebay.wire.sites import SiteState

app = typer.Typer(cls=Group, no_args_is_help=True, help="Sites: where runs run, and how they are.")
app.add_typer(downtime.app, name="downtime")

SiteName = Annotated[str, typer.Argument(metavar="SITE", help="A site: dgx", show_default=False)]
AnySite = Annotated[str, typer.Argument(metavar="[SITE]", help="Only this one's.", show_default=False)]


@command(app, "ls", example="forebay sites ls", gives="[forebay.client.site_overview:SiteOverview]")
def ls(call: Call) -> None:
    """List the sites: state, capacity, volume, work, nearest link."""
    from forebay.cli.sites_shown import print_sites
    from forebay.client.site_overview import site_overviews

    found = site_overviews(call.session.hub)
    call.show(found, ids=(item.site.name for item in found), human=lambda out: print_sites(out, found, call.now))


@command(app, "show", example="forebay sites show dgx", gives="forebay.client.site_overview:SiteOverview")
def show(call: Call, site: SiteName) -> None:
    """Show one site, with its links and its tasks."""
    from forebay.cli.sites_shown import print_site
    from forebay.client.site_overview import site_overview

    found = site_overview(call.session.hub, site)
    call.show(found, ids=[found.site.name], human=lambda out: print_site(out, found, call.now))


@command(app, "drain", example="forebay sites drain dgx -m 'new disks'", gives="forebay.wire.sites:SiteRecord")
def drain(call: Call, site: SiteName, message: Message = "") -> None:
    """Start nothing new there: what runs ends in peace, and nothing in use is evicted."""
    from forebay.wire.sites import SiteState

    _set(call, site, SiteState.DRAINING, message)


@command(app, "up", example="forebay sites up dgx", gives="forebay.wire.sites:SiteRecord")
def up(call: Call, site: SiteName, message: Message = "") -> None:
    """Let a site take runs again, as soon as it is well."""
    from forebay.wire.sites import SiteState

    _set(call, site, SiteState.UP, message)


@command(app, "down", example="forebay sites down dgx -m 'power cut at 18:00'", gives="forebay.wire.sites:SiteRecord")
def down(call: Call, site: SiteName, message: Message = "", yes: Yes = False) -> None:
    """Take a site out now: what runs there is ended and placed elsewhere."""
    from forebay.wire.sites import SiteState

    record = call.session.hub.sites.get(site)
    call.confirm(f"End all that runs at {record.name}?", yes=yes)
    _set(call, site, SiteState.DOWN, message)


@command(
    app,
    "price",
    example="forebay sites price dgx --gpu-hour 2.50 --cpu-hour 0.04",
    gives="forebay.wire.sites:SiteRecord",
)
def price(
    call: Call,
    site: SiteName,
    gpu_hour: Annotated[
        float | None, typer.Option(min=0, metavar="MONEY", help="An hour of a GPU. Not given: as it is.")
    ] = None,
    cpu_hour: Annotated[
        float | None, typer.Option(min=0, metavar="MONEY", help="An hour of a CPU. Not given: as it is.")
    ] = None,
) -> None:
    """Say what compute costs there, in the team's currency: placement weighs it."""
    from forebay.cli.sites_shown import told_price

    sites = call.session.hub.sites
    record = sites.get(site)
    if gpu_hour is not None or cpu_hour is not None:
        record = sites.set_prices(
            record.name,
            record.gpu_hour_price if gpu_hour is None else gpu_hour,
            record.cpu_hour_price if cpu_hour is None else cpu_hour,
        )
    call.show(record, ids=[record.name], human=lambda out: out.out(told_price(record)))


@command(
    app,
    "tasks",
    example="""
forebay sites tasks
forebay sites tasks dgx""",
    gives="[forebay.wire.sites:Task]",
)
def tasks(call: Call, site: AnySite = "") -> None:
    """List what sites do and shall do: fills, evictions, scrubs, runs; the oldest first."""
    from forebay.cli.sites_shown import print_tasks

    found = call.session.hub.sites.tasks(site)
    call.show(found, ids=(item.task_id for item in found), human=lambda out: print_tasks(out, found, call.now))


@command(app, "rm", example="forebay sites rm dgx --yes", gives="{site: text}")
def rm(call: Call, site: SiteName, yes: Yes = False) -> None:
    """Forget a site that has no agent and no runs. What is on its volume stays."""
    record = call.session.hub.sites.get(site)
    call.confirm(f"Forget the site {record.name}?", yes=yes)
    call.session.hub.sites.remove(record.name)
    call.show({"site": record.name}, ids=[record.name], human=lambda out: out.out(f"{record.name} is no site any more"))


def _set(call: Call, site: str, wanted: SiteState, reason: str) -> None:
    from forebay.cli.sites_shown import told_state

    record = call.session.hub.sites.set_state(site, wanted, reason)
    call.show(record, ids=[record.name], human=lambda out: out.out(told_state(record)))
