"""`forebay dataset`: make versions, look at them, name them, let them go."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli import dataset_describe, dataset_make, dataset_policy, dataset_retention, tag
from forebay.cli.call import Call
from forebay.cli.command import Group, command
from forebay.cli.dataset_shown import (
    file_row,
    print_dataset,
    print_diff,
    print_lineage,
    print_removal,
    print_version,
)
from forebay.cli.options import DryRun, Name, NameOrRef, Ref, Yes
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


dataset_make.add_to(app)


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
