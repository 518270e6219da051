"""`forebay dataset register` and `commit`: versions of what lies in a lake, and of a local directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forebay.cli.bars import counter
from forebay.cli.call import Call
from forebay.cli.command import command
from forebay.cli.dataset_shown import kept, sent
from forebay.cli.made_by import made_by_this_call
from forebay.cli.options import DescribedAs, DryRun, Message, Name, Profile, TeamName
from forebay.cli.table import say
from forebay.cli.words import count, size
from forebay.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console


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


def add_to(app: typer.Typer) -> None:
    """Add the two commands."""
    command(
        app,
        "register",
        example="""
forebay dataset register criteo 's3://lake/criteo/day_*'
forebay dataset register criteo s3://lake/criteo/ --profile minio -m 'week 12'""",
        gives={"": "forebay.client.register:Registered", "--dry-run": "forebay.cli.dataset_make:PlannedRegister"},
    )(register)
    command(
        app,
        "commit",
        example="""
forebay dataset commit features ./out --parent criteo@v1
forebay dataset commit features ./out --parent criteo@v1 --made-by 'python prepare.py --folds 5'""",
        gives={"": "forebay.client.commit:Committed", "--dry-run": "forebay.cli.dataset_make:PlannedCommit"},
    )(commit)


def register(
    call: Call,
    name: Name,
    urls: Annotated[list[str], typer.Argument(metavar="URL...", help="s3://, az://, gs://, https://, file://; globs")],
    message: Message = "",
    description: DescribedAs = "",
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
            description=description,
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
    _note_what_it_is(call, name, description)
    call.show(done, ids=[version.ref], human=lambda out: say(out, told))


def commit(
    call: Call,
    name: Name,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Its files become the version.")],
    parent: Annotated[list[str] | None, typer.Option(metavar="REF", help="What it was made from; may repeat.")] = None,
    message: Message = "",
    description: DescribedAs = "",
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
            description=description,
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

    _note_what_it_is(call, name, description)
    call.show(committed, ids=[version.ref], human=human)


def _note_what_it_is(call: Call, name: str, description: str) -> None:
    """A dataset that was there already keeps its own description."""
    if description.strip() and call.session.hub.catalog.dataset(name).description != description.strip():
        call.note(
            f"{name} was there already and keeps its description: forebay dataset describe {name} TEXT changes it"
        )


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
