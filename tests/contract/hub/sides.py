"""Two hubs that differ in one dataset alone: on one it is hidden, on the other it does not exist."""

from __future__ import annotations

import gzip
import itertools
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa
from sqlalchemy import Engine

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ForebayError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Agent, Person, Principal
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder, store_manifest
from forebay.wire.access import DatasetPolicy, NewToken, Role
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import NewVersion, ParentVersion, Version
from forebay.wire.links import TransferReport
from forebay.wire.rules import NewRule
from forebay.wire.runs import Code, DataUse, NewRun
from forebay.wire.sites import Hello, TaskKind

VOLUME, AGENTS_VOLUME, ASKING_VOLUME = "v1", "w1", "x1"
HIDDEN = "clicks-private"
DONE = FillDone(added_bytes=10, moved_bytes=10, present_bytes=0, seconds=1.0, seal_digest="")

ADMIN = Person(user="root", role=Role.ADMIN)
OUTSIDERS: dict[str, tuple[Principal, str]] = {
    "viewer": (Person(user="vera", role=Role.VIEWER), VOLUME),
    "scientist": (Person(user="eve", role=Role.SCIENTIST), VOLUME),
    "engineer": (Person(user="ed", role=Role.ENGINEER, teams=frozenset({"maps"})), VOLUME),
    "token for one dataset": (Person(user="root", role=Role.ADMIN, only=frozenset({"clicks", "report"})), VOLUME),
    "agent of another site": (Agent(site="aks", user="root"), AGENTS_VOLUME),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A hub, and what a call needs to name the hidden dataset and what hangs on it."""

    hub: LocalHub
    access: AccessStore
    secret: Version
    fill_id: str
    lease_id: str
    token_id: str
    run_id: str
    task_id: str
    rule_id: str
    bundle: str
    token: int = 1
    ticket: str = "fbt_none"

    def as_(self, principal: Principal) -> Guarded:
        return Guarded(self.hub, self.access, principal)


@contextmanager
def two_sides(folder: Path, new_database: Callable[[str], str]) -> Iterator[tuple[Side, Side]]:
    """The one where the dataset is hidden, and the one where it is not; their ids are the same."""
    with ExitStack() as stack:
        sides = []
        for name in ("hidden", "missing"):
            hub = LocalHub.open(folder / name, new_database(name), FakeClock())
            stack.callback(hub.close)
            with mock.patch.object(uuid, "uuid4", side_effect=ids()):
                sides.append(_filled(hub, folder / name, hidden=name == "hidden"))
        hidden, missing = sides
        keys = ("secret", "fill_id", "lease_id", "run_id", "task_id", "rule_id", "bundle", "token", "ticket")
        yield hidden, replace(missing, **{key: getattr(hidden, key) for key in keys})


def outcome(call: Callable[[], Any]) -> Any:
    """What a call answers, as values that can be compared."""
    try:
        return _plain(call())
    except ForebayError as error:
        return type(error).__name__, error.kind, error.message, error.todo


def add(hub: LocalHub, dataset: str, content: str, *parents: Version, created_by: str = "root") -> Version:
    """A version of one object."""
    manifest = Manifest.registered([Entry(path="part", size_bytes=10, etag=content)])
    named = tuple(ParentVersion(dataset=item.dataset, number=item.number) for item in parents)
    new = NewVersion(
        dataset=dataset,
        manifest_digest=store_manifest(hub, manifest),
        origin="registered",
        lake_url="s3://lake/x",
        created_by=created_by,
        parents=named,
    )
    return hub.catalog.add_version(new).version


def fill(hub: LocalHub, volume_id: str, version: Version) -> Granted:
    granted = hub.fills.claim(volume_id, version, holder())
    assert isinstance(granted, Granted)
    return granted


def transfer(dataset: str, source: str = "s3://lake") -> TransferReport:
    return TransferReport(source=source, dataset=dataset, moved_bytes=10**9, seconds=20.0)


def _fetching(hub: LocalHub, secret: Version) -> tuple[int, str]:
    """The hidden dataset's transfers, and a ticket with which one of its fills fetches from the volume."""
    hub.links.report(VOLUME, transfer(HIDDEN))
    hub.links.report(VOLUME, transfer(HIDDEN, "s3://hidden-lake"))
    granted = fill(hub, ASKING_VOLUME, secret)
    (peer,) = hub.links.holders(granted.fill_id, granted.token, "s3://hidden-lake").peers
    return hub.fills.open_fills(VOLUME)[-1].token, peer.ticket


def _filled(hub: LocalHub, folder: Path, *, hidden: bool) -> Side:
    """What is visible first, so that ids and counters are the same with and without the rest."""
    access = AccessStore(hub.engine, FakeClock())
    for name, role in {"root": Role.ADMIN, "vera": Role.VIEWER, "eve": Role.SCIENTIST, "ed": Role.ENGINEER}.items():
        access.add_user(name, role)
    access.join_team("maps", ["ed"])
    access.join_team("ads", [])
    hub.volumes.add(VOLUME, f"/{folder.name}", 10_000)
    hub.volumes.add(AGENTS_VOLUME, f"/{folder.name}-aks", 10_000)
    access.subjects.settle(AGENTS_VOLUME, "aks")
    hub.volumes.add(ASKING_VOLUME, f"/{folder.name}-asking", 10_000)
    access.subjects.settle(ASKING_VOLUME, "dgx")
    hub.links.serve(VOLUME, "http://127.0.0.1:1")
    clicks = add(hub, "clicks", "first")
    hub.catalog.tag("clicks", "prod", 1, "root")
    for volume in (VOLUME, AGENTS_VOLUME):
        granted = fill(hub, volume, clicks)
        hub.fills.finish(granted.fill_id, granted.token, DONE)
        hub.leases.take(volume, clicks, holder())
    hub.volumes.set_quota(VOLUME, "maps", 1000)
    secret = clicks
    if hidden:
        secret = add(hub, HIDDEN, "other", clicks)
        access.set_policy(DatasetPolicy(dataset=HIDDEN, read=("ads",), sites=("dgx",)))
        secret = hub.catalog.resolve(secret.ref)
    report = add(hub, "report", "report", *([clicks, secret] if hidden else [clicks]))
    waits = fill(hub, VOLUME, report)
    fill_id, lease_id = waits.fill_id, ""
    hub.sites.attach(Hello(site="aks", volume_id=AGENTS_VOLUME, gpus=4, cpus=16, memory_bytes=2**34))
    run_id = hub.runs.submit(_run("clicks@v1")).run_id
    task_id = hub.sites.ask("aks", TaskKind.SCRUB, "", "to be sure", by="root").task_id
    rule_id = hub.rules.add(NewRule(ref="clicks@prod", at="site=aks", owner="root")).rule_id
    hub.rules.add(NewRule(ref="*@prod", newest=True, owner="root"))
    bundle = ""
    if hidden:
        bundle = hub.runs.store_code(_bundle(folder))
        run_id = hub.runs.submit(_run(secret.ref, "clicks@v1", code=Code(bundle=bundle))).run_id
        task_id = hub.sites.ask("aks", TaskKind.EVICT, secret.ref, "it may not be here", by="root").task_id
        hub.catalog.tag(HIDDEN, "prod", 1, "root")
        rule_id = hub.rules.add(NewRule(ref=f"{HIDDEN}@prod", owner="root")).rule_id
        granted = fill(hub, VOLUME, secret)
        hub.fills.finish(granted.fill_id, granted.token, DONE)
        lease_id = hub.leases.take(VOLUME, secret, holder()).lease_id
        hub.volumes.set_quota(VOLUME, "ads", 1000)
        hub.volumes.record(VOLUME, secret.ref, "noted", "why", 1)
        fill_id = fill(hub, VOLUME, add(hub, HIDDEN, "newer")).fill_id
    token_id = access.make_token(NewToken(user="root", role=Role.ADMIN)).token.token_id
    hub.links.report(VOLUME, transfer("clicks"))
    token, ticket = 1, "fbt_none"
    if hidden:
        token, ticket = _fetching(hub, secret)
    return Side(
        hub=hub,
        access=access,
        secret=secret,
        fill_id=fill_id,
        lease_id=lease_id,
        token_id=token_id,
        run_id=run_id,
        task_id=task_id,
        rule_id=rule_id,
        bundle=bundle,
        token=token,
        ticket=ticket,
    )


def _run(*refs: str, **more: Any) -> NewRun:
    data = tuple(DataUse(name=ref.partition("@")[0].replace("-", "_"), ref=ref) for ref in refs)
    return NewRun(command=("train",), data=data, gpus=1, estimate_s=60.0, submitted_by="root", **more)


def _bundle(folder: Path) -> Path:
    file = folder / "bundle.tar.gz"
    file.write_bytes(gzip.compress(b"code", mtime=0))
    return file


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """What the database is asked meanwhile, without the values."""
    found: list[str] = []

    def noted(*given: Any) -> None:
        statement = re.sub(r"%\(\w+\)s::\w+", "?", given[2])
        found.append(re.sub(r"IN \([^)]*\)", "IN ()", statement))

    sa.event.listen(engine, "before_cursor_execute", noted)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", noted)


def ids() -> Iterator[uuid.UUID]:
    """The same ones every time."""
    return (uuid.UUID(int=number) for number in itertools.count(1))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
