"""A large team's hub, for bench.pages: made in bulk on SQLite or PostgreSQL, then served as any other.

What pages read from files is there as well: manifests of all versions that some volume holds, one of so many files and
the one before it, and what three runs left. Its sites' agents beat while it is served, and tell of fills while it is
watched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa

from bench.hub import Asker, hub_process
from bench.paged_catalog import HIDDEN_EVERY, USERS, Rows, Size, catalog_rows, site, user
from bench.paged_work import QUEUED, fill_id, fills, logged, run_id, total_bytes, volume, volume_rows, work_rows
from forebay.cache.machine import Terms
from forebay.catalog.engine import writing
from forebay.catalog.manifest import Entry, Manifest
from forebay.clock import SystemClock
from forebay.hub.access.secret import new_secret
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached.world import store_manifest
from forebay.testing.web.left import leave_report
from forebay.testing.web.previews import Lab, show_previews
from forebay.wire.access import NewToken, Role
from forebay.wire.sites import Hello

BEAT_S = 10.0
_FILLED_S = 1800.0
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The secrets of its tokens: the admin's, those of people by name, and those of sites' agents in order.

    `agents` are the tokens of their attaching.
    """

    size: Size
    admin: str
    people: dict[str, str]
    sites: tuple[str, ...]
    agents: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where it is, and the processes that serve it: the hub's, and those of its database."""

    made: Made
    url: str
    hub: int
    postgres: int = 0

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def database(self) -> list[int]:
        """The processes of the PostgreSQL server by now."""
        return [self.postgres, *_children(self.postgres)] if self.postgres else []


def make(home: Path, database_url: str, size: Size) -> Made:
    """Fill a new hub."""
    clock = SystemClock()
    now = clock.now()
    hub = LocalHub.open(home, database_url or f"sqlite:///{home}/hub.db", clock)
    try:
        first = AccessStore(hub.engine, clock).bootstrap()
        assert first is not None
        people = {user(number): new_secret() for number in range(USERS)}
        _write(hub.engine, volume_rows(size, now))
        agents = tuple(_attached(hub, number) for number in range(size.sites))
        _write(hub.engine, catalog_rows(size, now, _manifests(hub, size), people))
        _write(hub.engine, work_rows(size, now))
        for number, run in enumerate(running(size, 3)):
            leave_report(hub, hub.runs.get(run), noise=0.2 + 0.1 * number, learning_rate=f"0.{number + 1}")
        _settle(hub.engine)
        access = AccessStore(hub.engine, clock)
        show_previews(hub, access, lab=Lab(site=site(0), volume_id=volume(0), agent_token=agents[0]))
        tokens = (NewToken(user="admin", role=Role.ENGINEER, site=site(number)) for number in range(size.sites))
        secrets = tuple(access.make_token(new).secret for new in tokens)
    finally:
        hub.close()
    return Made(size=size, admin=first.secret, people=people, sites=secrets, agents=agents)


def running(size: Size, count: int) -> list[str]:
    """The newest runs that run; the first of them has a long log, the first three have reports."""
    return [run_id(logged(size) - back) for back in range(count)]


def queued(size: Size) -> str:
    """A run that waits for GPUs that no site has."""
    return run_id(size.runs - QUEUED // 2)


def sees_less() -> str:
    """Somebody from whom one dataset of `HIDDEN_EVERY` is hidden, but for those of one team."""
    return user(HIDDEN_EVERY)


@contextlib.contextmanager
def serving(home: Path, database_url: str, made: Made, postgres: int) -> Iterator[Serving]:
    """The hub as a process of its own."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
    env |= {"FOREBAY_HUB_TOKEN_RATE": "none", "FOREBAY_HUB_ADDRESS_RATE": "none", "FOREBAY_HOME": str(home)}
    env |= {"FOREBAY_DATABASE": database_url} if database_url else {}
    with hub_process(env) as (told, process):
        yield Serving(made=made, url=told["url"], hub=process.pid, postgres=postgres)


async def beating(served: Serving, ended: asyncio.Event) -> None:
    """The agents of all sites, each heard of every 10 s, until the end; RuntimeError where one is refused."""
    made = served.made
    askers = [Asker(served.port, secret) for secret in made.sites]
    begun = time.monotonic()
    turn = 0
    while not ended.is_set():
        number = turn % len(askers)
        body = {"agent_token": made.agents[number], "reports": []}
        status, told = await askers[number].ask("POST", f"/sites/{site(number)}/beats", body)
        if status >= 400:
            raise RuntimeError(f"the hub answered {status} to a beat: {json.dumps(told)}")
        turn += 1
        due = begun + turn * BEAT_S / len(askers)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), max(0.0, due - time.monotonic()))
    for asker in askers:
        asker.close()


async def filling(served: Serving, ended: asyncio.Event, silent: asyncio.Event) -> None:
    """The agents' fills under way, each told of as often as an agent does but while it is `silent`, until the end: all
    would be there in half an hour. RuntimeError where one is refused.
    """
    made, under_way = served.made, fills(served.made.size)
    askers = [Asker(served.port, made.sites[place]) for place, _ in under_way]
    begun = due = time.monotonic()
    turn = 0
    while not ended.is_set():
        due = max(due, time.monotonic()) + Terms().hold_beat_seconds / len(askers)
        number = turn % len(askers)
        total = total_bytes(under_way[number][1])
        moved = total // 3 + int(total * min(1 / 2, (time.monotonic() - begun) / _FILLED_S))
        progress = {"total_files": 20, "total_bytes": total, "moved_files": 20 * moved // total, "moved_bytes": moved}
        told = {"token": 1, "progress": progress}
        if not silent.is_set():
            status, answer = await askers[number].ask("PUT", f"/fills/{fill_id(number)}/progress", told)
            if status >= 400:
                raise RuntimeError(f"the hub answered {status} to a fill: {json.dumps(answer)}")
            turn += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), max(0.0, due - time.monotonic()))
    for asker in askers:
        asker.close()


@contextlib.contextmanager
def beating_beside(served: Serving) -> Iterator[None]:
    """The same in a thread of its own, for who wants no loop of another's in theirs; its error at the end."""
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    with ThreadPoolExecutor(1) as pool:
        beats = pool.submit(loop.run_until_complete, beating(served, ended))
        try:
            yield
        finally:
            loop.call_soon_threadsafe(ended.set)
            beats.result()
    loop.close()


def _attached(hub: LocalHub, number: int) -> int:
    hello = Hello(
        site=site(number),
        volume_id=volume(number),
        gpus=8,
        cpus=64,
        memory_bytes=1 << 39,
        labels=f"gpu-type=a100,cloud={('azure', 'gcp', 'none')[number % 3]}",
    )
    return hub.sites.attach(hello).agent_token


def _manifests(hub: LocalHub, size: Size) -> dict[int, str]:
    """The digests of manifests that are there, by version. The first dataset's newest version is the large one."""
    found = {}
    for number in range(1, size.kept_versions + 1):
        entries = [Entry(path=f"day-{nth:02}.parquet", size_bytes=1000 + number, etag=f"{nth}") for nth in range(20)]
        found[number] = store_manifest(hub, Manifest.registered(entries))
    large = _large(size.files)
    found[size.each] = store_manifest(hub, Manifest.registered(large))
    found[size.each - 1] = store_manifest(hub, Manifest.registered(large.slice(size.files // 100)))
    return found


def _large(files: int) -> pa.Table:
    """In folders of a thousand."""
    paths = [f"images/{number // 1000:04}/{number:07}.jpg" for number in range(files)]
    return pa.table({"path": paths, "size_bytes": pa.array([9_000] * files, pa.int64()), "etag": ["e"] * files})


def _write(engine: sa.Engine, all_rows: Iterable[Rows]) -> None:
    for table, rows in all_rows:
        for begin in range(0, len(rows), _AT_ONCE):
            with writing(engine) as connection:
                connection.execute(sa.insert(table), rows[begin : begin + _AT_ONCE])


def _settle(engine: sa.Engine) -> None:
    """What a server would do of itself: count on from the numbers that were given, and gather statistics."""
    if engine.dialect.name != "postgresql":
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        named = "SELECT table_name, column_name FROM information_schema.columns WHERE column_default LIKE 'nextval%'"
        for table, column in connection.execute(sa.text(named)).all():
            # Names out of this database's own catalogue.
            largest = f'SELECT coalesce(max({column}), 0) + 1 FROM "{table}"'
            connection.execute(
                sa.text(f"SELECT setval(pg_get_serial_sequence('\"{table}\"', '{column}'), ({largest}))")
            )
        connection.execute(sa.text("VACUUM ANALYZE"))


def _children(parent: int) -> Sequence[int]:
    try:
        told = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(number) for number in told.split()]
