"""A team on one machine: a lake, hubs on PostgreSQL behind one door, and three sites, each at the end of its own link.

All of it is real: processes of `forebay hub serve` and `forebay agent`, the agents and their runs in network namespaces
of their own. Whatever a site asks of the lake goes through a gate that notes it.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import obstore

from forebay.client.remote.hub import RemoteHub
from forebay.lake.stores import LakeStore
from forebay.testing.link import FAR, FARTHEST, NEAR, Link, Shape
from forebay.testing.servers import Postgres, SeaweedFS
from forebay.testing.servers.process import free_ports
from forebay.wire.access import NewToken, Role
from forebay.wire.cache import Replica
from forebay.wire.runs import NewRun, Run, RunState
from forebay.wire.sites import SiteRecord, SiteState
from tests.e2e.program import FOREBAY, Program
from tests.e2e.serving import LIMIT_S, ended, told
from tests.e2e.sites import wait_for
from tests.topology.gate import Asked, Gate

SHAPES: Mapping[str, Shape] = {"near": NEAR, "far": FAR, "farthest": FARTHEST}
_BLOBS_PORT = 8766
CAPACITY = "gpus=4,cpus=4,memory=4GB"


@dataclass(kw_only=True)
class Site:
    """One of the three. `lake` notes what it asks of the lake."""

    name: str
    volume: Path
    program: Program
    link: Link
    lake: Gate
    agent: subprocess.Popen[str] | None = None

    def start(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        """forebay as a process on the far side of the link."""
        command = [*self.link.prefix, "env", "--default-signal=INT", str(FOREBAY), *map(str, arguments)]
        with (self.program.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                env={**self.program.env, **variables},
                cwd=self.program.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start_agent(self, *arguments: str) -> None:
        self.agent = self.start("agent", "--site", self.name, "--capacity", CAPACITY, "--json", *arguments)
        told(self.agent)

    def end_agent(self, how: signal.Signals) -> None:
        assert self.agent is not None
        ended(self.agent, how)
        self.agent.communicate()
        self.agent = None

    def call(self, *arguments: str | Path, code: int = 0) -> str:
        """What a command on the far side prints."""
        process = self.start(*arguments)
        out, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code, (self.program.folder / "log").read_text()[-2000:]
        return out


@dataclass(kw_only=True)
class Topology:
    """The whole. `hub` is asked through the door as its admin, `users` as scientists."""

    folder: Path
    lake: SeaweedFS
    postgres: Postgres
    database: str
    bucket: str
    door: Gate
    hub_programs: list[Program]
    hub_ports: Sequence[int]
    hub_processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    users: dict[str, RemoteHub] = field(default_factory=dict)
    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    token: str = ""
    hold: str = "60s"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"

    def start_hub(self, number: int) -> None:
        """The first one ever makes the admin's token."""
        program = self.hub_programs[number]
        with (program.folder / "log").open("ab") as log:
            port = str(self.hub_ports[number])
            process = program.start("hub", "serve", "--json", "--port", port, stderr=log)
        self.hub_processes[number] = process
        self.token = told(process)["token"] or self.token

    def kill_hub(self, number: int) -> None:
        process = self.hub_processes.pop(number)
        process.kill()
        process.communicate()

    @property
    def hub(self) -> RemoteHub:
        return self.users["admin"]

    def join(self, name: str, token: str) -> None:
        """Somebody who asks the hub."""
        self.users[name] = RemoteHub(self.url, token, self.folder / "users" / name)

    def add_user(self, name: str) -> None:
        self.hub.access.add_user(name, Role.SCIENTIST)
        self.join(name, self.hub.access.make_token(NewToken(user=name, role=Role.SCIENTIST)).secret)

    def site_token(self, name: str) -> str:
        return self.hub.access.make_token(NewToken(user="admin", role=Role.ENGINEER, site=name)).secret

    def add_dataset(self, name: str, objects: Mapping[str, bytes]) -> str:
        """Put it into the lake and register it; its first version."""
        profile = {
            "endpoint": self.lake.endpoint,
            "access_key_id": self.lake.access_key_id,
            "secret_access_key": self.lake.secret_access_key,
            "region": self.lake.region,
        }
        address = f"s3://{self.bucket}/{name}/"
        store = LakeStore.open(f"s3://{self.bucket}", profile)
        for key, body in objects.items():
            obstore.put(store.requests, f"{name}/{key}", body)
        self.objects[name] = dict(objects)
        here = Program(self.folder / "users", FOREBAY_HUB=self.url, FOREBAY_TOKEN=self.token, **self.lake.env)
        return here("dataset", "register", name, address, "-q").ids[0]

    @contextlib.contextmanager
    def serving(self, site: str, other: str, shape: Shape) -> Iterator[Gate]:
        """Another site reaches the agent of this one, over a link of their own and through a gate that notes it."""
        server, client = self.sites[site], self.sites[other]
        with (
            Gate.open(_BLOBS_PORT, host=server.link.inside, notes=True) as gate,
            client.link.beside(gate.port, shape=shape) as host,
        ):
            before = self.record(site)
            assert before is not None
            server.end_agent(signal.SIGTERM)
            at, reached = f"{server.link.inside}:{_BLOBS_PORT}", f"http://{host}:{gate.port}"
            server.start_agent("--serve", at, "--serve-url", reached, "--insecure")
            wait_for(lambda: (found := self.record(site)) and found.agent_token > before.agent_token)
            self.wait_site(site, SiteState.UP)
            yield gate

    def record(self, site: str) -> SiteRecord | None:
        return next((item for item in self.hub.sites.all() if item.name == site), None)

    def wait_site(self, site: str, state: SiteState) -> SiteRecord:
        return wait_for(lambda: found if (found := self.record(site)) and found.state is state else None)

    def wait_run(self, run_id: str, *states: RunState) -> Run:
        return wait_for(lambda: run if (run := self.hub.runs.get(run_id)).state in states else None)

    def submit(self, new: NewRun, user: str = "admin") -> Run:
        return self.users[user].runs.submit(new)

    def replicas(self, site: str) -> dict[str, Replica]:
        """Of the site's volume, by what they are of."""
        record = self.record(site)
        assert record is not None
        return {item.ref: item for item in self.hub.replicas.all(record.volume_id)}

    def asked(self, site: str) -> list[Asked]:
        """The objects of datasets, or parts of them, that a site asked of the lake."""
        return [one for one in list(self.sites[site].lake.asked) if one.path in self.sizes]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of each object, by its path at the lake."""
        return {
            f"/{self.bucket}/{name}/{key}": len(body)
            for name, objects in self.objects.items()
            for key, body in objects.items()
        }


@contextlib.contextmanager
def topology(
    folder: Path, lake: SeaweedFS, postgres: Postgres, volumes: Mapping[str, Path], *, hubs: int = 1, hold: str = "60s"
) -> Iterator[Topology]:
    """With its hubs and agents at work until the end of the block. PartMissingError, LinkMissingError."""
    bucket = folder.name.lower().replace("_", "-")[:40].strip("-")
    lake.make_bucket(bucket)
    database = postgres.new_database()
    (folder / "users").mkdir()
    programs = [_hub_program(folder / f"hub-{number}", database, hold) for number in range(hubs)]
    ports = free_ports(hubs)
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(Gate.open(*ports))
        team = Topology(
            folder=folder,
            lake=lake,
            postgres=postgres,
            database=database,
            bucket=bucket,
            door=door,
            hub_programs=programs,
            hub_ports=ports,
            hold=hold,
        )
        stack.callback(_end, team)
        for number in range(hubs):
            team.start_hub(number)
        team.join("admin", team.token)
        for name, shape in SHAPES.items():
            gate = stack.enter_context(Gate.open(int(lake.endpoint.rpartition(":")[2]), notes=True))
            link = stack.enter_context(Link.open(gate.port, door.port, shape=shape))
            team.sites[name] = _site(team, name, volumes[name], link, gate)
        # They end before their links do.
        stack.callback(_end_agents, team)
        for site in team.sites.values():
            site.start_agent()
        for name in team.sites:
            team.wait_site(name, SiteState.UP)
        yield team


def _hub_program(folder: Path, database: str, hold: str) -> Program:
    folder.mkdir()
    return Program(folder, FOREBAY_DATABASE=database, FOREBAY_HUB_INTERNAL_LAKES="*", FOREBAY_SITE_HOLD=hold)


def _site(team: Topology, name: str, volume: Path, link: Link, gate: Gate) -> Site:
    folder = team.folder / name
    folder.mkdir()
    variables = {
        **team.lake.env,
        "AWS_ENDPOINT_URL": f"http://{link.host}:{gate.port}",
        "FOREBAY_HUB": f"http://{link.host}:{team.door.port}",
        "FOREBAY_TOKEN": team.site_token(name),
        "FOREBAY_VOLUME": str(volume),
    }
    return Site(name=name, volume=volume, program=Program(folder, **variables), link=link, lake=gate)


def _end_agents(team: Topology) -> None:
    for site in team.sites.values():
        site.link.mend()
        if site.agent is not None:
            site.agent.kill()
            site.agent.communicate()


def _end(team: Topology) -> None:
    for user in team.users.values():
        user.close()
    for number in list(team.hub_processes):
        team.kill_hub(number)
