"""Wrote `volume1.tar.xz`, once, with a forebay whose trees had their records as `*.parquet`. Never run it again.

Run it as `python -m tests.compat.make_volume1 FILE`.
"""

from __future__ import annotations

import io
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import obstore
import pyarrow as pa
import pyarrow.parquet as pq

from forebay.cache.selection import Selection
from forebay.catalog.manifest import Entry, Manifest
from forebay.client.session import Session
from forebay.client.subset import resolve
from forebay.lake.etag import etag_of
from forebay.lake.stores import LakeStore
from forebay.testing.cached.world import add_version
from forebay.wire.catalog import Version


class FolderSession(Session):
    """A session whose every lake is one folder, whatever its versions say."""

    def __init__(self, root: Path, lake: Path) -> None:
        super().__init__(Session.start({"home": root / "home", "volume": root / "volume", "grace": "0s"}).loaded)
        self._lake = lake

    def open_lake(self, version: Version) -> LakeStore:
        return LakeStore.open(f"file://{self._lake}")


def files() -> dict[str, bytes]:
    """A version's files: two Parquet files in a folder, and one that is none."""
    return {**{f"days/day_{day}.parquet": _day(day) for day in range(2)}, "größe.txt": b"about the clicks"}


def _day(day: int) -> bytes:
    rows = range(700)
    table = pa.table({"click": rows, "day": [day] * len(rows), "text": [f"{day}-{row:0100}" for row in rows]})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    return sink.getvalue()


def main(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, lake = Path(folder), Path(folder) / "lake"
        for name, data in files().items():
            (lake / name).parent.mkdir(parents=True, exist_ok=True)
            (lake / name).write_bytes(data)
        session = FolderSession(root, lake)
        whole = add_version(session.hub, "clicks", Manifest.registered(_entries(lake)), "s3://lake/")
        for version in (whole, resolve(session, whole.ref, Selection.of(columns=["day"]))):
            session.warm(version, "make_volume1")
        session.close()
        with tarfile.open(file, "w:xz") as tar:
            tar.add(root / "volume", "volume", filter=_nobodys)


def _entries(lake: Path) -> Iterator[Entry]:
    store = LakeStore.open(f"file://{lake}")
    for name in files():
        meta = obstore.head(store.requests, name)
        yield Entry(path=name, size_bytes=meta["size"], key=name, etag=etag_of(meta))


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 1_700_000_000
    return member


if __name__ == "__main__":
    main(Path(sys.argv[1]))
