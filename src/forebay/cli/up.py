"""`forebay up`: hub, scheduler and a site's agent in one process, on this machine's home folder."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call, write
from forebay.cli.command import command
from forebay.cli.log import begin_calmly, begin_hub, begin_serving, has_begun
from forebay.cli.table import say
from forebay.errors import ForebayError, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.client.agent.agent import Agent

_SITE = "local"

Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, metavar="PORT", help="Default: the setting hub_port, or a free one."),
]
SiteName = Annotated[
    str | None, typer.Option("--site", metavar="NAME", help="The site's name. Default: the setting site, or local.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """Where the hub answers, and the site that runs here. `token` is told once, when it is made; the address `login`
    lets a browser in, once and within the hour.
    """

    url: str
    login: str = field(repr=False)
    token: str | None
    site: str


def add_to(app: typer.Typer) -> None:
    """Add the command at the top."""
    command(
        app,
        "up",
        example="""
forebay up
forebay up --port 0 --json""",
        gives="forebay.cli.up:Up",
    )(up)


def up(call: Call, port: Port = None, site: SiteName = None) -> None:
    """Have a hub and one site on this machine.

    It needs no setting. Its records are in the home folder, on SQLite. Ctrl-C and SIGTERM end it, with exit code 0:
    runs are ended, wait in the queue, and begin again with the next `forebay up`. It tells two settings with which any
    other terminal reaches it, for `forebay dataset register` and `forebay run`.
    """
    begin_serving()
    begin_calmly()
    begin_hub()
    from forebay.cli.hub_doctor import doctors_look
    from forebay.client.agent.agent import site_agent
    from forebay.client.commit_here import CommitHere
    from forebay.client.session import Session
    from forebay.hub.access.sessions import Sessions
    from forebay.hub.access.store import AccessStore
    from forebay.hub.api.limits import Limits
    from forebay.hub.local import LocalHub
    from forebay.hub.metrics.readers import GuardedMetrics
    from forebay.hub.serve import Address, More, guarded_by, serve
    from forebay.hub.web.lister import Lister
    from forebay.hub.web.site import Site
    from forebay.settings import parse_duration, parse_limit

    given = {"hub": "", "hub_port": port, "site": site}
    with Session.start({**call.flags, **given}) as session:
        settings, hub = session.settings, session.hub
        assert isinstance(hub, LocalHub)
        with site_agent(session, settings.site or _SITE) as agent:
            access = AccessStore(hub.engine, session.clock)
            made = access.bootstrap(secret=settings.token)
            secret = None if made is None or settings.token else made.secret
            limits = Limits(upload_bytes=int(parse_limit(settings.hub_upload_limit)))
            metrics = GuardedMetrics(hub, access, session.clock, settings.metrics_token)
            sessions = Sessions(hub.engine, session.clock, parse_duration(settings.hub_session) or 0.0)
            # One's own machine: every lake that it reaches and every folder is its owner's to name.
            lister = Lister(settings.profile_options, session.clock, settings.profile)
            look = doctors_look(settings, session.clock, with_volume=True)
            committer = CommitHere(session)
            pages = Site(hub, access, session.clock, sessions, lister=lister, committer=committer, look=look)
            more = More(metrics=metrics, check_lake=bool, site=pages)

            def tell(url: str) -> None:
                told = Up(url=url, login=pages.link_for_admin(url), token=secret, site=agent.hello.site)
                has_begun()
                call.show(told, ids=[url], human=lambda out: _show(out, told))
                runner.start()

            def try_port(number: int) -> None:
                address = Address(host="127.0.0.1", port=number)
                serve(hub, guarded_by(access, hub), address, session.clock, limits, tell, more)

            with _running(agent) as runner:
                try:
                    try_port(settings.hub_port)
                except UnavailableError as error:
                    if port is not None or error.kind != "cannot-listen":
                        raise
                    try_port(0)
    if not call.json and not call.quiet:
        write(sys.stderr, "Forebay is down. Runs that were under way wait in the queue for the next forebay up.")


class _Runner:
    """The agent's thread. An agent that ends by itself ends the whole, with its error."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.error: ForebayError | None = None
        self.thread = threading.Thread(target=self._run, name="forebay-agent")

    def start(self) -> None:
        self.thread.start()

    def _run(self) -> None:
        try:
            self.agent.run()
        except ForebayError as error:
            self.error = error
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


@contextmanager
def _running(agent: Agent) -> Iterator[_Runner]:
    """At the end of the block the agent ends, with all that it has under way."""
    runner = _Runner(agent)
    try:
        yield runner
    finally:
        if runner.thread.ident is not None:
            agent.stop()
            runner.thread.join()
    if runner.error is not None:
        raise runner.error


def _show(out: Console, told: Up) -> None:
    say(out, f"Forebay is up at {told.url}, with the site {told.site}. Ctrl-C ends it.")
    say(out, "In a browser, once:")
    say(out, f"  {told.login}")
    say(out, "In another terminal, or from a program:")
    say(out, f"  export FOREBAY_HUB={told.url}")
    say(out, f"  export FOREBAY_TOKEN={told.token or '...'}")
    once = "The token was told at the first start" if told.token is None else "The token is not told again"
    say(out, f"{once}; others are made with: forebay token make")
