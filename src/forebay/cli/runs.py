"""`forebay runs`: what was submitted with `forebay run`, here or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import Message
from forebay.errors import ForebayError, InputError

if TYPE_CHECKING:
    from forebay.wire.runs import LogPiece, RunState

app = typer.Typer(cls=Group, no_args_is_help=True, help="Runs: what was submitted, where it is, what it printed.")

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning.", show_default=False)]
RunIds = Annotated[list[str], typer.Argument(metavar="RUN", help="Runs by id, or its beginning.", show_default=False)]
OfState = Annotated[str, typer.Option("--state", metavar="STATE", help="Only queued, running, ...", show_default=False)]
OfUser = Annotated[str, typer.Option("--user", metavar="USER", help="Only this one's.", show_default=False)]
OfTeam = Annotated[str, typer.Option("--team", metavar="TEAM", help="Only this team's.", show_default=False)]
OfSite = Annotated[str, typer.Option("--site", metavar="SITE", help="Only those at this site.", show_default=False)]
OfDataset = Annotated[
    str, typer.Option("--dataset", metavar="NAME", help="Only those that read it.", show_default=False)
]


@command(
    app,
    "ls",
    example="""
forebay runs ls
forebay runs ls --active --dataset criteo
forebay runs ls --active -q | xargs forebay runs cancel""",
    gives="forebay.wire.runs:RunPage",
)
def ls(
    call: Call,
    state: OfState = "",
    user: OfUser = "",
    team: OfTeam = "",
    site: OfSite = "",
    dataset: OfDataset = "",
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    before: Annotated[
        str, typer.Option(metavar="CURSOR", help="The next page: `next_before` of this one.", show_default=False)
    ] = "",
) -> None:
    """List runs, newest first."""
    from forebay.cli.runs_shown import print_runs
    from forebay.wire.runs import RunQuery

    query = RunQuery(
        state=_state(state) if state else None,
        user=user,
        team=team,
        site=site,
        dataset=dataset,
        active=active,
        before=before,
        limit=limit,
    )
    page = call.session.hub.runs.page(query)
    call.show(page, ids=(run.run_id for run in page.runs), human=lambda out: print_runs(out, page, call.now))


@command(app, "show", example="forebay runs show 3fa9c1", gives="forebay.wire.runs:Run")
def show(call: Call, run: RunId) -> None:
    """Show one run: where it is and why, what it asks for, its tries."""
    from forebay.cli.runs_shown import print_run

    found = call.session.hub.runs.get(run)
    call.show(found, ids=[found.run_id], human=lambda out: print_run(out, found, call.now))


@command(
    app,
    "logs",
    example="""
forebay runs logs 3fa9c1
forebay runs logs -f 3fa9c1
forebay runs logs 3fa9c1 --attempt 1 > first.log""",
    gives="a line for each piece of the log: an object with the fields of forebay.wire.runs.LogPiece, and `attempt`",
)
def logs(
    call: Call,
    run: RunId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it has ended.")] = False,
    attempt: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of its N-th try. 0: the newest; with -f all of them.")
    ] = 0,
) -> None:
    """Print what a run printed: as it was to a file, without colours to a terminal."""
    from forebay.cli.following import goes_on
    from forebay.client.follow import Onlooker, log_of
    from forebay.client.follow import follow as follow_run

    hub = call.session.hub
    found = hub.runs.get(run)
    if not follow:
        for number, piece in log_of(hub, found.run_id, attempt):
            _print(call, number, piece)
        return
    onlooker = Onlooker(printed=lambda number, piece: _print(call, number, piece))
    try:
        follow_run(hub, found.run_id, onlooker, attempt=attempt or 1)
    except KeyboardInterrupt:
        goes_on(found.run_id)


@command(
    app,
    "cancel",
    example="""
forebay runs cancel 3fa9c1 -m 'wrong rate'
forebay runs ls --active -q | xargs forebay runs cancel""",
    gives="[forebay.wire.runs:Run]",
)
def cancel(call: Call, runs: RunIds, message: Message = "") -> None:
    """End runs, or do not begin them. One that was cancelled already stays so."""
    from forebay.cli.runs_shown import told_of

    cancelled = []
    for run_id in runs:
        try:
            cancelled.append(call.session.hub.runs.cancel(run_id, message))
        except ForebayError as error:
            call.report(error)
    ids = (run.run_id for run in cancelled)
    call.show(cancelled, ids=ids, human=lambda out: out.out("\n".join(map(told_of, cancelled))))


@command(
    app,
    "retry",
    example="""
forebay runs retry 3fa9c1
forebay runs retry 3fa9c1 --detach""",
    gives="forebay.wire.runs:Run",
)
def retry(
    call: Call,
    run: RunId,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Do not follow it.")] = False,
) -> None:
    """Queue a failed or cancelled run once more, as it was, and follow it as `forebay run` does."""
    from forebay.cli.following import follow_run
    from forebay.cli.runs_shown import told_of

    hub = call.session.hub
    before = hub.runs.get(run)
    again = hub.runs.retry(before.run_id)
    if not detach:
        follow_run(call, again, attempt=len(before.attempts) + 1)
        return
    call.show(again, ids=[again.run_id], human=lambda out: out.out(told_of(again)))


def _print(call: Call, attempt: int, piece: LogPiece) -> None:
    from forebay.cli.following import print_piece
    from forebay.cli.jsonable import jsonable

    if call.json:
        call.show({"attempt": attempt, **jsonable(piece)}, human=bool, one_of_many=True)
    else:
        print_piece(attempt, piece)


def _state(text: str) -> RunState:
    from forebay.catalog.names import did_you_mean
    from forebay.wire.runs import RunState

    try:
        return RunState(text)
    except ValueError:
        todo = did_you_mean(text, list(RunState), otherwise=f"Write one of: {', '.join(RunState)}.")
        raise InputError("bad-state", f"--state {text!r} is none", todo=todo) from None
