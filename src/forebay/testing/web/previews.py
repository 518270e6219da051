"""Versions with previews in every state, for pages: made, under way, waiting, failed, switched off, barred."""

from __future__ import annotations

import datetime
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ForebayError
from forebay.hub.access.store import AccessStore
from forebay.hub.local import LocalHub
from forebay.previews.look import look
from forebay.testing.cached.world import add_version, holder
from forebay.wire.access import DatasetPolicy
from forebay.wire.cache import FillDone, Granted
from forebay.wire.catalog import Version
from forebay.wire.previews import ImagesPreview, PreviewDone, PreviewKind, PreviewOrder, RowsPreview, TablePreview
from forebay.wire.sites import Hello

SITE = "lab"
SHOWN = "ad-clicks"
_WAITING = "day_1.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A site with an agent that looks into files: its volume, and the token of its agent's attaching."""

    site: str
    volume_id: str
    agent_token: int

    @classmethod
    def attached(cls, hub: LocalHub) -> Lab:
        """A new one."""
        volume_id = f"volume-of-{SITE}"
        hub.volumes.add(volume_id, f"/{SITE}", 1 << 40)
        token = hub.sites.attach(Hello(site=SITE, volume_id=volume_id, cpus=16)).agent_token
        return cls(site=SITE, volume_id=volume_id, agent_token=token)


def show_previews(hub: LocalHub, access: AccessStore, *, read: tuple[str, ...] = (), lab: Lab | None = None) -> None:
    """Add the datasets, of which the scripted agent of a site (None: of a new one) looks into some; `SHOWN` is for the
    teams of `read` alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        trees = {number: _tree(Path(folder) / f"v{number}", number) for number in (1, 2)}
        versions = [_version(hub, SHOWN, trees[number], f"v{number}") for number in (1, 2)]
        _version(hub, SHOWN, trees[2], "v3")
        for name in ("ad-faces", "ad-places"):
            _version(hub, name, trees[1], "v1")
        _version(hub, "ad-notes", (trees[1][0], ["readme.md"]), "v1")
        hub.previews.switch("ad-faces", False)
        lab = lab or Lab.attached(hub)
        access.set_policy(DatasetPolicy(dataset="ad-places", sites=(lab.site,)))
        access.set_policy(DatasetPolicy(dataset=SHOWN, read=read))
        for version in versions:
            _brought(hub, lab, version)
        for version in versions:
            hub.previews.ask(version.ref, PreviewKind.TABLE, "day_0.parquet")
            hub.previews.ask(version.ref, PreviewKind.IMAGES, "faces/0.png")
            hub.previews.ask(version.ref, PreviewKind.TABLE, "torn.parquet")
            hub.previews.ask(version.ref, PreviewKind.ROWS, "day_0.parquet")
            _answer(hub, lab, trees[version.number][0])
        hub.previews.ask(versions[1].ref, PreviewKind.TABLE, _WAITING)


def _brought(hub: LocalHub, lab: Lab, version: Version) -> None:
    granted = hub.fills.claim(lab.volume_id, version, holder())
    assert isinstance(granted, Granted)
    size = version.size_bytes
    done = FillDone(added_bytes=size, moved_bytes=size, present_bytes=0, seconds=1.0, seal_digest="")
    hub.fills.finish(granted.fill_id, granted.token, done)


def _answer(hub: LocalHub, lab: Lab, tree: Path) -> None:
    """All that the agent is told to look into."""
    while orders := hub.sites.orders(lab.site, lab.agent_token, 0, 0.0).previews:
        for order in orders:
            hub.previews.done(lab.site, lab.agent_token, _looked_into(order, tree))


def _looked_into(order: PreviewOrder, tree: Path) -> PreviewDone:
    try:
        found = look(order.kind, {path: tree / path for path in order.paths})
    except ForebayError as error:
        return PreviewDone(
            preview_id=order.preview_id,
            token=order.token,
            kind=error.kind,
            detail=error.message,
            todo=error.todo,
            retryable=False,
        )
    return PreviewDone(
        preview_id=order.preview_id,
        token=order.token,
        table=found if isinstance(found, TablePreview) else None,
        images=found if isinstance(found, ImagesPreview) else None,
        rows=found if isinstance(found, RowsPreview) else None,
    )


def _version(hub: LocalHub, dataset: str, tree: tuple[Path, list[str]], etag: str) -> Version:
    folder, paths = tree
    entries = [Entry(path=path, size_bytes=(folder / path).stat().st_size, etag=etag) for path in sorted(paths)]
    return add_version(hub, dataset, Manifest.registered(entries), f"s3://lake/{dataset}")


def _tree(folder: Path, seed: int) -> tuple[Path, list[str]]:
    """A folder with files of every kind, and their paths. Another seed draws other values from other laws."""
    (folder / "faces").mkdir(parents=True)
    chance = random.Random(seed)
    rows = _rows(chance, 4000, moved=seed > 1)
    pq.write_table(rows, folder / "day_0.parquet", row_group_size=1000)
    pyarrow.csv.write_csv(rows.select(["clicked", "price", "country"]), folder / "day_1.csv")
    (folder / "torn.parquet").write_bytes(b"PAR1 and then the disk was full")
    (folder / "readme.md").write_text("Clicks, a day a file.\n")
    faces = [f"faces/{number}.png" for number in range(5)]
    for number, path in enumerate(faces):
        _picture(folder / path, number)
    (folder / faces[-1]).write_bytes(b"no picture")
    return folder, ["day_0.parquet", "day_1.csv", "torn.parquet", "readme.md", *faces]


def _rows(chance: random.Random, count: int, *, moved: bool) -> pa.Table:
    begin = datetime.datetime(2026, 3, 2 if moved else 1)
    countries = ["DE", "FR", "PL", "US"] if moved else ["DE", "FR", "PL"]
    columns: dict[str, list[Any]] = {
        "clicked": [int(chance.random() < 0.04) for _ in range(count)],
        "seen_at": [begin + datetime.timedelta(seconds=86400 * chance.random()) for _ in range(count)],
        "price": [chance.lognormvariate(0.6 if moved else 0.0, 0.7) for _ in range(count)],
        "age": [None if chance.random() < 0.1 else int(chance.gauss(41, 12)) for _ in range(count)],
        "country": [chance.choice(countries) for _ in range(count)],
        "user": [f"u{chance.randrange(10**9):09d}" for _ in range(count)],
        "<b>note</b>": [chance.choice(["", "=1+1", "<script>alert(1)</script>"]) for _ in range(count)],
        "topics": [[chance.randrange(5)] for _ in range(count)],
    }
    if moved:
        columns["campaign"] = [chance.choice(["spring", "none"]) for _ in range(count)]
        columns.pop("topics")
        columns["age"] = [float(age) if age is not None else None for age in columns["age"]]
    return pa.table(columns)


def _picture(path: Path, number: int) -> None:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (640, 480 + 80 * number), (40 + 40 * number, 110, 120))
    ImageDraw.Draw(picture).ellipse((180, 100, 460, 380), fill=(240, 230 - 20 * number, 200))
    picture.save(path)
