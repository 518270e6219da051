"""`forebay exec` and `forebay path`: use versions as plain files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.bars import ByteBar
from forebay.cli.call import Call
from forebay.cli.child import run_child
from forebay.cli.command import command
from forebay.cli.dashes import AfterDashes
from forebay.cli.options import Columns, Exclude, Include, Ref, Refs, Where
from forebay.cli.selected import Chosen, drafts, resolved
from forebay.errors import ConflictError, InputError
from forebay.runs.placeholders import filled_in, variables_of

if TYPE_CHECKING:
    from forebay.client.opened import OpenedVersion
    from forebay.client.subset import Draft
    from forebay.wire.catalog import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """Where a version's files are."""

    ref: str
    path: Path


def add_to(app: typer.Typer) -> None:
    """Add both commands at the top, where they are used most."""
    command(
        app,
        "exec",
        example="""
forebay exec criteo@v1 -- python train.py {criteo}
forebay exec criteo@v1 --include 'day_0*' -- python train.py {criteo}
forebay exec criteo features@prod -- sh -c 'wc -l $FOREBAY_CRITEO/*'""",
        gives="nothing of its own: stdout is the command's",
        cls=AfterDashes,
    )(exec_)
    command(
        app,
        "path",
        example="""
ls $(forebay path criteo@v1)
forebay path criteo@prod --fill
forebay path criteo@v1 --include 'day_0*' --fill""",
        gives="forebay.cli.use:PathResult",
    )(path)


def exec_(
    call: Call,
    refs: Refs,
    include: Include = None,
    exclude: Exclude = None,
    columns: Columns = None,
    where: Where = None,
) -> None:
    """Run a command that uses versions as files.

    Leases keep them here while it runs. In its arguments {NAME} is the path of the version of dataset NAME, and
    {NAME@v1} that of the version given so; in its environment FOREBAY_NAME is the path, in capitals and with _ for all
    but letters and digits. Other braces stay as they are. The exit code is the command's, or 128 + n when signal n
    ended it.
    """
    if not call.rest:
        raise InputError("usage", "there is no command to run", todo="forebay exec REF... -- COMMAND [ARGS]...")
    versions = {
        ref: resolved(call, [ref], Chosen(include=include, exclude=exclude, columns=columns, where=where))[0]
        for ref in refs
    }
    with _opened(call, list(versions.values())) as opened:
        paths = {ref: opened[version.ref].path for ref, version in versions.items()}
        names = _by_dataset(versions)
        words = {**paths, **{name: opened[version.ref].path for name, version in names.items()}}
        variables, left_out = variables_of({name: str(words[name]) for name in names}, _taken())
        for name in left_out:
            call.note(f"no variable for {name}: its name would be that of something else; use {{{name}}}")
        here = {f"FOREBAY_{name.upper()}": str(value) for name, value in call.flags.items()}
        call.exit_code = run_child(filled_in(call.rest, words), {**os.environ, **here, **variables})


def path(
    call: Call,
    ref: Ref,
    include: Include = None,
    exclude: Exclude = None,
    columns: Columns = None,
    where: Where = None,
    fill: Annotated[bool, typer.Option("--fill", help="Bring it here first, if it is not.")] = False,
) -> None:
    """Print where a version's files are. Nothing keeps them there but their next use: see `forebay exec`."""
    session = call.session
    chosen = Chosen(include=include, exclude=exclude, columns=columns, where=where)
    if fill:
        (version,) = resolved(call, [ref], chosen)
        with ByteBar(call, version.size_bytes) as bar:
            session.warm(version, "path", bar.fill(version.ref))
    else:
        with drafts(call, [ref], chosen) as (draft,):
            version = _ready(call, draft)
    result = PathResult(ref=version.ref, path=session.cache.path(version))
    call.show(result, ids=[str(result.path)], human=lambda out: out.out(str(result.path)))


@contextmanager
def _opened(call: Call, versions: Sequence[Version]) -> Iterator[dict[str, OpenedVersion]]:
    """All versions open, each once; filled under one bar first."""
    from forebay.client.opened import OpenedVersion

    session = call.session
    distinct = {version.ref: version for version in versions}
    with ExitStack() as stack:
        opened: dict[str, OpenedVersion] = {}
        with ByteBar(call, sum(version.size_bytes for version in distinct.values())) as bar:
            for ref, version in distinct.items():
                leased = session.lease(
                    version,
                    f"exec {call.rest[0]}",
                    bar.fill(ref),
                    lambda error: call.note(f"Warning: {error.message}. {error.todo}"),
                )
                opened[ref] = stack.enter_context(OpenedVersion(version, leased, session.hub.catalog))
                bar.finish(ref, version.size_bytes)
        yield opened


def _by_dataset(versions: Mapping[str, Version]) -> dict[str, Version]:
    """By dataset name, where only one version of it was given."""
    distinct = {version.ref: version for version in versions.values()}
    times = Counter(version.dataset for version in distinct.values())
    return {version.dataset: version for version in distinct.values() if times[version.dataset] == 1}


def _taken() -> list[str]:
    """What FOREBAY_... means to forebay itself."""
    from forebay.settings import MEANINGS

    return ["DEBUG", *(name.upper() for name in MEANINGS)]


def _ready(call: Call, draft: Draft) -> Version:
    """The version; ConflictError `not-ready` when it is not here."""
    from forebay.cache.place import is_complete
    from forebay.wire.cache import ReplicaState

    cache, version = call.session.cache, draft.version
    if draft.contents is None:
        named = quote(version.ref)
        todo = f"Bring it here: forebay cache warm {named}   (or: forebay path {named} --fill)"
        replica = call.session.hub.replicas.get(cache.volume_id, version)
        if replica is not None and replica.state is ReplicaState.READY and is_complete(cache.path(version)):
            return version
    else:
        todo = "Bring it here: forebay cache warm, or forebay path --fill, with the same options"
    raise ConflictError("not-ready", f"{version.ref} is not ready on this volume", todo=todo)
