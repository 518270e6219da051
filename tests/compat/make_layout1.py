"""Wrote `layout1/`, once. Never run it again for a released layout: what it wrote is what old installations hold.

Run it as `python -m tests.compat.make_layout1 FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import Engine

from forebay.catalog.engine import migrate, open_engine
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.catalog.store import CatalogStore
from forebay.wire.catalog import MadeBy, NewSubset, NewVersion, ParentVersion


class _FixedClock:
    def now(self) -> float:
        return 1_700_000_000.0

    def monotonic(self) -> float:
        return 0.0


def main(folder: Path) -> None:
    engine = open_engine(f"sqlite:///{folder}/forebay.db")
    _small_pages(engine)
    migrate(engine)
    catalog = CatalogStore(engine, folder / "files", _FixedClock())
    raw = Manifest.registered(
        [
            Entry(path="day_0.tsv", size_bytes=1_000, key="criteo/day_0.tsv", etag='"e0"', version_id="v-0"),
            Entry(path="day_1.tsv", size_bytes=2**40, key="criteo/day_1.tsv", etag='"e1"'),
            Entry(path="größe/étage.txt", size_bytes=0, key="criteo/größe/étage.txt"),
        ]
    )
    seal = Seal.learned(raw, ["day_0.tsv", "größe/étage.txt"], [bytes([7] * 32), bytes(range(32))])
    features = Manifest.committed(
        [Entry(path="part-0.parquet", size_bytes=512, digest=bytes([9] * 32).hex(), key="blobs/09/" + "09" * 32)]
    )
    part = raw.of_rows(raw.table.slice(0, 2))
    for manifest in (raw, features, part):
        manifest.write(folder / "new.parquet")
        catalog.store_manifest(folder / "new.parquet")
    seal.write(folder / "new.parquet")
    catalog.store_seal(folder / "new.parquet")
    (folder / "new.parquet").unlink()
    _fill(catalog, raw, seal, features, part)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


def _fill(catalog: CatalogStore, raw: Manifest, seal: Seal, features: Manifest, part: Manifest) -> None:
    catalog.add_version(
        NewVersion(
            dataset="criteo",
            manifest_digest=raw.manifest_digest,
            origin="registered",
            lake_url="s3://lake/",
            profile="team",
            created_by="ada",
            message="two days",
        )
    )
    catalog.seal(raw.manifest_digest, seal.seal_digest)
    catalog.add_version(
        NewVersion(
            dataset="features",
            manifest_digest=features.manifest_digest,
            origin="committed",
            lake_url="s3://lake/features",
            parents=(ParentVersion(dataset="criteo", number=1),),
            made_by=MadeBy(command="python prepare.py", code="0a1b2c", parameters="{}"),
        )
    )
    catalog.tag("criteo", "prod", 1, "ada")
    catalog.add_subset(
        NewSubset(
            dataset="criteo",
            number=1,
            subset="day_*",
            selection='{"include":["day_*"]}',
            manifest_digest=part.manifest_digest,
            created_by="ada",
        )
    )


def _small_pages(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("PRAGMA page_size = 512")
        connection.exec_driver_sql("VACUUM")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
