"""`forebay dataset retention`, `retire`, `restore`: which old versions go, by policy and by hand, and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.options import DryRun, Name, Ref, Yes
from forebay.cli.table import keep, number, print_table, say, wrapped
from forebay.cli.words import ago, count, moment, size
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.catalog import Version
    from forebay.wire.retention import RetentionPlan, RetentionPolicy

_PLAN = "forebay.wire.retention:RetentionPlan"
_VERSION = "forebay.wire.catalog:Version"


def add_to(app: typer.Typer) -> None:
    """Add the three commands."""
    command(
        app,
        "retention",
        example="""
forebay dataset retention criteo
forebay dataset retention criteo --keep-last 10 --keep-days 90 --dry-run
forebay dataset retention criteo --off""",
        gives=_PLAN,
    )(retention)
    command(app, "retire", example="forebay dataset retire criteo@v3 -m 'wrong labels'", gives=_VERSION)(retire)
    command(app, "restore", example="forebay dataset restore criteo@v3", gives=_VERSION)(restore)


def retention(
    call: Call,
    name: Name,
    keep_last: Annotated[int | None, typer.Option(metavar="N", help="Keep the newest N.", show_default=False)] = None,
    keep_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Keep what was made or used since.", show_default=False)
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Keep all versions, as by default.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Retire now what the policy does not keep.")] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Show or set which versions of a dataset are kept. The others are retired, by the hub, as they grow old.

    What is tagged, pinned, in use, waited for by a run, or what a tagged version was made from, always stays. A
    retired version can be restored: the lake keeps its files.
    """
    from forebay.wire.retention import RetentionPolicy

    given = keep_last is not None or keep_days is not None
    if sum((given, off, now)) > 1:
        raise InputError("usage", "one thing at a time", todo="Name what to keep, or --off, or --now.")
    hub = call.session.hub.retention
    proposed = RetentionPolicy(dataset=name, keep_last=keep_last, keep_days=keep_days) if given or off else None
    planned = hub.plan(name, proposed)
    if dry_run or (proposed is None and not now):
        _show(call, planned, "would retire" if dry_run else "")
        return
    if planned.retiring:
        call.confirm(f"Retire {_going(planned)}? Their replicas go, the lake keeps their files.", yes=yes)
    if proposed is not None:
        hub.set_policy(proposed, call.session.settings.user)
    if planned.retiring:
        planned = hub.apply(name, call.session.settings.user)
    _show(call, planned, "retired")


def retire(
    call: Call,
    ref: Ref,
    message: Annotated[str, typer.Option("--message", "-m", help="Why.", show_default=False)] = "",
) -> None:
    """Retire a version: nobody uses it any more.

    It can't be opened, filled, tagged or run on until `restore` brings it back. The lake keeps its files.
    """
    from forebay.client.subset import require_whole

    session = call.session
    version = require_whole(session.hub.catalog.resolve(ref))
    done = session.hub.retention.retire(version.dataset, version.number, message, session.settings.user)
    told = f"{done.ref} is retired; its replicas go from {moment(done.release_at)} on"
    call.show(done, ids=[done.ref], human=lambda out: say(out, told))


def restore(call: Call, ref: Ref) -> None:
    """Bring a retired version back. What is not on a volume any more is filled from the lake again."""
    from forebay.client.subset import require_whole

    session = call.session
    version = require_whole(session.hub.catalog.resolve(ref))
    done = session.hub.retention.restore(version.dataset, version.number, session.settings.user)
    call.show(done, ids=[done.ref], human=lambda out: say(out, f"{done.ref} is as it was"))


def retired_facts(version: Version) -> list[tuple[str, str]]:
    """What is told of a retired version, beside all the rest."""
    if not version.is_retired:
        return []
    by = f" by {version.retired_by}" if version.retired_by else ""
    return [
        ("retired", f"{moment(version.retired_at)}{by}: {version.retired_reason}"),
        ("replicas go", f"from {moment(version.release_at)} on"),
    ]


def _show(call: Call, plan: RetentionPlan, what: str) -> None:
    ids = [fate.ref for fate in plan.retiring]
    call.show(plan, ids=ids, human=lambda out: _print(out, plan, what, call.now))


def _print(out: Console, plan: RetentionPlan, what: str, now: float) -> None:
    say(out, f"{plan.policy.dataset}: {_told(plan.policy)}")
    rows = [
        (fate.ref, "goes" if fate.retires else "stays", size(fate.size_bytes), ago(fate.created_at, now), fate.reason)
        for fate in plan.fates
    ]
    if rows:
        print_table(out, [keep("VERSION"), keep("FATE"), number("SIZE"), keep("MADE"), wrapped("WHY")], rows)
    if what and plan.retiring:
        say(out, f"{what} {_going(plan)}")
    elif what:
        say(out, "nothing goes now")
    elif plan.waits:
        told = f"waits: {plan.waits}; to have it done: forebay dataset retention {plan.policy.dataset} --now"
        say(out, told)


def _told(policy: RetentionPolicy) -> str:
    if policy.keeps_all:
        return "all versions are kept"
    parts = [f"the newest {policy.keep_last}"] if policy.keep_last is not None else []
    parts += [f"what was made or used in {policy.keep_days:g} days"] if policy.keep_days is not None else []
    by = f" (set by {policy.set_by}, {moment(policy.set_at)})" if policy.set_at else ""
    return f"kept are {' and '.join(parts)}{by}"


def _going(plan: RetentionPlan) -> str:
    """Sizes are the most that can come free: contents that others share stay."""
    sizes = f", at most {size(plan.replica_bytes)} on volumes" if plan.replica_bytes else ""
    return f"{count(len(plan.retiring), 'version')} of {plan.policy.dataset}{sizes}"
