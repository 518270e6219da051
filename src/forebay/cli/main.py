"""The program: all nouns under one name, and the one way out."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from forebay import __version__
from forebay.cli import (
    agent,
    audit,
    cache,
    completion,
    config,
    ctr,
    dataset,
    doctor,
    exits,
    hub,
    link,
    login,
    rule,
    run,
    runs,
    sites,
    status,
    team,
    token,
    up,
    use,
    user,
    whoami,
    why,
)
from forebay.cli.call import Call, reader_gone, show_error, write
from forebay.cli.command import Group, command
from forebay.cli.stopping import stops_in_order
from forebay.cli.table import say
from forebay.errors import InputError

_ORDER = (
    "quickstart",
    "up",
    "dataset",
    "cache",
    "exec",
    "path",
    "run",
    "runs",
    "sites",
    "rule",
    "why",
    "status",
    "doctor",
    "hub",
    "link",
    "agent",
    "ctr",
    "login",
    "logout",
    "whoami",
    "user",
    "team",
    "token",
    "audit",
    "config",
    "completion",
    "version",
)


# Commands that only move and keep bytes: they never need numpy.
_LEAN = (
    *("dataset", "cache", "exec", "path", "run", "runs", "sites", "rule", "why", "status", "up", "agent", "link"),
    *("hub", "login", "logout", "whoami", "user", "team", "token", "audit"),
)


class _InOrder(Group):
    """Lists the commands in the order in which people meet them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    name="forebay",
    cls=_InOrder,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dataset.app, name="dataset")
app.add_typer(cache.app, name="cache")
use.add_to(app)
run.add_to(app)
app.add_typer(runs.app, name="runs")
app.add_typer(sites.app, name="sites")
app.add_typer(rule.app, name="rule")
why.add_to(app)
status.add_to(app)
doctor.add_to(app)
up.add_to(app)
app.add_typer(hub.app, name="hub")
app.add_typer(link.app, name="link")
agent.add_to(app)
app.add_typer(ctr.app, name="ctr")
login.add_to(app)
whoami.add_to(app)
for noun in (user, team, token, audit):
    app.add_typer(noun.app, name=noun.__name__.rpartition(".")[2])
app.add_typer(config.app, name="config")
completion.add_to(app)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"forebay {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Keep the dataset versions you train on beside the compute that trains on them.

    \b
    forebay quickstart                              the whole job, on this machine
    forebay dataset register criteo s3://lake/day/  a version, without copying
    forebay cache warm criteo@v1                    moved once, near the compute
    forebay exec criteo@v1 -- train.py {criteo}     used as plain files
    """


@command(
    app,
    "quickstart",
    example="forebay quickstart --rows 100000 --folder /tmp/try",
    gives="forebay.client.main_job:MainJob",
)
def quickstart(
    call: Call,
    rows: Annotated[int, typer.Option(min=1000, help="Click-log rows in all.")] = 1_000_000,
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where it happens; what is there is reused.")] = Path(
        ".forebay/quickstart"
    ),
) -> None:
    """Run the whole job here.

    Click logs, cache, features, a model and its quality, in a forebay of their own.
    """
    from forebay.cli import quickstart as use

    use.quickstart(call, rows=rows, folder=folder)


@command(app, "version", example="forebay version --json", gives="{version: text}")
def version(call: Call) -> None:
    """Print the version."""
    shown = {"version": __version__}
    call.show(shown, ids=[__version__], human=lambda out: say(out, f"forebay {__version__}"))


def program() -> int:
    """What a shell starts: one command of ours in a process of its own."""
    # What is imported stays: looking through it for garbage again and again is a twelfth of the start.
    gc.set_threshold(100_000, 10, 10)
    Call.lean = sys.argv[1:2] in ([name] for name in _LEAN)
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with stops_in_order():
            code = app(args=given, prog_name="forebay", standalone_mode=False)
            sys.stdout.flush()
    except typer.TyperException as error:
        return _usage(error, as_json="--json" in given)
    except (KeyboardInterrupt, typer.Abort):
        write(sys.stderr, "Cancelled.")
        return exits.USAGE
    except BrokenPipeError:
        return reader_gone()
    return code if isinstance(code, int) else exits.OK


def _usage(error: typer.TyperException, *, as_json: bool) -> int:
    """Typer's own errors: what is wrong with the command line."""
    show = getattr(error, "show", None)
    if isinstance(getattr(error, "message", None), str):
        error.message = error.message.replace("Value error, ", "")
    if as_json or show is None:
        show_error(InputError("usage", error.format_message(), todo="See --help."), as_json=as_json)
    else:
        show()
    return error.exit_code
