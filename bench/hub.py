"""A served hub under a team's load, beside what it holds on SQLite: a process of its own, asked over loopback HTTP.

Load: so many agents beat every 10 s, each over a connection of its own, while people resolve, lease, give back and
list, 200 requests a second in all. Alone: one client resolves a version and leases its ready replica, over and over.
The clients are a few lines of sockets, so that most of two cores is the hub's and the database's. PostgreSQL has
fsync off here. Run: python -m bench.hub [--rounds N] [--scale X] [--seconds S]
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
from bench.process import machine_busy_s
from bench.report import Case, Side, conclude, table
from forebay.catalog.manifest import Entry, Manifest
from forebay.client.remote.hub import RemoteHub
from forebay.testing.cached.world import add_version
from forebay.testing.servers import Postgres
from forebay.wire.cache import FillDone, Granted, Holder
from forebay.wire.catalog import Version

AGENTS = 1000
BEAT_S = 10.0
PEOPLE_S = 200
"""Requests a second."""

VOLUME = "bench"
HOLDER = Holder(user="bench", host="bench", pid=1, purpose="bench")
_API = "/api/v1"
_FOREBAY = Path(sys.executable).with_name("forebay")


@dataclass(slots=True)
class Load:
    """What was asked, how long each answer took (seconds), and what was no answer."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, seconds: float, status: int) -> None:
        self.seconds.setdefault(what, []).append(seconds)
        if status >= 400:
            self.errors[f"{what} {status}"] += 1

    @property
    def all(self) -> list[float]:
        return [item for found in self.seconds.values() for item in found]


class Asker:
    """One connection that is kept, as an agent has."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the JSON of the answer. A connection that was idle for too long is opened anew."""
        try:
            return await self._ask(method, path, body)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self._reader = self._writer = None
            return await self._ask(method, path, body)

    async def _ask(self, method: str, path: str, body: object) -> tuple[int, Any]:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        sent = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if sent else ""
        head = f"{method} {_API}{path} HTTP/1.1\r\n{self._head}{kind}Content-Length: {len(sent)}\r\n\r\n"
        self._writer.write(head.encode() + sent)
        told = await self._reader.readuntil(b"\r\n\r\n")
        status = int(told[9:12])
        length = next((line for line in told.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        data = await self._reader.readexactly(int(length.partition(b":")[2]))
        return status, json.loads(data) if data else None

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def main() -> None:
    parser = options_parser("bench.hub", __doc__, rounds=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each load lasts (default: %(default)s)")
    options = parser.parse_args()
    facts = machine_facts(Path(tempfile.gettempdir()))
    agents = int(AGENTS * options.scale)
    loads: dict[str, list[tuple[Load, float]]] = {"PostgreSQL": [], "SQLite": []}
    alone: dict[str, list[float]] = {"PostgreSQL": [], "SQLite": []}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-hub-") as scratch, Postgres.start() as postgres:
        for number in range(options.rounds):
            for name in loads:
                database = postgres.new_database() if name == "PostgreSQL" else ""
                with _serving(Path(scratch) / f"{name}-{number}", database) as (url, token):
                    version = _ready(url, token, Path(scratch) / f"client-{name}-{number}")
                    alone[name] += asyncio.run(_alone(url, token, version, options.seconds / 3))
                    loads[name].append(_loaded(url, token, version, agents, options))
                    _say(number, name, loads[name][-1][0])
    print(_table(agents, options.seconds, loads, alone))
    facts |= {"rounds": options.rounds, "scale": options.scale, "seconds": options.seconds, "agents": agents}
    facts["versions"] = {"forebay": forebay.__version__}
    facts["errors"] = {name: dict(sum((load.errors for load, _ in done), Counter())) for name, done in loads.items()}
    conclude("hub", _cases(loads, alone), facts)


@contextlib.contextmanager
def _serving(home: Path, database: str) -> Iterator[tuple[str, str]]:
    """A hub as a process of its own: its URL and its admin's token."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
    env |= {"FOREBAY_HOME": str(home), "FOREBAY_HUB_TOKEN_RATE": "none", "FOREBAY_HUB_ADDRESS_RATE": "none"}
    env |= {"FOREBAY_DATABASE": database} if database else {}
    command = [str(_FOREBAY), "hub", "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1].rstrip() != "}":
                lines.append(process.stdout.readline())
            told = json.loads("".join(lines))
            yield told["url"], told["token"]
        finally:
            process.terminate()
            process.wait(30)


def _ready(url: str, token: str, home: Path) -> Version:
    """A version whose replica is ready on a volume, as the hub's records have it."""
    hub = RemoteHub(url, token, home)
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


async def _alone(url: str, token: str, version: Version, seconds: float) -> list[float]:
    """How long resolve and lease take together, one after another."""
    asker = Asker(_port(url), token)
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


def _loaded(url: str, token: str, version: Version, agents: int, options: Any) -> tuple[Load, float]:
    """The load, and the share of the machine that was busy meanwhile."""
    return asyncio.run(_load(url, token, version, agents, options.seconds, PEOPLE_S * options.scale))


async def _load(
    url: str, token: str, version: Version, agents: int, seconds: float, a_second: float
) -> tuple[Load, float]:
    load = Load()
    port = _port(url)
    admin = Asker(port, token)
    attached = []
    for number in range(agents):
        made = await _checked(
            admin.ask("POST", "/tokens", {"user": "admin", "role": "admin", "site": f"s{number}", "note": ""})
        )
        agent = Asker(port, made["secret"])
        hello = {"site": f"s{number}", "volume_id": f"v{number}", "cpus": 8}
        told = await _checked(agent.ask("PUT", f"/sites/s{number}/agent", hello))
        attached.append((number, agent, told["agent_token"]))
    busy_s, began = machine_busy_s(), time.monotonic()
    until = began + seconds
    beating = [_beat(load, agent, number, agent_token, agents, until) for number, agent, agent_token in attached]
    people = [_use(load, Asker(port, token), version, number, a_second, until) for number in range(20)]
    await asyncio.gather(*beating, *people)
    share = (machine_busy_s() - busy_s) / (time.monotonic() - began) / (os.cpu_count() or 1)
    for _, agent, _ in attached:
        agent.close()
    admin.close()
    return load, share


async def _beat(load: Load, agent: Asker, number: int, agent_token: int, agents: int, until: float) -> None:
    """Every 10 s, spread over them."""
    due = time.monotonic() + BEAT_S * number / agents
    while due < until:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await _timed(
            load, "beat", agent, "POST", f"/sites/s{number}/beats", {"agent_token": agent_token, "reports": []}
        )
        due += BEAT_S


async def _use(load: Load, asker: Asker, version: Version, number: int, a_second: float, until: float) -> None:
    """One of twenty people: resolve, lease, give back, list; each is due at its time, whenever the last answer came."""
    step = 20 / a_second
    due = time.monotonic() + step * number / 20
    leases: list[str] = []
    turn = 0
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


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _say(number: int, name: str, load: Load) -> None:
    told = f"p99 {_p99(load.all) * 1000:.1f} ms of {len(load.all)}, errors {dict(load.errors)}"
    print(f"round {number}: {name}: {told}", file=sys.stderr, flush=True)


def _p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


def _table(
    agents: int, seconds: float, loads: dict[str, list[tuple[Load, float]]], alone: dict[str, list[float]]
) -> str:
    rows = []
    for name, done in loads.items():
        for what in done[0][0].seconds:
            found = [load.seconds[what] for load, _ in done]
            rows.append(
                [
                    f"{name}: {what}",
                    f"{median(len(item) / seconds for item in found):.0f}",
                    f"{median(median(item) for item in found) * 1000:.1f}",
                    f"{median(_p99(item) for item in found) * 1000:.1f}",
                    f"{max(max(item) for item in found) * 1000:.0f}",
                    f"{median(share for _, share in done):.0%}",
                ]
            )
        rows.append([f"{name}: resolve + lease alone", "", f"{median(alone[name]) * 1000:.2f}", "", "", ""])
    head = ["database and request", "a second", "p50 ms", "p99 ms", "max ms", "machine busy"]
    return table(f"{agents} agents and {PEOPLE_S} requests a second of people, {seconds:g} s", head, rows)


def _cases(loads: dict[str, list[tuple[Load, float]]], alone: dict[str, list[float]]) -> list[Case]:
    p99 = {name: median(_p99(load.all) for load, _ in done) for name, done in loads.items()}
    errors = sum(sum(load.errors.values()) for load, _ in loads["PostgreSQL"])
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
