"""What the processes of the concurrency tests do; importable by a spawned interpreter."""

from __future__ import annotations

import time
from pathlib import Path

from forebay.catalog.engine import migrate, open_engine
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.store import CatalogStore
from forebay.clock import SystemClock
from tests.contract.catalog.shelf import Shelf


def add_versions(url: str, folder: str, worker: int, count: int, start_at: float) -> list[int]:
    """Open (and migrate) the catalog at a common moment, then add versions; returns their numbers."""
    mine = Path(folder) / f"worker-{worker}"
    mine.mkdir()
    time.sleep(max(0.0, start_at - time.time()))
    engine = open_engine(url)
    migrate(engine)
    shelf = Shelf(CatalogStore(engine, Path(folder) / "files", SystemClock()), mine)
    numbers = []
    for step in range(count):
        manifest = Manifest.registered([Entry(path="a", size_bytes=1, etag=f"{worker}-{step}")])
        numbers.append(shelf.add("x", manifest).version.number)
    engine.dispose()
    return numbers
