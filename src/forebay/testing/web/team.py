"""A team on a hub, for tests and pictures of its pages: sites in every state, links, work, people, what governs them.

`ada` is a scientist of the team ads, `ben` an engineer, `vera` a viewer, `eve` a scientist of no team; `fraud` is a
dataset of ads alone. Everything is made by the hub's own calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from forebay import __version__
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ForebayError
from forebay.hub.access.guarded import Guarded
from forebay.hub.access.rules import Person
from forebay.hub.access.store import AccessStore
from forebay.hub.access.trail import Request
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import add_version, holder
from forebay.wire.access import DatasetPolicy, NewToken, Role
from forebay.wire.cache import FillDone, Granted, HealthReport, Progress, Sign
from forebay.wire.catalog import Version
from forebay.wire.links import TransferReport
from forebay.wire.retention import RetentionPolicy
from forebay.wire.runs import DataUse, NewRun
from forebay.wire.sites import Hello, Report, SiteState, TaskKind, TaskState

GB = 10**9
LAKE = "s3://clicks"
DAY_S = 86400.0
PEOPLE = {"ada": Role.SCIENTIST, "ben": Role.ENGINEER, "vera": Role.VIEWER, "eve": Role.SCIENTIST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """What a test may want to name again."""

    run_id: str
    secret_run_id: str
    task_id: str
    token_id: str


def add_team(hub: LocalHub, access: AccessStore, clock: FakeClock) -> Team:
    """All of it, on a hub that has its first admin and else nothing."""
    _people(access)
    versions = _datasets(hub, access)
    _sites(hub)
    for volume, name in (("v-dgx", "criteo@v3"), ("v-dgx", "images@v1"), ("v-dgx", "fraud@v1"), ("v-aks", "criteo@v2")):
        _ready(hub, volume, versions[name])
    _links(hub)
    run_id, secret_run_id = _work(hub)
    filling = _fills(hub, versions)
    task_id = _tasks(hub)
    _govern(hub, clock)
    token_id = _tokens(access, clock)
    _refused(hub, access)
    _states(hub, clock)
    for granted, progress in filling:
        hub.fills.renew(granted.fill_id, granted.token, progress)
    return Team(run_id=run_id, secret_run_id=secret_run_id, task_id=task_id, token_id=token_id)


def _people(access: AccessStore) -> None:
    for name, role in PEOPLE.items():
        access.add_user(name, role)
    access.join_team("ads", ["ada", "ben"])
    access.join_team("maps", ["ben"])


def _datasets(hub: LocalHub, access: AccessStore) -> dict[str, Version]:
    made = {}
    for name, sizes in {"criteo": (340, 350, 362), "images": (250,), "fraud": (80,)}.items():
        for number, size_gb in enumerate(sizes, 1):
            entry = Entry(path="part.parquet", size_bytes=size_gb * GB, etag=f"{name}-{number}")
            version = add_version(hub, name, Manifest.registered([entry]), f"{LAKE}/{name}")
            made[version.ref] = version
    hub.catalog.set_team("criteo", "ads")
    hub.catalog.set_team("fraud", "ads")
    access.set_policy(DatasetPolicy(dataset="fraud", read=("ads",), sites=("dgx",), set_by="admin"))
    access.set_policy(DatasetPolicy(dataset="criteo", write=("ads",), set_by="ada"))
    return {ref: hub.catalog.resolve(ref) for ref in made}


def _sites(hub: LocalHub) -> None:
    of = {
        "dgx": Hello(
            site="dgx", volume_id="v-dgx", gpus=8, cpus=96, memory_bytes=1 << 40, labels="gpu-type=a100,cloud=none"
        ),
        "aks": Hello(site="aks", volume_id="v-aks", gpus=4, cpus=48, memory_bytes=1 << 38, labels="cloud=azure"),
        "gcp": Hello(site="gcp", volume_id="v-gcp", cpus=64, memory_bytes=1 << 38, labels="cloud=gcp", engine="slurm"),
        "edge": Hello(site="edge", volume_id="v-edge", cpus=8, memory_bytes=1 << 34),
    }
    for site, limit_gb in {"dgx": 1400, "aks": 600, "gcp": 2000, "edge": 400}.items():
        hub.volumes.add(f"v-{site}", f"/mnt/{site}", limit_gb * GB)
    for site, hello in of.items():
        release = "0.0.9" if site == "gcp" else __version__
        hub.sites.attach(replace(hello, release=release))
    hub.sites.set_prices("aks", 2.5, 0.04)


def _ready(hub: LocalHub, volume_id: str, version: Version) -> None:
    granted = hub.fills.claim(volume_id, version, holder())
    assert isinstance(granted, Granted)
    size = version.size_bytes
    done = FillDone(added_bytes=size, moved_bytes=size, present_bytes=0, seconds=600.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def _links(hub: LocalHub) -> None:
    def moved(source: str, dataset: str, gb: int, seconds: float) -> TransferReport:
        return TransferReport(
            source=source, dataset=dataset, moved_bytes=gb * GB, seconds=seconds, first_byte_s=0.04, requests=9
        )

    hub.links.report("v-dgx", moved(LAKE, "criteo", 362, 400.0))
    hub.links.report("v-aks", moved(LAKE, "criteo", 350, 2900.0))
    hub.links.report("v-aks", moved("dgx", "criteo", 12, 190.0))
    hub.links.report("v-dgx", moved("s3://fraud-only", "fraud", 80, 200.0))
    hub.links.declare(LAKE, "gcp", bandwidth_bytes_s=2e8, latency_s=0.09, price_byte=0.09 / 2**30)
    hub.links.declare("aks", "dgx", bandwidth_bytes_s=9e7)


def _work(hub: LocalHub) -> tuple[str, str]:
    """Two runs under way at dgx, one of them on what is hidden."""
    ids = []
    for ref in ("criteo@v3", "fraud@v1"):
        new = NewRun(
            command=("python", "train.py", "--epochs", "3"),
            data=(DataUse(name="data", ref=ref),),
            gpus=2,
            cpus=8,
            site="dgx",
            submitted_by="ada",
            team="ads",
            title=f"train on {ref}",
        )
        ids.append(hub.runs.submit(new).run_id)
    hub.scheduler.tick()
    token = hub.sites.get("dgx").agent_token
    for order in hub.sites.orders("dgx", token, 0, 0.0).orders:
        report = Report(task_id=order.task_id, token=order.token, state=TaskState.UNDER_WAY)
        hub.sites.beat("dgx", token, (report,))
    return ids[0], ids[1]


def _fills(hub: LocalHub, versions: dict[str, Version]) -> list[tuple[Granted, Progress]]:
    """Two to gcp, with what their holders say of them until the end."""
    found = []
    for ref, share in (("criteo@v3", 0.62), ("images@v1", 0.1)):
        version = versions[ref]
        granted = hub.fills.claim("v-gcp", version, holder())
        assert isinstance(granted, Granted)
        hub.fills.reserve(granted.fill_id, granted.token, version.size_bytes, 2000 * GB)
        moved = int(version.size_bytes * share)
        found.append((granted, Progress(total_files=1, total_bytes=version.size_bytes, moved_bytes=moved)))
    return found


def _tasks(hub: LocalHub) -> str:
    """A scrub, a fill that fails again and again, and one of what is hidden."""
    first = hub.sites.ask("dgx", TaskKind.SCRUB, "", "the first of the month", by="ben").task_id
    hub.sites.ask("dgx", TaskKind.FILL, "fraud@v1", "so that it is there", by="ada")
    hub.sites.ask("edge", TaskKind.FILL, "images@v1", "for the demo", by="eve")
    token = hub.sites.get("edge").agent_token
    for order in hub.sites.orders("edge", token, 0, 0.0).orders:
        told = "cannot write: the disk is full"
        report = Report(
            task_id=order.task_id, token=order.token, state=TaskState.FAILED, detail=told, todo="Free some."
        )
        hub.sites.beat("edge", token, (report,))
    return first


def _govern(hub: LocalHub, clock: FakeClock) -> None:
    hub.volumes.set_quota("v-dgx", "ads", 400 * GB)
    hub.volumes.set_quota("v-aks", "ads", 500 * GB)
    hub.retention.set_policy(RetentionPolicy(dataset="criteo", keep_last=2), "ben")
    hub.downtimes.plan("dgx", clock.now() + DAY_S, clock.now() + DAY_S + 7200, "new disks", "ben")


def _tokens(access: AccessStore, clock: FakeClock) -> str:
    soon = clock.now() + 3 * DAY_S
    made = access.make_token(NewToken(user="ada", role=Role.SCIENTIST, note="nightly ads", expires_at=soon))
    access.make_token(NewToken(user="ben", role=Role.VIEWER, note="dashboard on the wall", datasets=("criteo",)))
    ended = access.make_token(NewToken(user="ben", role=Role.ENGINEER, note="lost laptop"))
    access.revoke_token(ended.token.token_id)
    agents = access.make_token(NewToken(user="admin", role=Role.ENGINEER, site="aks", expires_at=soon))
    access.principal_of(agents.secret)
    return made.token.token_id


def _refused(hub: LocalHub, access: AccessStore) -> None:
    """Lines of the audit: some acts, and some that were refused."""
    came = Request(source="10.0.4.17", request_id="5f1c0a9be2d1")
    ada = Guarded(hub, access, Person(user="ada", role=Role.SCIENTIST, teams=frozenset({"ads"})), came)
    eve = Guarded(hub, access, Person(user="eve", role=Role.SCIENTIST), came)
    ada.catalog.tag("criteo", "prod", 3, "ada")
    for call in (lambda: eve.catalog.tag("criteo", "prod", 1, "eve"), lambda: eve.catalog.dataset("fraud")):
        try:
            call()
        except ForebayError:
            continue


def _states(hub: LocalHub, clock: FakeClock) -> None:
    """aks drains, the volume of edge is unstable, gcp is not heard of any more; dgx is well."""
    hub.sites.set_state("aks", SiteState.DRAINING, "moving to new nodes")
    clock.pass_by(200.0)
    for site in ("dgx", "aks", "edge"):
        hub.sites.beat(site, hub.sites.get(site).agent_token, ())
    hub.volumes.report_health("v-edge", HealthReport(sign=Sign.BAD, reason="a canary could not be read back"))
