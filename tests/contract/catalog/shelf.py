"""Short ways to fill a catalog in tests."""

from __future__ import annotations

from pathlib import Path

from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.seal import Seal
from forebay.wire.catalog import AddedVersion, NewVersion, ParentVersion, Version
from forebay.wire.hub import Catalog

LAKE = "s3://lake/x"
ZEROS, ONES = bytes(32), bytes([1] * 32)


class TickingClock:
    """Every look is one second later."""

    def __init__(self) -> None:
        self._now = 1_000_000.0

    def now(self) -> float:
        self._now += 1.0
        return self._now

    def monotonic(self) -> float:
        return self.now()


def listed(**etags: str) -> Manifest:
    """A registered manifest of one-byte objects by name, with these etags."""
    return Manifest.registered([Entry(path=path, size_bytes=1, etag=etag) for path, etag in etags.items()])


class Shelf:
    """Stores manifests, seals and versions with as few words as a test needs."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self.catalog = catalog
        self._folder = folder

    def keep(self, manifest: Manifest) -> Manifest:
        file = self._folder / f"kept-{manifest.file_name}"
        manifest.write(file)
        assert self.catalog.store_manifest(file) == manifest.manifest_digest
        return manifest

    def add(
        self, ref: str, manifest: Manifest | None = None, *, parents: tuple[Version, ...] = (), lake_url: str = LAKE
    ) -> AddedVersion:
        """Add to a dataset; without a manifest, some new content."""
        chosen = manifest or listed(a=f"{ref}-{len(self.catalog.datasets())}-{self._count(ref)}")
        return self.catalog.add_version(self.new(ref, self.keep(chosen), parents=parents, lake_url=lake_url))

    def new(
        self, dataset: str, manifest: Manifest, *, parents: tuple[Version, ...] = (), lake_url: str = LAKE
    ) -> NewVersion:
        return NewVersion(
            dataset=dataset,
            manifest_digest=manifest.manifest_digest,
            origin=manifest.origin,
            lake_url=lake_url,
            created_by="ada",
            parents=tuple(ParentVersion(dataset=parent.dataset, number=parent.number) for parent in parents),
        )

    def learn(self, manifest: Manifest, **digests: bytes) -> Seal:
        """Store and record what some files hash to."""
        seal = Seal.learned(manifest, list(digests), list(digests.values()))
        file = self._folder / f"kept-{seal.file_name}"
        seal.write(file)
        assert self.catalog.store_seal(file) == seal.seal_digest
        self.catalog.seal(manifest.manifest_digest, seal.seal_digest)
        return seal

    def known(self, manifest: Manifest) -> dict[str, bytes | None]:
        """Path to digest, as the catalog has it."""
        path = self.catalog.seal_path(manifest.manifest_digest)
        assert path is not None
        digests = Seal.read(path).digests.to_pylist()
        return dict(zip((entry.path for entry in manifest.entries()), digests, strict=True))

    def _count(self, dataset: str) -> int:
        names = {found.name for found in self.catalog.datasets()}
        return len(self.catalog.versions(dataset)) if dataset in names else 0
