"""`forebay cache`: bring versions here, see why they stay or go, keep them, let them go, check and mend."""

from __future__ import annotations

import time
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli import cache_metrics, quota
from forebay.cli.bars import ByteBar
from forebay.cli.cache_shown import (
    print_advice,
    print_decisions,
    print_events,
    print_explanation,
    print_forecasts,
    print_health,
    print_recovered,
    print_replicas,
    print_scrubbed,
    print_verified,
    print_warmed,
)
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.options import AnyRefs, Columns, DryRun, Exclude, Force, Include, Name, Ref, Refs, Where, Yes
from forebay.cli.selected import Chosen, drafts, looked_up, resolved
from forebay.cli.table import say
from forebay.cli.words import (
    count,
    goes_after,
    moment,
    parse_age,
    parse_option,
    parse_since,
    parse_size,
    parse_until,
    size,
)
from forebay.errors import DamagedError, ForebayError, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.cache.engine import Warmed
    from forebay.cache.policy import Decision
    from forebay.cache.scrub import Scrubbed, Scrubber
    from forebay.cache.verify import Verified
    from forebay.wire.cache import Replica
    from forebay.wire.catalog import Version

app = typer.Typer(cls=Group, no_args_is_help=True, help="Bring versions here, keep them, let them go.")
app.add_typer(quota.app, name="quota")
cache_metrics.add_to(app)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What was checked, and the replicas that were taken out of use."""

    verified: list[Verified]
    damaged: list[Replica]


@command(
    app,
    "warm",
    example="""
forebay cache warm criteo@prod
forebay cache warm criteo@prod features --dry-run
forebay cache warm criteo@v1 --include 'day_0*'
forebay cache warm criteo@v1 --columns label,price --where 'day>=3'""",
    gives={"": "[forebay.cache.engine:Warmed]", "--dry-run": "[forebay.client.forecast:Forecast]"},
)
def warm(
    call: Call,
    refs: Refs,
    include: Include = None,
    exclude: Exclude = None,
    columns: Columns = None,
    where: Where = None,
    dry_run: DryRun = False,
) -> None:
    """Bring versions here: moved once, for everybody on the volume.

    Or only some of their files, with --include and --exclude, and of Parquet files only some columns and row groups.
    """
    chosen = Chosen(include=include, exclude=exclude, columns=columns, where=where)
    if dry_run:
        from forebay.client.forecast import forecast

        with drafts(call, refs, chosen) as given:
            planned = [forecast(call.session, draft.version, draft.contents) for draft in given]
        call.show(planned, ids=(item.ref for item in planned), human=lambda out: print_forecasts(out, planned))
        return
    versions = resolved(call, refs, chosen)
    done: list[Warmed] = []
    with ByteBar(call, sum(version.size_bytes for version in versions)) as bar:
        for version in versions:
            try:
                done.append(_warm(call, version, bar))
            except ForebayError as error:
                call.report(error)
    call.show(done, ids=(str(item.path) for item in done), human=lambda out: print_warmed(out, done))


@command(app, "ls", example="forebay cache ls", gives="[forebay.wire.cache:Replica]")
def ls(call: Call) -> None:
    """List what is on the cache volume."""
    replicas = call.session.cache.replicas()
    now = call.now

    root = call.session.cache.layout.root
    call.show(replicas, ids=(item.ref for item in replicas), human=lambda out: print_replicas(out, root, replicas, now))


@command(
    app,
    "why",
    example="""
forebay cache why criteo@v1
forebay cache why 'criteo@v1[day_0*]'""",
    gives="forebay.client.keep:Explanation",
)
def why(
    call: Call, ref: Ref, include: Include = None, exclude: Exclude = None, columns: Columns = None, where: Where = None
) -> None:
    """Say why a version is here, or why it is not.

    Also who uses it, and what would make it go.
    """
    from forebay.client.keep import explain

    with drafts(call, [ref], Chosen(include=include, exclude=exclude, columns=columns, where=where)) as (draft,):
        explained = explain(call.session, draft.version, declared=draft.contents is None)
    call.show(explained, ids=[explained.ref], human=lambda out: print_explanation(out, explained, call.now))


@command(
    app,
    "pin",
    example="""
forebay cache pin criteo@prod --reason 'nightly training'
forebay cache pin criteo@v1 --until 30d""",
    gives="forebay.wire.cache:Replica",
)
def pin(
    call: Call,
    ref: Ref,
    reason: Annotated[str, typer.Option(help="Why it must stay.", show_default=False)] = "",
    until: Annotated[
        str, typer.Option(metavar="WHEN", help="2026-12-01 or 30d; default: for ever.", show_default=False)
    ] = "",
    include: Include = None,
    exclude: Exclude = None,
    columns: Columns = None,
    where: Where = None,
) -> None:
    """Keep a replica, whatever the pressure, until told otherwise."""
    session = call.session
    (version,) = looked_up(call, [ref], Chosen(include=include, exclude=exclude, columns=columns, where=where))
    end = parse_until(until, call.now) if until else 0.0
    replica = session.hub.replicas.pin(session.cache.volume_id, version, session.settings.user, reason, end)
    told = f"pinned {replica.ref}" + (f" until {moment(end)}" if end else "")
    call.show(replica, ids=[replica.ref], human=lambda out: say(out, told))


@command(
    app,
    "keep",
    example="""
forebay cache keep criteo --stale-after 30d
forebay cache keep criteo --stale-after default""",
    gives="forebay.wire.catalog:Dataset",
)
def keep_(
    call: Call,
    name: Name,
    stale_after: Annotated[
        str, typer.Option(metavar="AGE", help="30d, 12h, never, or default: as this site has it.", show_default=False)
    ],
) -> None:
    """Say how long a dataset's replicas may be idle.

    On every volume; on its own, each site goes by its setting `stale_after`.
    """
    dataset = call.session.hub.catalog.set_stale_after(name, parse_age(stale_after))
    told = f"replicas of {name} {goes_after(dataset.stale_after_s)}"
    call.show(dataset, ids=[name], human=lambda out: say(out, told))


@command(app, "unpin", example="forebay cache unpin criteo@prod", gives="forebay.wire.cache:Replica")
def unpin(
    call: Call, ref: Ref, include: Include = None, exclude: Exclude = None, columns: Columns = None, where: Where = None
) -> None:
    """Take a pin away. The replica may go when it is idle."""
    session = call.session
    (version,) = looked_up(call, [ref], Chosen(include=include, exclude=exclude, columns=columns, where=where))
    replica = session.hub.replicas.unpin(session.cache.volume_id, version)
    still = f"; {replica.pinned_by} keeps it" if replica.pinned_by else ""
    call.show(replica, ids=[replica.ref], human=lambda out: say(out, f"unpinned {replica.ref}{still}"))


@command(
    app,
    "evict",
    example="""
forebay cache evict --dry-run
forebay cache evict criteo@v1 --yes
forebay cache evict 'criteo@v1[day_0*]' --yes""",
    gives={"": "[forebay.cache.evict:Evicted]", "--dry-run": "[forebay.cache.policy:Decision]"},
)
def evict(
    call: Call,
    refs: AnyRefs = None,
    include: Include = None,
    exclude: Exclude = None,
    columns: Columns = None,
    where: Where = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Let replicas go: the named ones, or all that are due. The lake keeps what they hold; that is checked first."""
    from forebay.client.keep import decide, evict_decided

    versions = looked_up(call, refs or [], Chosen(include=include, exclude=exclude, columns=columns, where=where))
    decisions = decide(call.session, versions)
    if dry_run:
        from forebay.client.price import with_costs

        decisions, price = with_costs(call.session, decisions), call.session.settings.price
        currency = price.currency if price is not None else ""
        refs_going = (item.candidate.replica.ref for item in decisions if item.evict)
        call.show(decisions, ids=refs_going, human=lambda out: print_decisions(out, decisions, currency))
        return
    going = [item for item in decisions if item.evict]
    if not going and not versions:
        call.show([], human=lambda out: say(out, "Nothing is due. See why with: forebay cache evict --dry-run"))
        return
    for item in decisions:
        if versions and not item.evict:
            call.report(_stays(item))
    if not going:
        return
    freed = sum(item.frees_bytes for item in going)
    named = ", ".join(item.candidate.replica.ref for item in going[:5]) + (", ..." if len(going) > 5 else "")
    call.confirm(f"Evict {named} (frees {size(freed)})?", yes=yes)
    done = evict_decided(call.session, going)
    for result in done:
        if result.error is not None:
            call.report(result.error)
    gone = [result for result in done if result.error is None]

    def human(out: Console) -> None:
        for result in gone:
            say(out, f"evicted {result.ref}: {size(result.freed_bytes)} freed ({result.reason})")
            if result.stuck:
                files = count(len(result.stuck), "file")
                say(
                    out,
                    f"  {files} could not be removed and go on counting (first: {result.stuck[0]}); tried again later",
                )

    call.show(done, ids=(result.ref for result in gone), human=human)


@command(
    app,
    "verify",
    example="""
forebay cache verify
forebay cache verify criteo@v1""",
    gives="forebay.cli.cache:VerifyResult",
)
def verify(call: Call, refs: AnyRefs = None, force: Force = False) -> None:
    """Hash replicas against their manifests. Damaged ones are taken out of use.

    A file that has not changed since it was hashed in the last 30 days is not hashed again.
    """
    from forebay.client.keep import ready_versions

    session = call.session
    versions = resolved(call, refs) if refs else ready_versions(session)
    with ByteBar(call, sum(version.size_bytes for version in versions)) as bar:
        verified, damaged = session.cache.verify(
            versions, session.memo_folder, force=force, on_file=lambda size_bytes: bar.add("verifying", size_bytes)
        )
    result = VerifyResult(verified=verified, damaged=damaged)
    call.show(result, ids=(item.ref for item in damaged), human=lambda out: print_verified(out, result))
    if damaged:
        named = " ".join(item.ref for item in damaged)
        call.report(
            DamagedError(
                "damaged",
                f"{count(len(damaged), 'replica')} taken out of use: {named}",
                todo=f"Fetch again what is missing: forebay cache warm {named}",
            )
        )


@command(
    app,
    "scrub",
    example="""
forebay cache scrub
forebay cache scrub --rate 50MB/s --every 1d""",
    gives="[forebay.cache.scrub:Scrubbed]",
)
def scrub(
    call: Call,
    rate: Annotated[str, typer.Option(metavar="RATE", help="Read no faster: 50MB/s; or max.")] = "100MB/s",
    every: Annotated[
        str, typer.Option(metavar="TIME", help="Begin again so long after each pass: 1d.", show_default=False)
    ] = "",
    refill: Annotated[bool, typer.Option(help="Fetch anew what is damaged.")] = True,
    force: Force = False,
) -> None:
    """Verify all replicas and fetch damaged files anew.

    The longest unverified comes first. A file that has not changed since it was hashed in the last 30 days is not
    hashed again. A damaged file rests in quarantine; all others stay readable. When more than 5 % of the files seem
    damaged it stops and asks: see --force. With --every it goes on for ever, whatever a pass meets, and with --json
    each pass is a line.
    """
    from forebay.settings import parse_duration, parse_rate

    rate_bytes_s = parse_option("--rate", rate, parse_rate)
    pause_s = parse_option("--every", every, parse_duration) if every else None
    scrubber = call.session.scrubber(rate_bytes_s, refill=refill, force=force, wait=time.sleep)
    while pause_s:
        try:
            _tell_pass(call, _scrub(call, scrubber), one_of_many=True)
        except ForebayError as error:
            # The volume is away or shaky, or the hub is: that may be over by the next pass.
            call.report(error)
        time.sleep(pause_s)
    _tell_pass(call, _scrub(call, scrubber))


@command(app, "health", example="forebay cache health", gives="forebay.wire.cache:Volume")
def health(call: Call) -> None:
    """Try the volume out and show its health.

    A small file is written, synced, read back and deleted.
    An unstable volume is only read; one that is down is left alone. Both are tried again when somebody wants them.
    """
    volume = call.session.cache.try_out()
    call.show(volume, ids=[volume.state.value], human=lambda out: print_health(out, volume, call.now))
    if volume.state_reason:
        message = f"the volume {volume.path} is {volume.state}: {volume.state_reason}"
        todo = "Look at its disk and its mount, and ask again."
        call.report(UnavailableError(f"volume-{volume.state}", message, todo=todo))


@command(
    app,
    "recover",
    example="""
forebay cache recover --dry-run
forebay cache recover --adopt --volume /mnt/cache""",
    gives="forebay.cache.recover:Recovered",
)
def recover(
    call: Call,
    dry_run: DryRun = False,
    force: Force = False,
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over a volume of another forebay.")] = False,
) -> None:
    """Mend the records from what is on the volume.

    After a crash, a power cut, or the loss of the hub's database.
    """
    from forebay.client.mend import mend

    done = mend(call.session, dry_run=dry_run, force=force, adopt=adopt)
    refs = [tree.ref for tree in done.repairs.adopt] + [item.ref for item in done.repairs.forget]
    call.show(done, ids=refs, human=lambda out: print_recovered(out, done, dry_run=dry_run))


@command(
    app,
    "advise",
    example="""
forebay cache advise
forebay cache advise --size 500GB --size 2TB --since 90d""",
    gives="[forebay.cache.advise:Replayed]",
)
def advise(
    call: Call,
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="SIZE", help="A volume's size; may repeat.", show_default=False),
    ] = None,
    since: Annotated[str, typer.Option(metavar="AGE", help="Only uses since then: 90d.", show_default=False)] = "",
) -> None:
    """Replay past uses on volumes of other sizes.

    How many would have found their version there, and what the others would have moved, in what time.
    """
    from forebay.client.advice import advise as use

    session = call.session
    began = parse_since(since, call.now) if since else 0.0
    found = use(session, [parse_size(text) for text in sizes or ()], began)
    limit_bytes = session.cache.volume().limit_bytes
    call.show(
        found, ids=(str(item.limit_bytes) for item in found), human=lambda out: print_advice(out, found, limit_bytes)
    )


@command(app, "events", example="forebay cache events --limit 20", gives="[forebay.wire.cache:CacheEvent]")
def events(call: Call, limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50) -> None:
    """Show the volume's history, newest first."""
    session = call.session
    found = session.hub.volumes.events(session.cache.volume_id, limit)
    refs = dict.fromkeys(event.ref for event in found)
    call.show(found, ids=refs, human=lambda out: print_events(out, found))


def _scrub(call: Call, scrubber: Scrubber) -> Scrubbed:
    with ByteBar(call, sum(item.size_bytes for item in call.session.cache.replicas())) as bar:
        return scrubber.run(lambda size_bytes: bar.add("scrubbing", size_bytes))


def _tell_pass(call: Call, done: Scrubbed, *, one_of_many: bool = False) -> None:
    """One pass, told at once."""
    call.show([done], ids=done.damaged, human=lambda out: print_scrubbed(out, done), one_of_many=one_of_many)
    for _, error in done.failed:
        call.report(error)


def _warm(call: Call, version: Version, bar: ByteBar) -> Warmed:
    warmed = call.session.warm(version, "cache warm", bar.fill(version.ref))
    bar.finish(version.ref, version.size_bytes)
    return warmed


def _stays(item: Decision) -> ForebayError:
    from forebay.errors import ConflictError

    ref = item.candidate.replica.ref
    return ConflictError(item.rule.value, f"{ref} stays: {item.reason}", todo=f"See: forebay cache why {quote(ref)}")
