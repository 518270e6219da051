"""A hub on SQLite with something of every state, so that each page has something to show; what is past is made so.

Names, notes and log lines have markup in them: a page that shows it as such is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder, store_manifest
from forebay.testing.web.dashboard import Dashboard
from forebay.testing.web.governed import govern
from forebay.testing.web.left import leave_metrics, leave_report
from forebay.testing.web.previews import show_previews
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.cache import FillDone, Granted, Holder, Progress
from forebay.wire.catalog import MadeBy, NewVersion, ParentVersion, Version
from forebay.wire.runs import DataUse, NewRun, Output, Run
from forebay.wire.sites import Hello, Order, Report, TaskKey, TaskState

GB: Final = 10**9
DAY: Final = 86400.0
MARKUP: Final = "<img src=x onerror=alert(1)>"
_STEP_S: Final = 20.0
_RATE_BYTES_S: Final = 0.4 * GB
_FILLING_S: Final = 30.0
HIDDEN: Final = "payroll"
"""A dataset that only the team `finance` may know of."""


@dataclass
class Staff:
    """The agent of a site whose volume is called `volume-of-SITE`: it does what it is told to."""

    hub: LocalHub
    site: str
    gpus: int
    size_bytes: int
    labels: str = ""
    token: int = 0
    orders: dict[str, Order] = field(default_factory=dict)

    @property
    def volume_id(self) -> str:
        return f"volume-of-{self.site}"

    def attach(self) -> None:
        self.hub.volumes.add(self.volume_id, f"/srv/{self.site}", self.size_bytes)
        hello = Hello(
            site=self.site,
            volume_id=self.volume_id,
            gpus=self.gpus,
            cpus=64,
            memory_bytes=512 * GB,
            labels=self.labels,
            release="0.1.0",
        )
        self.token = self.hub.sites.attach(hello).agent_token

    def look(self) -> list[Order]:
        """What it is to do now."""
        found = self.hub.sites.orders(self.site, self.token, 0, 0.0).orders
        self.orders |= {order.task_id: order for order in found}
        return list(found)

    def beat(self, *reports: Report) -> tuple[TaskKey, ...]:
        return self.hub.sites.beat(self.site, self.token, reports).heard

    def tell(self, order: Order, state: TaskState, **facts: object) -> None:
        report = Report(task_id=order.task_id, token=order.token, state=state)
        self.beat(replace(report, **facts))  # type: ignore[arg-type]


class Showcase:
    """Fills a hub. `dashboard.clock` must be `clock`, which goes on from some weeks ago until now. `markup` stands
    where people write what they want.
    """

    def __init__(self, dashboard: Dashboard, clock: FakeClock, markup: str = MARKUP) -> None:
        self.dashboard = dashboard
        self.markup = markup
        self.hub = dashboard.hub
        self.clock = clock
        self.dgx = Staff(self.hub, "dgx-basement", 8, 14_000 * GB, "gpu-type=a100")
        self.aks = Staff(self.hub, "aks-gpu", 4, 4_000 * GB, "gpu-type=h100,cloud=azure")
        self.gcp = Staff(self.hub, "gcp-cpu", 0, 10_000 * GB, "cloud=gcp")
        self.staff = (self.dgx, self.aks, self.gcp)
        self.runs: dict[str, str] = {}
        self.tokens: dict[str, str] = {}

    def make(self) -> Showcase:
        """All of it. Ends about now."""
        end = self.clock.now()
        self.clock.jump(-30 * DAY)
        self._people()
        self._sites()
        self._datasets()
        self._caches()
        self.clock.jump(end - self.clock.now() - 3600.0)
        self._runs()
        self.clock.jump(end - self.clock.now() - _FILLING_S)
        self._under_way()
        self.tokens = govern(self.hub, self.dashboard.access, end, self.markup)
        return self

    @property
    def ids(self) -> dict[str, str]:
        """Of runs and tokens, by what they are called here: what addresses are made with."""
        return {**self.runs, **self.tokens}

    def _people(self) -> None:
        access = self.dashboard.access
        for name, role in {
            "ada": Role.SCIENTIST,
            "olga": Role.ENGINEER,
            "vera": Role.VIEWER,
            "finn": Role.SCIENTIST,
        }.items():
            access.add_user(name, role)
        access.join_team("ads", ["ada", "olga"])
        access.join_team("radiology", ["vera"])
        access.join_team("finance", ["finn"])

    def _attach(self) -> None:
        for each in self.staff:
            each.attach()

    def _sites(self) -> None:
        self._attach()
        self.hub.volumes.set_quota(self.aks.volume_id, "ads", 2_500 * GB)
        self.hub.links.declare(
            "s3://lake", "dgx-basement", bandwidth_bytes_s=1.2 * GB, latency_s=0.012, price_byte=0.02 / GB
        )
        self.hub.links.declare("s3://lake", "aks-gpu", bandwidth_bytes_s=0.4 * GB, latency_s=0.04, price_byte=0.09 / GB)
        self.hub.sites.attach(Hello(site="slurm-lab", volume_id="volume-of-slurm-lab", gpus=2, cpus=32, engine="slurm"))

    def _datasets(self) -> None:
        for number in range(1, 8):
            self.add("criteo", _day_files("day", number + 5, 40 * GB), f"Day {number} came", team="ads")
            self.clock.pass_by(2 * DAY)
        self.hub.catalog.tag("criteo", "prod", 6, "olga")
        self.hub.catalog.tag("criteo", "candidate", 7, "ada")
        self.add("criteo-features", _day_files("part", 12, 4 * GB), "Features", team="ads", parent="criteo@v6")
        self.add("criteo-features", _day_files("part", 12, 5 * GB), "Hashed to 2^24", team="ads", parent="criteo@v7")
        for number in (1, 2, 3):
            files = [
                *_day_files("images/scan", 900, 20_000_000),
                Entry(path=f"labels-{number}.csv", size_bytes=4_000_000),
            ]
            self.add("chest-xray", files, f"Batch {number} {self.markup}", team="radiology")
        self.add("clicks-raw", [Entry(path=f"logs/day-0{self.markup}.tsv", size_bytes=3 * GB)], self.markup)
        self.add("old-clicks", _day_files("day", 3, GB), "Superseded")
        self.hub.retention.retire("old-clicks", 1, "superseded by clicks-raw", by="olga")
        self.add(HIDDEN, _day_files("month", 3, GB), "Not for everybody", team="finance", by="finn")
        self.dashboard.access.set_policy(DatasetPolicy(dataset=HIDDEN, read=("finance",), write=("finance",)))

    def _caches(self) -> None:
        for ref in ("criteo@v6", "criteo@v7", "criteo-features@v1", "criteo-features@v2", "chest-xray@v3"):
            self.ready(self.dgx, ref)
        for ref in ("criteo-features@v2", "chest-xray@v2"):
            self.ready(self.aks, ref)
        self.ready(self.gcp, "chest-xray@v3")
        self.ready(self.gcp, f"{HIDDEN}@v1")
        catalog, replicas = self.hub.catalog, self.hub.replicas
        until = self.clock.now() + 90 * DAY
        replicas.pin(self.gcp.volume_id, catalog.resolve("chest-xray@v3"), "vera", "the radiology course", until)
        for day in range(12):
            self.clock.pass_by(DAY / 2)
            for ref in ("criteo@v6", "criteo@v7", "criteo-features@v2")[: 1 + day % 3]:
                self.hub.leases.take(self.dgx.volume_id, catalog.resolve(ref), _holder("train"))
        replicas.mark_damaged(self.aks.volume_id, catalog.resolve("chest-xray@v2"), "images/scan-17 is not what it was")

    def _runs(self) -> None:
        self._attach()
        for number, rate in enumerate(("0.05", "0.1", "0.2")):
            run = self.submit("criteo-features@v2", "train.py", "--rate", rate, team="ads")
            self.runs["failed" if number == 2 else f"done{number}"] = run.run_id
            staff, order = self.started(run)
            self.log(run, "\x1b[32mround 1\x1b[0m auc 0.71\nround 2 auc 0.74\n" + self.markup + "\n")
            self.pass_by(300.0)
            leave_report(self.hub, run, noise=0.3 + 0.4 * number, learning_rate=rate)
            if number < 2:
                staff.tell(order, TaskState.DONE, exit_code=0, made=self.model_of(run) if number == 0 else ())
            else:
                staff.tell(
                    order, TaskState.FAILED, exit_code=1, detail=f"it ended with 1 {self.markup}", retryable=False
                )
            self.pass_by(60.0)

    def _under_way(self) -> None:
        self._attach()
        running = self.submit("criteo-features@v2", "train.py", "--deep", team="ads")
        self.runs["running"] = running.run_id
        self.started(running)
        self.log(running, "".join(f"step {number} loss {1 / (number + 1):.3f}\n" for number in range(200)))
        leave_metrics(self.hub, running, {"loss": [0.9, 0.55, 0.41, 0.312]})
        self.runs["queued"] = self.submit("chest-xray@v1", "label.py", gpus=16).run_id
        lease = self.hub.catalog.resolve("criteo-features@v2")
        self.hub.leases.take(self.dgx.volume_id, lease, _holder("train"))
        self.filling(self.aks, "criteo@v7", 0.62, _FILLING_S)
        self.hub.downtimes.plan("gcp-cpu", self.clock.now() + DAY, self.clock.now() + 1.2 * DAY, "New disks", by="olga")
        show_previews(self.hub, self.dashboard.access)
        for each in self.staff:
            each.beat()

    def add(
        self,
        dataset: str,
        files: Sequence[Entry],
        message: str,
        *,
        team: str = "",
        parent: str = "",
        by: str = "ada",
        made_by: MadeBy | None = None,
    ) -> Version:
        """A version whose files lie in the lake."""
        manifest = Manifest.registered(list(files))
        parents: tuple[ParentVersion, ...] = ()
        if parent:
            name, _, number = parent.partition("@v")
            parents = (ParentVersion(dataset=name, number=int(number)),)
        new = NewVersion(
            dataset=dataset,
            manifest_digest=store_manifest(self.hub, manifest),
            origin=manifest.origin,
            lake_url=f"s3://lake/{dataset}",
            created_by=by,
            message=message,
            team=team,
            parents=parents,
            made_by=made_by or (MadeBy(command="python features.py --bits 24") if parent else MadeBy()),
        )
        return self.hub.catalog.add_version(new).version

    def model_of(self, run: Run) -> tuple[str, ...]:
        """A version of `ctr-model` that a run made."""
        files = [Entry(path="model.json", size_bytes=9_000_000)]
        made_by = MadeBy(command=" ".join(run.new.command), parameters=f"run {run.run_id}; python 3.12")
        return (self.add("ctr-model", files, "", team="ads", parent="criteo-features@v2", made_by=made_by).ref,)

    def ready(self, staff: Staff, ref: str) -> None:
        """The version is at that site from now on."""
        version = self.hub.catalog.resolve(ref)
        granted = self.hub.fills.claim(staff.volume_id, version, _holder("warm"))
        assert isinstance(granted, Granted)
        size = version.size_bytes
        done = FillDone(added_bytes=size, moved_bytes=size, present_bytes=0, seconds=size / GB, seal_digest="")
        self.hub.fills.finish(granted.fill_id, granted.token, done)

    def filling(self, staff: Staff, ref: str, share: float, seconds: float = 0.0) -> None:
        """The version is on its way there, for so long; what is there beyond that an earlier fill had brought."""
        version = self.hub.catalog.resolve(ref)
        granted = self.hub.fills.claim(staff.volume_id, version, _holder("warm"))
        assert isinstance(granted, Granted)
        self.pass_by(seconds)
        done = int(version.size_bytes * share)
        moved = int(seconds * _RATE_BYTES_S) or done
        progress = Progress(
            total_files=version.files,
            total_bytes=version.size_bytes,
            moved_files=int(version.files * share),
            moved_bytes=moved,
            present_bytes=done - moved,
        )
        self.hub.fills.renew(granted.fill_id, granted.token, progress)

    def submit(self, ref: str, *command: str, team: str = "", gpus: int = 1, by: str = "ada") -> Run:
        """A run on a version."""
        outputs = (Output(name="model", dataset="ctr-model"),) if team == "ads" else ()
        return self.hub.runs.submit(
            NewRun(
                command=("python", *command),
                data=(DataUse(name="data", ref=ref),),
                outputs=outputs,
                gpus=gpus,
                estimate_s=900.0,
                submitted_by=by,
                team=team,
            )
        )

    def started(self, run: Run) -> tuple[Staff, Order]:
        """Where it was placed it runs from now on."""
        self.pass_by(5.0)
        at = self.hub.runs.get(run.run_id).site
        staff = next(each for each in self.staff if each.site == at)
        order = next(item for item in staff.look() if item.run is not None and item.run.run_id == run.run_id)
        staff.tell(order, TaskState.UNDER_WAY)
        return staff, order

    def log(self, run: Run, text: str) -> None:
        """It writes."""
        now = self.hub.runs.get(run.run_id)
        attempt = now.attempts[-1]
        self.hub.runs.add_log(run.run_id, attempt.number, attempt.token, 0, text)

    def pass_by(self, seconds: float) -> None:
        """Time goes by in which all agents beat."""
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            self.clock.pass_by(min(_STEP_S, until - self.clock.now()))
            for each in self.staff:
                each.beat()
            self.hub.scheduler.tick()


def _holder(purpose: str) -> Holder:
    return replace(holder(purpose), user="ada", host="login-1")


def _day_files(name: str, count: int, size_bytes: int) -> list[Entry]:
    return [Entry(path=f"{name}-{number:02}.parquet", size_bytes=size_bytes) for number in range(count)]
