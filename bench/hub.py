"""A served hub under a team's load, beside what it holds on SQLite: a process of its own, asked over loopback HTTP.

Load: so many agents, each with a volume, beat every 10 s from when they attach, over connections of their own; people
resolve, lease, give back and list, 200 requests a second in all. Alone: one client resolves a version, leases its ready
replica, over and over. The clients are a few lines over sockets; what they take of the machine is told. PostgreSQL has
fsync off here. Run: python -m bench.hub [--rounds N] [--scale X] [--seconds S] [--hubs N]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import forebay
from bench.machine import machine_facts, options_parser
from bench.process import cpu_s, machine_busy_s
from bench.report import Case, Side, conclude, table
from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.testing.cached.world import add_version
from forebay.testing.servers import Postgres
from forebay.wire.cache import FillDone, Granted, Holder
from forebay.wire.catalog import Version

AGENTS = 1000
BEAT_S = 10.0
PEOPLE_S = 200  # requests a second

_ATTACHING = 4  # agents at once

VOLUME = "bench"
HOLDER = Holder(user="bench", host="bench", pid=1, purpose="bench")
_API = "/api/v1"
_FOREBAY = Path(sys.executable).with_name("forebay")


@dataclass(slots=True)
class Load:
    """What was asked, how long each answer took (seconds), and what was no answer.

    Times count from when all agents have attached (`counts`), errors always. The shares are of all cores.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    attach_s: float = 0.0
    counts: bool = False
    machine_share: float = 0.0
    hubs_share: float = 0.0
    clients_share: float = 0.0

    def add(self, what: str, seconds: float, status: int) -> None:
        if self.counts:
            self.seconds.setdefault(what, []).append(seconds)
        if status >= 400:
            self.errors[f"{what} {status}"] += 1

    @property
    def all(self) -> list[float]:
        return [item for found in self.seconds.values() for item in found]


class _Answer(asyncio.Protocol):
    """One connection, with one answer after another."""

    def __init__(self) -> None:
        self.told: asyncio.Future[tuple[int, bytes]] | None = None
        self.is_lost = False
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, ends, body = self._data.partition(b"\r\n\r\n")
        if not ends:
            return
        _, found, rest = head.lower().partition(b"content-length:")
        length = int(rest.partition(b"\r\n")[0]) if found else 0
        if len(body) >= length and self.told is not None:
            self._data = b""
            self.told.set_result((int(head[9:12]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self.told is not None and not self.told.done():
            self.told.set_exception(ConnectionResetError())


class Asker:
    """One connection that is kept, as an agent has."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        self._open: tuple[asyncio.Transport, _Answer] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the JSON of the answer. A connection that was idle for too long is opened anew."""
        try:
            return await self._ask(method, path, body)
        except ConnectionResetError:
            self._open = None
            return await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: object) -> tuple[int, Any]:
        loop = asyncio.get_running_loop()
        if self._open is None or self._open[1].is_lost:
            self._open = await loop.create_connection(_Answer, "127.0.0.1", self._port)
        transport, answer = self._open
        sent = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if sent else ""
        head = f"{method} {_API}{path} HTTP/1.1\r\n{self._head}{kind}Content-Length: {len(sent)}\r\n\r\n"
        answer.told = loop.create_future()
        transport.write(head.encode() + sent)
        status, data = await answer.told
        return status, json.loads(data) if data else None

    def close(self) -> None:
        if self._open is not None:
            self._open[0].close()


def main() -> None:
    parser = options_parser("bench.hub", __doc__, rounds=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each load lasts (default: %(default)s)")
    parser.add_argument("--hubs", type=int, default=1, help="so many hubs on the PostgreSQL (default: %(default)s)")
    options = parser.parse_args()
    facts = machine_facts(Path(tempfile.gettempdir()))
    agents = int(AGENTS * options.scale)
    loads: dict[str, list[Load]] = {"PostgreSQL": [], "SQLite": []}
    alone: dict[str, list[float]] = {"PostgreSQL": [], "SQLite": []}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-hub-") as scratch, Postgres.start() as postgres:
        for number in range(options.rounds):
            for name in loads:
                home = Path(scratch) / f"{name}-{number}"
                hubs = options.hubs if name == "PostgreSQL" else 1
                with _serving(home, postgres.new_database() if name == "PostgreSQL" else "", hubs) as served:
                    version = _ready(served, Path(scratch) / f"client-{name}-{number}")
                    alone[name] += asyncio.run(_alone(served, version, options.seconds / 3))
                    loads[name].append(asyncio.run(_load(served, version, agents, options)))
                    _say(number, name, loads[name][-1])
    print(_table(agents, options.seconds, loads, alone))
    facts |= {"rounds": options.rounds, "scale": options.scale, "seconds": options.seconds, "agents": agents}
    facts |= {"hubs": options.hubs, "versions": {"forebay": forebay.__version__}}
    facts["errors"] = {name: dict(sum((load.errors for load in done), Counter())) for name, done in loads.items()}
    facts["attach_ms"] = {name: median(load.attach_s for load in done) / agents * 1000 for name, done in loads.items()}
    for what in ("machine_share", "hubs_share", "clients_share"):
        facts[what] = {name: median(getattr(load, what) for load in done) for name, done in loads.items()}
    conclude("hub", _cases(loads, alone), facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Hubs, each a process of its own, and the token of their admin."""

    urls: list[str]
    token: str
    pids: list[int]

    def asker(self, number: int, token: str = "") -> Asker:
        """One client of several: they go to the hubs in turn."""
        return Asker(int(self.urls[number % len(self.urls)].rpartition(":")[2]), token or self.token)


@contextlib.contextmanager
def _serving(home: Path, database: str, hubs: int) -> Iterator[Served]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
    env |= {"FOREBAY_HUB_TOKEN_RATE": "none", "FOREBAY_HUB_ADDRESS_RATE": "none"}
    env |= {"FOREBAY_DATABASE": database} if database else {}
    with contextlib.ExitStack() as started:
        found = [
            started.enter_context(hub_process({**env, "FOREBAY_HOME": f"{home}-{number}"})) for number in range(hubs)
        ]
        yield Served(
            urls=[told["url"] for told, _ in found],
            token=found[0][0]["token"],
            pids=[process.pid for _, process in found],
        )


@contextlib.contextmanager
def hub_process(env: dict[str, str]) -> Iterator[tuple[dict[str, str], subprocess.Popen[str]]]:
    """A hub, and what it tells of itself."""
    command = [str(_FOREBAY), "hub", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1].rstrip() != "}":
                lines.append(process.stdout.readline())
            yield json.loads("".join(lines)), process
        finally:
            process.terminate()
            process.wait(30)


def _ready(served: Served, home: Path) -> Version:
    """A version whose replica is ready on a volume, as the hub's records have it."""
    hub = RemoteHub(served.urls[0], served.token, home)
    hub.volumes.add(VOLUME, "/bench", 1 << 40)
    entries = [Entry(path=f"part-{number}", size_bytes=100, etag=str(number)) for number in range(100)]
    versions = [
        add_version(hub, f"clicks-{number}", Manifest.registered(entries), "s3://bench/lake") for number in range(20)
    ]
    version = versions[-1]
    granted = hub.fills.claim(VOLUME, version, HOLDER)
    assert isinstance(granted, Granted)
    done = FillDone(added_bytes=10, moved_bytes=10, present_bytes=0, seconds=1.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)
    hub.close()
    return version


async def _alone(served: Served, version: Version, seconds: float) -> list[float]:
    """How long resolve and lease take together, one after another."""
    asker = served.asker(0)
    found = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        await _checked(asker.ask("GET", f"/version?ref={version.ref.replace('@', '%40')}"))
        lease = await _checked(asker.ask("POST", f"/volumes/{VOLUME}/leases", _lease(version)))
        found.append(time.monotonic() - began)
        await _checked(asker.ask("DELETE", f"/leases/{lease['lease_id']}"))
    asker.close()
    return found


async def _load(served: Served, version: Version, agents: int, options: Any) -> Load:
    load, ended, attaching = Load(), asyncio.Event(), asyncio.Semaphore(_ATTACHING)
    began = time.monotonic()
    attached = asyncio.Barrier(agents + 1)
    async with asyncio.TaskGroup() as group:
        for number in range(agents):
            group.create_task(_agent(load, served, number, agents, attaching, attached, ended))
        await attached.wait()
        load.attach_s, load.counts = time.monotonic() - began, True
        hubs_s, clients_s, busy_s, began = cpu_s(served.pids), time.process_time(), machine_busy_s(), time.monotonic()
        until, a_second = began + options.seconds, PEOPLE_S * options.scale
        await asyncio.gather(
            *(_use(load, served.asker(number), version, number, a_second, until) for number in range(20))
        )
        cores_s = (time.monotonic() - began) * (os.cpu_count() or 1)
        load.counts = False
        load.machine_share = (machine_busy_s() - busy_s) / cores_s
        load.hubs_share = (cpu_s(served.pids) - hubs_s) / cores_s
        load.clients_share = (time.process_time() - clients_s) / cores_s
        ended.set()
    return load


async def _agent(
    load: Load,
    served: Served,
    number: int,
    agents: int,
    attaching: asyncio.Semaphore,
    attached: asyncio.Barrier,
    ended: asyncio.Event,
) -> None:
    """Attaches, and beats every 10 s from then on, each agent at another moment of them."""
    site = f"s{number}"
    async with attaching:
        admin = served.asker(number)
        new = {"user": "admin", "role": "admin", "site": site, "note": ""}
        made = await _checked(admin.ask("POST", "/tokens", new))
        volume = {"path": "/volume", "limit_bytes": 1 << 40, "host": site}
        await _checked(admin.ask("PUT", f"/volumes/v{number}", volume))
        admin.close()
        agent = served.asker(number, made["secret"])
        told = await _checked(
            agent.ask("PUT", f"/sites/{site}/agent", {"site": site, "volume_id": f"v{number}", "cpus": 8})
        )
    beating = asyncio.create_task(_beat(load, agent, number, told["agent_token"], agents))
    await attached.wait()
    await ended.wait()
    beating.cancel()
    agent.close()


async def _beat(load: Load, agent: Asker, number: int, agent_token: int, agents: int) -> None:
    path, body = f"/sites/s{number}/beats", {"agent_token": agent_token, "reports": []}
    phase_s = BEAT_S * number / agents
    while True:
        due = ((time.monotonic() - phase_s) // BEAT_S + 1) * BEAT_S + phase_s
        await asyncio.sleep(due - time.monotonic())
        await _timed(load, "beat", agent, "POST", path, body)


async def _use(load: Load, asker: Asker, version: Version, number: int, a_second: float, until: float) -> None:
    """One of twenty people: resolve, lease, give back, list; each is due at its time, whenever the last answer came."""
    step = 20 / a_second
    due, turn = time.monotonic() + step * number / 20, 0
    leases: list[str] = []
    ref = version.ref.replace("@", "%40")
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        match turn % 4:
            case 0:
                await _timed(load, "resolve", asker, "GET", f"/version?ref={ref}")
            case 1:
                told = await _timed(load, "lease", asker, "POST", f"/volumes/{VOLUME}/leases", _lease(version))
                leases += [told["lease_id"]] if told and "lease_id" in told else []
            case 2:
                await _timed(load, "list", asker, "GET", "/datasets?limit=20")
            case _ if leases:
                await _timed(load, "give back", asker, "DELETE", f"/leases/{leases.pop()}")
        turn += 1
        due += step
    asker.close()


async def _timed(load: Load, what: str, asker: Asker, method: str, path: str, body: object = None) -> Any:
    began = time.monotonic()
    status, told = await asker.ask(method, path, body)
    load.add(what, time.monotonic() - began, status)
    return told


async def _checked(asked: Any) -> Any:
    status, told = await asked
    if status >= 400:
        raise RuntimeError(f"the hub answered {status}: {told}")
    return told


def _lease(version: Version) -> dict[str, Any]:
    holder = {"user": "bench", "host": "bench", "pid": 1, "purpose": "bench", "process": ""}
    return {"dataset": version.dataset, "number": version.number, "subset": "", "holder": holder}


def _say(number: int, name: str, load: Load) -> None:
    told = f"p99 {_p99(load.all) * 1000:.1f} ms of {len(load.all)}, errors {dict(load.errors)}"
    told += f", hubs {load.hubs_share:.0%}, clients {load.clients_share:.0%} of the machine"
    print(f"round {number}: {name}: {told}", file=sys.stderr, flush=True)


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


def _table(agents: int, seconds: float, loads: dict[str, list[Load]], alone: dict[str, list[float]]) -> str:
    rows = []
    for name, done in loads.items():
        for what in done[0].seconds:
            found = [load.seconds[what] for load in done]
            rows.append(
                [
                    f"{name}: {what}",
                    f"{median(len(item) / seconds for item in found):.0f}",
                    f"{median(median(item) for item in found) * 1000:.1f}",
                    f"{median(_p99(item) for item in found) * 1000:.1f}",
                    f"{max(max(item) for item in found) * 1000:.0f}",
                    f"{median(load.machine_share for load in done):.0%}",
                    f"{median(load.hubs_share for load in done):.0%}",
                    f"{median(load.clients_share for load in done):.0%}",
                ]
            )
        rows.append([f"{name}: resolve + lease alone", "", f"{median(alone[name]) * 1000:.2f}", *[""] * 5])
    head = ["database and request", "a second", "p50 ms", "p99 ms", "max ms", "machine busy", "hubs", "clients"]
    return table(f"{agents} agents and {PEOPLE_S} requests a second of people, {seconds:g} s", head, rows)


def _cases(loads: dict[str, list[Load]], alone: dict[str, list[float]]) -> list[Case]:
    p99 = {name: median(_p99(load.all) for load in done) for name, done in loads.items()}
    errors = sum(sum(load.errors.values()) for load in loads["PostgreSQL"])
    p50 = {name: median(found) for name, found in alone.items()}
    return [
        Case(
            case="p99 / 50 ms, PostgreSQL",
            measured=f"{p99['PostgreSQL'] * 1000:.1f} ms",
            ratio=p99["PostgreSQL"] / 0.05,
            side=Side.AT_MOST,
        ),
        Case(case="errors, PostgreSQL", measured=str(errors), ratio=float(errors), side=Side.AT_MOST, bound=0.0),
        Case(case="p99 / 50 ms, SQLite", measured=f"{p99['SQLite'] * 1000:.1f} ms", ratio=p99["SQLite"] / 0.05),
        Case(
            case="resolve + lease, p50 / 5 ms, SQLite",
            measured=f"{p50['SQLite'] * 1000:.2f} ms",
            ratio=p50["SQLite"] / 0.005,
            side=Side.AT_MOST,
        ),
        Case(
            case="resolve + lease, p50 / 5 ms, PostgreSQL",
            measured=f"{p50['PostgreSQL'] * 1000:.2f} ms",
            ratio=p50["PostgreSQL"] / 0.005,
            side=Side.AT_MOST,
        ),
    ]


if __name__ == "__main__":
    main()
