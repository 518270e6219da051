"""`forebay run`: a command beside the data, at the site where it starts soonest and cheapest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli import exits
from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.dashes import AfterDashes
from forebay.cli.words import parse_option, parse_size
from forebay.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from forebay.wire.runs import NewRun


class RunEngine(StrEnum):
    """What a run's command finds beside it."""

    NONE = "none"
    DASK = "dask"


Data = Annotated[
    list[str] | None,
    typer.Option(metavar="REF", help="A version that it reads: criteo@prod, or train=criteo@v3; more than once."),
]
Gpus = Annotated[int, typer.Option(min=0, help="GPUs that it claims.")]
Cpus = Annotated[int, typer.Option(min=1, help="CPU cores.")]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="Memory: 16GB", show_default=False)]
Nodes = Annotated[int, typer.Option(min=1, help="Nodes, where the site's engine has several.")]
Where = Annotated[
    str, typer.Option(metavar="LABELS", help="Only sites such as 'gpu>=1, gpu-type=a100'.", show_default=False)
]
OneSite = Annotated[str, typer.Option("--site", metavar="SITE", help="Only this one.", show_default=False)]
Engine = Annotated[
    RunEngine, typer.Option("--engine", help="What runs beside the command: a Dask cluster, or nothing.")
]
Env = Annotated[
    Path | None, typer.Option("--env", metavar="FILE", help="A requirements file: the site makes an environment of it.")
]
Out = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=DATASET", help="Make a version of what it leaves in the folder {NAME}; more than once."),
]
Retries = Annotated[int, typer.Option(min=0, metavar="N", help="So many more tries after a failure.")]
TimeLimit = Annotated[str, typer.Option(metavar="TIME", help="End it after 2h.", show_default=False)]
Estimate = Annotated[str, typer.Option(metavar="TIME", help="About how long it takes: 30min", show_default=False)]
Var = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of its environment; no secrets.")]
Weight = Annotated[
    str, typer.Option(metavar="TIME", help="So long a wait is worth one unit of money saved: 10min", show_default=False)
]
OfTeam = Annotated[str, typer.Option("--team", metavar="TEAM", help="In whose name.", show_default=False)]
Title = Annotated[str, typer.Option(metavar="TEXT", help="What it is for.", show_default=False)]
NoCode = Annotated[bool, typer.Option("--no-code", help="Do not send this folder: the command needs nothing of it.")]
Explain = Annotated[bool, typer.Option("--explain", help="Show where it would go and why; run nothing.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not follow it: print its id and end.")]


def add_to(app: typer.Typer) -> None:
    """Add the command at the top."""
    command(
        app,
        "run",
        example="""
forebay run --data criteo@prod --gpus 1 --env requirements.txt -- python train.py {criteo}
forebay run --data criteo@prod --engine dask --cpus 8 -- python on_dask.py {criteo}
forebay run --data criteo@v3 --out features=criteo-features -- python prepare.py {criteo} {features}
forebay run --data criteo@prod --where 'gpu>=4' --explain -- python train.py {criteo}""",
        gives={"": "forebay.wire.runs:Run", "--explain": "forebay.wire.runs:Explanation"},
        cls=AfterDashes,
    )(run)


def run(
    call: Call,
    data: Data = None,
    gpus: Gpus = 0,
    cpus: Cpus = 1,
    memory: Memory = "",
    nodes: Nodes = 1,
    where: Where = "",
    site: OneSite = "",
    engine: Engine = RunEngine.NONE,
    env: Env = None,
    out: Out = None,
    retries: Retries = 0,
    time_limit: TimeLimit = "",
    estimate: Estimate = "",
    var: Var = None,
    wait_per_money: Weight = "",
    team: OfTeam = "",
    title: Title = "",
    no_code: NoCode = False,
    explain: Explain = False,
    detach: Detach = False,
) -> None:
    """Run a command where its data are, or where they come soonest.

    It is queued, placed at a site, its data are brought there once, and then it starts. In its arguments {NAME} is the
    path of the version of that name, or the folder of that output; in its environment FOREBAY_NAME is the same. This
    folder goes along as its working directory (what git ignores stays here), with the commit it is at.

    What it prints is followed until it ends, and the exit code is its own; 1 where it never got one, 2 where it was
    cancelled. Ctrl-C ends only the following. With --json or -q the result is told when it has ended.
    """
    from forebay.client import submit
    from forebay.wire.runs import NewRun, Retry

    if not call.rest:
        raise InputError("usage", "there is no command to run", todo="forebay run --data REF -- COMMAND [ARGS]...")
    new = NewRun(
        command=call.rest,
        data=submit.data_uses(data or ()),
        outputs=submit.outputs_of(out or ()),
        gpus=gpus,
        cpus=cpus,
        memory_bytes=parse_size(memory) if memory else 0,
        nodes=nodes,
        where=where,
        site=site,
        variables=submit.variables_of(var or ()),
        requirements=_requirements(env),
        retry=Retry(attempts=retries + 1),
        estimate_s=_seconds("--estimate", estimate),
        time_limit_s=_seconds("--time-limit", time_limit),
        wait_s_per_money=_seconds("--wait-per-money", wait_per_money),
        team=team,
        title=title,
        engine="" if engine is RunEngine.NONE else engine.value,
    )
    if explain:
        _explain(call, new)
        return
    _submit(call, new, no_code=no_code, detach=detach)


def _explain(call: Call, new: NewRun) -> None:
    from forebay.cli.runs_shown import print_explanation
    from forebay.client.submit import require_a_site

    require_a_site(call.session.hub, new)
    found = call.session.hub.runs.explain(new)
    ids = [row.site for row in found.rows if not row.why_not]
    call.show(found, ids=ids, human=lambda console: print_explanation(console, found))
    if not found.choice:
        call.exit_code = exits.UNAVAILABLE


def _submit(call: Call, new: NewRun, *, no_code: bool, detach: bool) -> None:
    from forebay.cli.following import follow_run
    from forebay.cli.runs_shown import told_of
    from forebay.client import submit

    run = submit.submit(call.session.hub, new, None if no_code else Path.cwd())
    if not detach:
        follow_run(call, run)
        return
    call.show(run, ids=[run.run_id], human=lambda console: console.out(told_of(run)))
    call.note(f"Follow it: forebay runs logs -f {quote(run.run_id)}")


def _requirements(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError("file-not-found", f"--env {file}: {error.strerror}") from error
    except ValueError as error:
        raise InputError("bad-option", f"--env {file} is no text", todo="Give a requirements file.") from error


def _seconds(option: str, text: str) -> float:
    from forebay.settings import parse_duration

    return (parse_option(option, text, parse_duration) or 0.0) if text else 0.0
