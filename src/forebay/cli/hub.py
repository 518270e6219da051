"""`forebay hub`: serve this machine's hub to others."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.log import begin_hub, begin_serving, has_begun
from forebay.cli.table import say

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.hub.door import DoorSettings
    from forebay.settings import Settings

app = typer.Typer(cls=Group, no_args_is_help=True, help="The hub that a team shares.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where the hub answers. `token` is told once, when it is made; the address `login` lets a browser in as its first
    admin, once and within the hour. It is told with the token, and to a terminal.
    """

    url: str
    token: str | None
    login: str | None = field(default=None, repr=False)


@command(
    app,
    "serve",
    example="""
forebay hub serve
forebay hub serve --host 0.0.0.0 --tls-cert hub.pem --tls-key hub.key""",
    gives="forebay.cli.hub:Served",
)
def serve(
    call: Call,
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Listen here. Default: the setting hub_host.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, metavar="PORT", help="0: any free one. Default: the setting hub_port."),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate, with its chain (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key (PEM).")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let others come without TLS: a proxy in front of it speaks that.")
    ] = False,
) -> None:
    """Serve this machine's hub to others, until Ctrl-C or SIGTERM.

    Its records are in the home folder, or in the database that is set. The first start makes an admin with a token and
    tells that once; where FOREBAY_TOKEN is set then, that is the token. All others are made with: forebay token make
    """
    begin_serving()
    begin_hub()
    from forebay.cli.hub_doctor import doctors_look
    from forebay.clock import SystemClock
    from forebay.hub.access.log_ins import LogIns
    from forebay.hub.access.sessions import Sessions
    from forebay.hub.access.store import AccessStore
    from forebay.hub.api.limits import Limits
    from forebay.hub.door import Door
    from forebay.hub.lakes import PublicLakes
    from forebay.hub.local import LocalHub
    from forebay.hub.metrics.readers import GuardedMetrics
    from forebay.hub.run_purge import Kept
    from forebay.hub.serve import Address, More, guarded_by
    from forebay.hub.serve import serve as serve_until_told
    from forebay.hub.web.site import Site
    from forebay.lake.internal import parse_allowed
    from forebay.settings import load, parse_duration, parse_frequency, parse_limit
    from forebay.sites.state import SiteTerms

    # Of a log-in at another hub nothing counts here.
    settings = load({**call.flags, "hub": "", "hub_host": host, "hub_port": port}).settings
    address = Address(
        host=settings.hub_host, port=settings.hub_port, certificate=tls_cert, key=tls_key, insecure=insecure
    )
    address.check()
    check_lake = PublicLakes(parse_allowed(settings.hub_internal_lakes))
    door_settings = _door_settings(settings)
    clock = SystemClock()
    terms = SiteTerms.holding(settings.site_hold_s)
    kept = Kept(logs_s=parse_duration(settings.hub_logs_kept), runs_s=parse_duration(settings.hub_runs_kept))
    hub = LocalHub.open(
        settings.home,
        settings.database_url,
        clock,
        site_terms=terms,
        retention_grace_s=settings.retention_grace_s,
        kept=kept,
    )
    try:
        access = AccessStore(hub.engine, clock)
        made = access.bootstrap(secret=settings.token)
        metrics = GuardedMetrics(hub, access, clock, settings.metrics_token)
        limits = Limits(
            upload_bytes=int(parse_limit(settings.hub_upload_limit)),
            token_rate=parse_frequency(settings.hub_token_rate),
            address_rate=parse_frequency(settings.hub_address_rate),
            failed_sign_ins=parse_frequency(settings.hub_failed_sign_ins),
        )

        def tell(url: str) -> None:
            token = None if made is None or settings.token else made.secret
            # Whoever reads a log that is kept somewhere shall not find a way in.
            login = pages.link_for_admin(url) if token is not None or sys.stdout.isatty() else None
            served = Served(url=url, token=token, login=login)
            has_begun()
            call.show(served, ids=[url], human=lambda out: _tell(out, served))

        door = None if door_settings is None else Door(door_settings, access, LogIns(hub.engine, clock), clock)
        sessions = Sessions(hub.engine, clock, parse_duration(settings.hub_session) or 0.0)
        look = doctors_look(settings, clock, with_volume=False)
        pages = Site(hub, access, clock, sessions, origin=settings.hub_url, look=look)
        more = More(metrics=metrics, check_lake=check_lake, door=door, site=pages)
        serve_until_told(hub, guarded_by(access, hub), address, clock, limits, tell, more)
    finally:
        hub.close()


def _door_settings(settings: Settings) -> DoorSettings | None:
    """How people log in with a browser; None where no provider is set. InputError `bad-setting`."""
    from forebay.hub.access.claims import Mapped, parse_roles, parse_teams
    from forebay.hub.access.oidc import Client
    from forebay.hub.door import DoorSettings
    from forebay.settings import parse_duration

    if not settings.oidc_issuer:
        return None
    found = DoorSettings(
        url=settings.hub_url,
        client=Client(
            issuer=settings.oidc_issuer,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret,
            scopes=settings.oidc_scopes,
        ),
        mapped=Mapped(
            user_claim=settings.oidc_user_claim,
            groups_claim=settings.oidc_groups_claim,
            roles=parse_roles(settings.oidc_roles),
            teams=parse_teams(settings.oidc_teams),
        ),
        session_seconds=parse_duration(settings.hub_session) or 0.0,
        adopt=settings.oidc_adopt,
    )
    found.check()
    return found


def _tell(out: Console, served: Served) -> None:
    say(out, f"The hub answers at {served.url}")
    if served.login is not None:
        say(out, "In a browser, once:")
        say(out, f"  {served.login}")
    if served.token is not None:
        say(out, "Its token, which is not told again:")
        say(out, f"  export FOREBAY_HUB={served.url}")
        say(out, f"  export FOREBAY_TOKEN={served.token}")
