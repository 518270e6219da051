"""A process that does one thing with a version of many entries and prints the most memory it ever held, in bytes.

The lake is in this process's memory: a few thousand objects, each of which many entries name. So a hundred thousand
entries take seconds, and what grows with them is what forebay holds. python filling.py WHAT ROOT ENTRIES
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import obstore
import pyarrow as pa
from obstore.store import MemoryStore

from forebay.catalog.manifest import Manifest
from forebay.fsio import Disk
from forebay.lake.etag import etag_of
from forebay.lake.stores import LakeStore
from forebay.testing.cached import World
from forebay.testing.cached.world import add_version, holder
from forebay.wire.catalog import Version

OBJECTS = 4000


class QuietDisk(Disk):
    """One that syncs nothing: other tests see to that, and this one would wait for the whole machine's disk."""

    def sync_file_system(self, path: Path, witness: int | None = None) -> None:
        pass

    def sync_directory(self, path: Path) -> None:
        pass


def main(what: str, root: str, entries: str) -> None:
    world = World(Path(root))
    lake = memory_lake(world.lake_url)
    cache = world.cache(disk=QuietDisk(), open_lake=lambda _version: lake, confirm_lake=lambda _version: None)
    match what:
        case "make":
            add_version(world.hub, "clicks", Manifest.registered(rows(lake, int(entries))), world.lake_url)
        case "fill":
            assert cache.warm(version_of(world), holder()).moved_bytes
        case "verify":
            (found,), marked = cache.verify([version_of(world)], world.root / "memo", force=False)
            assert (found.files, marked) == (int(entries), [])
        case "recover":
            assert not cache.recover().failed
        case "evict":
            (evicted,) = [cache.evictor.evict(replica, "asked") for replica in cache.replicas()]
            assert evicted.error is None
    sys.stdout.write(str(most_held_bytes()))


def memory_lake(url: str) -> LakeStore:
    """The objects `0000` to `3999`, each of a few bytes of its own."""
    store = MemoryStore()
    for number in range(OBJECTS):
        obstore.put(store, f"{number:04}", f"row {number}\n".encode())
    return LakeStore(root_url=url, scheme="s3", streams=store, requests=store)


def rows(lake: LakeStore, entries: int) -> pa.Table:
    """Paths as data sets have them; one object after the other."""
    metas = [obstore.head(lake.requests, f"{number:04}") for number in range(OBJECTS)]
    return pa.table(
        {
            "path": [f"data/part-{number // 1000:05}/image-{number:09}.parquet" for number in range(entries)],
            "size_bytes": [metas[number % OBJECTS]["size"] for number in range(entries)],
            "key": [metas[number % OBJECTS]["path"] for number in range(entries)],
            "etag": [etag_of(metas[number % OBJECTS]) for number in range(entries)],
        }
    )


def version_of(world: World) -> Version:
    return world.hub.catalog.resolve("clicks")


def most_held_bytes() -> int:
    """Not what the process that started this one held, which `getrusage` would count."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
