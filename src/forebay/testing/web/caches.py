"""Caches in every state, for tests and pictures of their pages: three sites and one volume of no site.

`secrets` is a dataset of the team `finance` alone. `ada` is a scientist of the team ads, `olga` an engineer, `vera` a
viewer. Everything is made by the hub's own calls; it ends at the clock's now.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from forebay.cache.selection import Selection
from forebay.catalog.manifest import Entry, Manifest
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import store_manifest
from forebay.wire.access import DatasetPolicy, Role
from forebay.wire.cache import FillDone, Granted, HealthReport, Holder, Progress, Sign
from forebay.wire.catalog import NewSubset, NewVersion, Version
from forebay.wire.rules import NewRule
from forebay.wire.runs import DataUse, NewRun
from forebay.wire.sites import Hello, Keeping, Order, Report, TaskKind, TaskState

GB: Final = 10**9
DAY_S: Final = 86400.0
MARKUP: Final = "<img src=x onerror=alert(1)>"
SECRET: Final = "secrets"
SITES: Final = {"dgx-basement": 14_000 * GB, "aks-gpu": 4_000 * GB, "gcp-cpu": 10_000 * GB}
KEEPING: Final = Keeping(stale_after_s=7 * DAY_S, grace_s=600.0, high_mark=0.8, low_mark=0.7)


def volume_of(site: str) -> str:
    """The id of a site's volume."""
    return f"volume-of-{site}"


class Caches:
    """Makes them on a hub that has its first admin and else nothing."""

    def __init__(self, hub: LocalHub, access: AccessStore, clock: FakeClock) -> None:
        self.hub = hub
        self.access = access
        self.clock = clock
        self.tokens: dict[str, int] = {}

    def make(self) -> Caches:
        """All of it."""
        self.clock.jump(-20 * DAY_S)
        self._people()
        self._sites()
        self._datasets()
        self._past()
        self.clock.jump(6.6 * DAY_S)
        self._now()
        return self

    def _people(self) -> None:
        for name, role in (("ada", Role.SCIENTIST), ("olga", Role.ENGINEER), ("vera", Role.VIEWER)):
            self.access.add_user(name, role)
        self.access.join_team("ads", ["ada", "olga"])
        self.access.join_team("finance", [])

    def _sites(self) -> None:
        for site, limit_bytes in SITES.items():
            self.site(site, limit_bytes)
        self.hub.volumes.set_quota(volume_of("aks-gpu"), "ads", 1500 * GB)
        for site, price in (("dgx-basement", 0.02), ("aks-gpu", 0.09), ("gcp-cpu", 0.0)):
            self.hub.links.declare("s3://lake", site, bandwidth_bytes_s=0.5 * GB, price_byte=price / GB)

    def site(self, site: str, limit_bytes: int) -> None:
        """A site with its volume."""
        self.hub.volumes.add(volume_of(site), f"/srv/{site}", limit_bytes)
        self._attach(site)

    def _attach(self, site: str) -> None:
        hello = Hello(site=site, volume_id=volume_of(site), gpus=8, cpus=64, memory_bytes=512 * GB, keeping=KEEPING)
        self.tokens[site] = self.hub.sites.attach(hello).agent_token

    def _datasets(self) -> None:
        for number, size in enumerate((880, 930, 1030), 1):
            self.add("criteo", size, f"Week {number}", team="ads")
        self.hub.catalog.tag("criteo", "prod", 3, "olga")
        for size in (180, 212):
            self.add("criteo-features", size, "Features", team="ads")
        for size in (250, 251, 252):
            self.add("chest-xray", size, f"Batch {MARKUP}")
        self.add("clicks-raw", 2900, MARKUP)
        self.add("maps", 40, "Tiles", team="ads")
        self.add(SECRET, 300, "Not for everybody", team="finance")
        self.access.set_policy(DatasetPolicy(dataset=SECRET, read=("finance",), sites=("gcp-cpu",)))
        self.access.set_policy(DatasetPolicy(dataset="maps", sites=("dgx-basement",)))

    def _past(self) -> None:
        for site, ref in (
            ("dgx-basement", "criteo@v1"),
            ("dgx-basement", "criteo@v3"),
            ("dgx-basement", "chest-xray@v1"),
            ("dgx-basement", "criteo-features@v2"),
            ("aks-gpu", "criteo@v2"),
            ("aks-gpu", "criteo-features@v1"),
            ("aks-gpu", "chest-xray@v2"),
            ("aks-gpu", "criteo@v1"),
            ("gcp-cpu", "chest-xray@v1"),
            ("gcp-cpu", f"{SECRET}@v1"),
        ):
            self.clock.pass_by(3600.0)
            self.ready(site, ref)
        for user in ("ada", "olga", "ada"):
            self.lease("dgx-basement", "criteo@v3", user)
        self.evicted("dgx-basement", "criteo@v1", "idle for 8 days, longer than 7 days")
        self.evicted("gcp-cpu", f"{SECRET}@v1", "its bytes are needed, and it is worth the least (score 3.1)")
        self.ready("gcp-cpu", f"{SECRET}@v1")

    def _now(self) -> None:
        hub, now = self.hub, self.clock.now
        for site in list(self.tokens):
            self._attach(site)
        xray = hub.catalog.resolve("chest-xray@v1")
        hub.replicas.pin(volume_of("gcp-cpu"), xray, "vera", f"the course {MARKUP}", now() + 90 * DAY_S)
        hub.rules.add(NewRule(ref="criteo-features@v2", at="site=dgx-basement", owner="olga", message="nightly"))
        hub.replicas.mark_damaged(
            volume_of("aks-gpu"), hub.catalog.resolve("chest-xray@v2"), "images/00017.png is not what the manifest says"
        )
        part = self.subset("criteo-features@v2", columns=("label", "price"), share=0.2)
        self.ready("gcp-cpu", part)
        self.ask("gcp-cpu", TaskKind.FILL, "criteo@v3", "ada")
        self.failing("gcp-cpu", "clicks-raw@v1", "the lake does not answer: connection refused")
        self.failed("dgx-basement", "clicks-raw@v1", "the lake refuses to read it")
        self._runs()
        hub.volumes.add("volume-of-nobody", "/home/ada/cache", 500 * GB, "laptop")
        self.ready("nobody", "criteo-features@v1")
        for user in ("ada", "olga"):
            self.lease("dgx-basement", "criteo@v3", user)
        self.lease("aks-gpu", "criteo-features@v1", "ada")
        self.lease("aks-gpu", "criteo@v2", "ada")
        self.filling("aks-gpu", "criteo@v3", 0.62)
        bad = HealthReport(sign=Sign.BAD, reason="the canary could not be read")
        hub.volumes.report_health(volume_of("gcp-cpu"), bad)
        self.beat()

    def _runs(self) -> None:
        self.hub.scheduler.tick()
        for number, ref in enumerate(("criteo-features@v2", "criteo@v3", f"{SECRET}@v1")):
            new = NewRun(
                command=("python", "train.py", f"--seed={number}"),
                data=(DataUse(name="data", ref=ref),),
                gpus=1,
                estimate_s=900.0,
                submitted_by="olga",
                title=f"Train {MARKUP}" if number else "Nightly training",
            )
            self.hub.runs.submit(new)
        self.beat()
        self.hub.scheduler.tick()
        for site in SITES:
            for order in self.orders(site, TaskKind.RUN)[:1]:
                self.tell(site, order, TaskState.UNDER_WAY)

    def add(self, dataset: str, size_gb: int, message: str, *, team: str = "") -> Version:
        """A version of ten files in the lake."""
        files = [Entry(path=f"part-{number}.parquet", size_bytes=size_gb * GB // 10) for number in range(10)]
        manifest = Manifest.registered(files)
        new = NewVersion(
            dataset=dataset,
            manifest_digest=store_manifest(self.hub, manifest),
            origin=manifest.origin,
            lake_url=f"s3://lake/{dataset}",
            created_by="olga",
            message=message,
            team=team,
        )
        return self.hub.catalog.add_version(new).version

    def subset(self, ref: str, *, columns: tuple[str, ...], share: float) -> str:
        """Some columns of a version; the subset's ref."""
        whole = self.hub.catalog.resolve(ref)
        selection = Selection.of(columns=columns)
        size_bytes = int(whole.size_bytes * share) // 10
        files = [Entry(path=f"part-{number}.parquet", size_bytes=size_bytes) for number in range(10)]
        new = NewSubset(
            dataset=whole.dataset,
            number=whole.number,
            subset=selection.name,
            selection=selection.text,
            manifest_digest=store_manifest(self.hub, Manifest.registered(files)),
        )
        return self.hub.catalog.add_subset(new).ref

    def ready(self, site: str, ref: str) -> None:
        """It is there from now on."""
        version = self.hub.catalog.resolve(ref)
        granted = self.hub.fills.claim(volume_of(site), version, _holder("olga"))
        assert isinstance(granted, Granted)
        size = version.size_bytes
        done = FillDone(added_bytes=size, moved_bytes=size, present_bytes=0, seconds=size / GB, seal_digest="")
        self.hub.fills.finish(granted.fill_id, granted.token, done)

    def filling(self, site: str, ref: str, share: float, user: str = "ada") -> None:
        """It is on its way there, at a GB a second."""
        version = self.hub.catalog.resolve(ref)
        granted = self.hub.fills.claim(volume_of(site), version, _holder(user))
        assert isinstance(granted, Granted)
        told = Progress(total_files=10, total_bytes=version.size_bytes, moved_bytes=int(version.size_bytes * share))
        self.hub.fills.renew(granted.fill_id, granted.token, replace(told, moved_bytes=told.moved_bytes - 2 * GB))
        self.clock.pass_by(2.0)
        self.hub.fills.renew(granted.fill_id, granted.token, told)
        self.hub.fills.reserve(granted.fill_id, granted.token, version.size_bytes, SITES[site])

    def evicted(self, site: str, ref: str, reason: str) -> None:
        """It has gone from there."""
        version = self.hub.catalog.resolve(ref)
        grant = self.hub.replicas.begin_evict(volume_of(site), version, reason)
        self.hub.replicas.finish_evict(volume_of(site), version, grant.token, version.size_bytes)

    def lease(self, site: str, ref: str, user: str) -> None:
        """Somebody uses it."""
        self.hub.leases.take(volume_of(site), self.hub.catalog.resolve(ref), _holder(user))

    def ask(self, site: str, kind: TaskKind, ref: str, user: str) -> None:
        """Somebody wants it."""
        self.hub.sites.ask(site, kind, ref, f"{user} asked", by=user)

    def failing(self, site: str, ref: str, error: str) -> None:
        """A fill that fails over and over."""
        self.ask(site, TaskKind.FILL, ref, "olga")
        for _ in range(3):
            order = next(item for item in self.orders(site, TaskKind.FILL) if item.ref == ref)
            self.tell(site, order, TaskState.FAILED, detail=error)
            self.clock.pass_by(45.0)
            self.beat()
            self.hub.scheduler.tick()

    def failed(self, site: str, ref: str, error: str) -> None:
        """A fill that was given up."""
        self.ask(site, TaskKind.FILL, ref, "olga")
        order = next(item for item in self.orders(site, TaskKind.FILL) if item.ref == ref)
        self.tell(site, order, TaskState.FAILED, detail=error, kind="lake-denied", retryable=False)

    def orders(self, site: str, kind: TaskKind) -> list[Order]:
        """What the site is to do now."""
        found = self.hub.sites.orders(site, self.tokens[site], 0, 0.0).orders
        return [order for order in found if order.kind is kind]

    def tell(self, site: str, order: Order, state: TaskState, **facts: object) -> None:
        """Its agent says how a task is."""
        report = replace(Report(task_id=order.task_id, token=order.token, state=state), **facts)  # type: ignore[arg-type]
        self.hub.sites.beat(site, self.tokens[site], (report,))

    def beat(self) -> None:
        """All agents are there."""
        for site, token in self.tokens.items():
            self.hub.sites.beat(site, token, ())


def _holder(user: str) -> Holder:
    return Holder(user=user, host="node-1", pid=os.getpid(), purpose="train")


CROWD: Final = tuple(f"site-{number:02}" for number in range(1, 13))
"""Sites of `Crowded`, after those of `Caches`: more in all than a page has columns for."""


class Crowded(Caches):
    """The same with more sites than fit on a page, and with a dataset `parts`, of which mere subsets are there.

    At `dgx-basement` the subset of v1 is ready, of v2 it fills, of v3 it is damaged, v4 leaves soon, v5 is pinned, v6
    in use, v7 waits for its fill, v8 would leave soon and was asked to go; v9 is there as a whole as well, and its
    subset is pinned. At `site-10` a version was asked to go, which would stay.
    """

    def __init__(self, hub: LocalHub, access: AccessStore, clock: FakeClock) -> None:
        super().__init__(hub, access, clock)
        self.parts: dict[int, str] = {}

    def _past(self) -> None:
        for site in CROWD:
            self.site(site, 4_000 * GB)
        for number in range(1, 10):
            self.add("parts", 100 + number, "In parts")
            self.parts[number] = self.subset(f"parts@v{number}", columns=("label", "price"), share=0.2)
        for number in (4, 8):
            self.ready("dgx-basement", self.parts[number])
        super()._past()

    def _now(self) -> None:
        super()._now()
        here, parts = "dgx-basement", self.parts
        for number in (1, 3, 5, 6, 9):
            self.ready(here, parts[number])
        self.ready(here, "parts@v9")
        damaged = self.hub.catalog.resolve(parts[3])
        self.hub.replicas.mark_damaged(volume_of(here), damaged, "part-3.parquet is torn")
        for number in (5, 9):
            self.hub.replicas.pin(volume_of(here), self.hub.catalog.resolve(parts[number]), "vera", "the course", 0.0)
        self.lease(here, parts[6], "ada")
        self.ask(here, TaskKind.FILL, parts[7], "olga")
        self.ask(here, TaskKind.EVICT, parts[8], "olga")
        self.filling(here, parts[2], 0.5)
        self.ready("site-10", "criteo-features@v1")
        self.ask("site-10", TaskKind.EVICT, "criteo-features@v1", "olga")
        self.ready("site-12", "chest-xray@v3")
        self.ready("site-11", "clicks-raw@v1")
        clicks = self.hub.catalog.resolve("clicks-raw@v1")
        self.hub.replicas.mark_damaged(volume_of("site-11"), clicks, "logs/day-0 is torn")
        self.beat()
