"""`forebay dataset`: make versions, look at them, name them, let them go."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli import dataset_describe, dataset_policy, dataset_retention, tag
from forebay.cli.bars import counter
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.dataset_shown import (
    file_row,
    kept,
    print_dataset,
    print_diff,
    print_lineage,
    print_removal,
    print_version,
    sent,
)
from forebay.cli.made_by import made_by_this_call
from forebay.cli.options import DryRun, Message, Name, NameOrRef, Profile, Ref, TeamName, Yes
from forebay.cli.table import keep, number, print_table, say, text, wrapped
from forebay.cli.words import ago, count, size
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from forebay.wire.catalog import Dataset, Version

app = typer.Typer(cls=Group, no_args_is_help=True, help="Make, see, name and remove versions.")

_SHOWN_FILES = 50
_SHOWN_CHANGES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRegister:
    """What a registration would add; `unchanged` when the latest version already is exactly this."""

    dataset: str
    lake_url: str
    manifest_digest: str
    files: int
    size_bytes: int
    skipped_markers: int
    unchanged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCommit:
    """What a commit would send."""

    dataset: str
    lake_url: str
    manifest_digest: str
    send_files: int
    send_bytes: int
    present_files: int
    present_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDetails:
    """A dataset with all its versions, newest first."""

    dataset: Dataset
    versions: tuple[Version, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffResult:
    """Files and bytes by kind of change; the changed files where `--files` asks for them."""

    old: str
    new: str
    same: bool
    tallies: dict[str, Any]
    changes: tuple[Any, ...]


@command(
    app,
    "register",
    example="""
forebay dataset register criteo 's3://lake/criteo/day_*'
forebay dataset register criteo s3://lake/criteo/ --profile minio -m 'week 12'""",
    gives={"": "forebay.client.register:Registered", "--dry-run": "forebay.cli.dataset:PlannedRegister"},
)
def register(
    call: Call,
    name: Name,
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="s3://, az://, gs://, https://, file://; globs")],
    message: Message = "",
    profile: Profile = None,
    team: TeamName = "",
    allow_http: Annotated[bool, typer.Option("--allow-http", help="Allow plain http:// URLs.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Make a version of objects that lie in a lake already. Lists them; reads and copies none."""
    from forebay.client import register as use

    for url in urls:
        _refuse_path(url)
    with counter(call, "listing") as counted:

        def on_listed(listed: Any) -> None:
            counted.show(f"listing: {count(listed.objects, 'object')}, {size(listed.size_bytes)}")

        if dry_run:
            planned = use.plan_registration(
                call.session, name, urls, profile=profile, allow_http=allow_http, on_listed=on_listed
            )
            _show_planned_register(call, name, planned)
            return
        done = use.register(
            call.session,
            name,
            urls,
            message=message,
            profile=profile,
            team=team,
            allow_http=allow_http,
            on_listed=on_listed,
        )
    version = done.version
    if done.skipped_markers:
        call.note(f"{count(done.skipped_markers, 'folder marker')} left out")
    what = "registered" if done.created else "nothing changed: already registered as"
    told = f"{what} {version.ref}: {count(version.files, 'file')}, {size(version.size_bytes)}"
    call.show(done, ids=[version.ref], human=lambda out: say(out, told))


@command(
    app,
    "commit",
    example="""
forebay dataset commit features ./out --parent criteo@v1
forebay dataset commit features ./out --parent criteo@v1 --made-by 'python prepare.py --folds 5'""",
    gives={"": "forebay.client.commit:Committed", "--dry-run": "forebay.cli.dataset:PlannedCommit"},
)
def commit(
    call: Call,
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Its files become the version.")],
    parent: Annotated[list[str] | None, typer.Option(metavar="REF", help="What it was made from; may repeat.")] = None,
    message: Message = "",
    made_by: Annotated[str, typer.Option(metavar="TEXT", help="What made it; default: this command.")] = "",
    lake: Annotated[str | None, typer.Option(metavar="URL", help="Where it goes; default: the setting `lake`.")] = None,
    profile: Profile = None,
    team: TeamName = "",
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Leave it out of the cache volume.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Make a version of a local directory. Files that the lake has already are not sent again.

    The version is ready on the cache volume at once, made of the directory itself, if there is room.
    """
    from forebay.client import commit as use

    done = {"hashed": 0, "sent": 0}
    with counter(call, "hashing") as counted:

        def on_progress(stage: str, size_bytes: int) -> None:
            done[stage] += size_bytes
            sent = f", {size(done['sent'])} sent" if done["sent"] else ""
            counted.show(f"{size(done['hashed'])} hashed{sent}")

        if dry_run:
            to = use.destination(call.session, lake, profile)
            _show_planned_commit(call, name, to.lake_url, use.plan_commit(directory, to, on_progress))
            return
        committed = use.commit(
            call.session,
            name,
            directory,
            parents=parent or [],
            message=message,
            made_by=made_by_this_call(made_by),
            lake=lake,
            profile=profile,
            team=team,
            keep=not no_keep,
            on_progress=on_progress,
        )
    version = committed.version
    told = f"committed {version.ref}: {sent(committed)}"
    if not committed.created:
        what = f"{count(version.files, 'file')}, {size(version.size_bytes)}"
        told = f"nothing changed: already committed as {version.ref}: {what}"

    def human(out: Console) -> None:
        say(out, told)
        if not no_keep:
            say(out, f"  {kept(committed)}")

    call.show(committed, ids=[version.ref], human=human)


@command(app, "ls", example="forebay dataset ls", gives="[forebay.wire.catalog:Dataset]")
def ls(call: Call) -> None:
    """List all datasets."""
    found = call.session.hub.catalog.datasets()
    now = call.now

    def human(out: Console) -> None:
        if not found:
            say(out, "No dataset yet. Make the first: forebay dataset register NAME 's3://bucket/folder/*'")
            return
        columns = [
            keep("DATASET"),
            number("LATEST"),
            number("VERSIONS"),
            number("SIZE"),
            text("TEAM"),
            text("OWNER"),
            text("MADE"),
        ]
        print_table(
            out,
            columns,
            (
                (
                    item.name,
                    f"v{item.latest}" if item.latest else "",
                    str(item.versions),
                    size(item.size_bytes),
                    item.team,
                    item.owner,
                    ago(item.created_at, now),
                )
                for item in found
            ),
        )

    call.show(found, ids=(item.name for item in found), human=human)


@command(
    app,
    "show",
    example="""
forebay dataset show criteo
forebay dataset show criteo@prod""",
    gives={"NAME": "forebay.cli.dataset:DatasetDetails", "REF": "forebay.wire.catalog:Version"},
)
def show(
    call: Call, what: NameOrRef, all_: Annotated[bool, typer.Option("--all", help="Retired versions, too.")] = False
) -> None:
    """Show a dataset with its versions, or one version."""
    catalog = call.session.hub.catalog
    if "@" in what:
        version = catalog.resolve(what)
        call.show(version, ids=[version.ref], human=lambda out: print_version(out, version, call.now))
        return
    details = DatasetDetails(dataset=catalog.dataset(what), versions=tuple(catalog.versions(what, retired=all_)))
    refs = [version.ref for version in details.versions]
    call.show(details, ids=refs, human=lambda out: print_dataset(out, details, call.now))


@command(
    app,
    "files",
    example="""
forebay dataset files criteo@v1 --limit 10
forebay dataset files criteo@v1 -q --all | head""",
    gives="[forebay.catalog.manifest:Entry]",
)
def files(
    call: Call,
    ref: Ref,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.", show_default=False)] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them (default with --json and -q).")] = False,
) -> None:
    """List a version's files."""
    from forebay.client.contents import files_of

    version = call.session.hub.catalog.resolve(ref)
    if limit is None and not (all_ or call.json or call.quiet):
        limit = _SHOWN_FILES
    listed = files_of(call.session, version, None if all_ else limit)

    def human(out: Console) -> None:
        entries = list(listed)
        print_table(out, [number("SIZE"), keep("DIGEST"), wrapped("PATH")], (file_row(entry) for entry in entries))
        if len(entries) < version.files:
            say(out, f"... {version.files - len(entries):,} more: --all shows all {version.files:,}")

    call.show(listed, ids=(entry.path for entry in listed), human=human)


@command(
    app,
    "diff",
    example="""
forebay dataset diff criteo@v1 criteo@v2
forebay dataset diff criteo@prod criteo --files""",
    gives="forebay.cli.dataset:DiffResult",
)
def diff(
    call: Call,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The version to start from.", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The version it became.", show_default=False)],
    list_files: Annotated[bool, typer.Option("--files", help="Name every changed file.")] = False,
) -> None:
    """Show what changed between two versions. With --files, each file."""
    from forebay.client.contents import compare

    catalog = call.session.hub.catalog
    before, after = catalog.resolve(old), catalog.resolve(new)
    found = compare(call.session, before, after)
    result = DiffResult(
        old=before.ref,
        new=after.ref,
        same=found.same,
        tallies={kind.value: tally for kind, tally in found.tallies.items()},
        changes=tuple(found.changes()) if list_files else (),
    )
    paths = (change.path for change in found.changes())
    call.show(result, ids=paths, human=lambda out: print_diff(out, result, found, all_files=list_files))


tag.add_to(app)
dataset_describe.add_to(app)
dataset_retention.add_to(app)
app.add_typer(dataset_policy.app, name="policy")


@command(
    app,
    "team",
    example="""
forebay dataset team criteo ads
forebay dataset team criteo --none""",
    gives="forebay.wire.catalog:Dataset",
)
def team(
    call: Call,
    name: Name,
    team: Annotated[str, typer.Argument(metavar="[TEAM]", help="The team: ads", show_default=False)] = "",
    none: Annotated[bool, typer.Option("--none", help="Nobody's: no quota counts it.")] = False,
) -> None:
    """Say whose quotas a dataset's replicas count against, from now on."""
    if bool(team) == none:
        raise InputError("usage", "name one team", todo="forebay dataset team criteo ads, or --none")
    dataset = call.session.hub.catalog.set_team(name, team)
    told = f"{name} is {f'the team {dataset.team}' if dataset.team else 'nobody'}'s now"
    call.show(dataset, ids=[name], human=lambda out: say(out, told))


@command(app, "lineage", example="forebay dataset lineage criteo@v3", gives="forebay.wire.catalog:Lineage")
def lineage(call: Call, ref: Ref) -> None:
    """Show what a version was made from, and what was made from it."""
    catalog = call.session.hub.catalog
    version = catalog.resolve(ref)
    found = catalog.lineage(version.dataset, version.number)
    edges = (*found.upstream, *found.downstream)
    refs = dict.fromkeys(itertools.chain.from_iterable((edge.parent, edge.child) for edge in edges))
    call.show(found, ids=refs or [version.ref], human=lambda out: print_lineage(out, version, found))


@command(
    app,
    "rm",
    example="""
forebay dataset rm criteo@v1 --dry-run
forebay dataset rm criteo --yes""",
    gives="forebay.client.contents:Removal",
)
def rm(call: Call, what: NameOrRef, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Forget a version, or a dataset with all its versions. What lies in the lake stays there."""
    from forebay.client.contents import plan_removal
    from forebay.client.subset import require_whole

    catalog = call.session.hub.catalog
    whole = "@" not in what
    versions = catalog.versions(what, retired=True) if whole else [require_whole(catalog.resolve(what))]
    planned = plan_removal(call.session, versions)
    named = f"{what} with {count(len(versions), 'version')}" if whole else versions[0].ref
    if dry_run:
        call.show(planned, ids=planned.refs, human=lambda out: print_removal(out, named, planned.held_by))
        return
    if not planned.held_by:
        call.confirm(f"Forget {named} ({size(planned.size_bytes)})? The lake keeps its objects.", yes=yes)
    if whole:
        catalog.remove_dataset(what)
    else:
        catalog.remove_version(versions[0].dataset, versions[0].number)
    call.show(planned, ids=planned.refs, human=lambda out: say(out, f"forgot {named}; the lake keeps its objects"))


def _refuse_path(url: str) -> None:
    if "://" not in url and (url.startswith((".", "/", "~")) or os.path.exists(url)):
        whole = Path(url).expanduser().absolute()
        raise InputError(
            "bad-lake-url", f"{url!r} is not a lake URL: it has no scheme.", todo=f"Write 'file://{whole}'"
        )


def _show_planned_register(call: Call, name: str, planned: Any) -> None:
    from forebay.client.contents import latest_of

    latest = latest_of(call.session, name)
    digest = planned.manifest.manifest_digest
    result = PlannedRegister(
        dataset=name,
        lake_url=planned.lake_url,
        manifest_digest=digest,
        files=len(planned.manifest),
        size_bytes=planned.manifest.size_bytes,
        skipped_markers=planned.skipped_markers,
        unchanged=latest is not None and latest.manifest_digest == digest,
    )
    told = f"would register {count(result.files, 'file')}, {size(result.size_bytes)}, of {result.lake_url}"
    if latest is not None and result.unchanged:
        told = f"nothing changed: already registered as {latest.ref}"
    elif latest is not None:
        told += f" as {name}@v{latest.number + 1} or later"
    call.show(result, human=lambda out: say(out, told))


def _show_planned_commit(call: Call, name: str, lake_url: str, planned: Any) -> None:
    result = PlannedCommit(
        dataset=name,
        lake_url=lake_url,
        manifest_digest=planned.manifest.manifest_digest,
        send_files=len(planned.missing),
        send_bytes=planned.missing_bytes,
        present_files=planned.present_files,
        present_bytes=planned.present_bytes,
    )
    told = f"would send {count(result.send_files, 'file')}, {size(result.send_bytes)}, to {lake_url}"
    if result.present_files:
        told += f"; {count(result.present_files, 'file')}, {size(result.present_bytes)}, there already"
    call.show(result, human=lambda out: say(out, told))
