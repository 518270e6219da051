"""`wire.hub.Catalog` of a served hub.

Manifests, seals and recipes are brought once, checked, and kept by their digest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forebay.catalog.archive import Archive
from forebay.client.remote.connection import Connection, at, of_dataset
from forebay.errors import DamagedError, NotFoundError
from forebay.wire.catalog import AddedVersion, Dataset, Lineage, NewSubset, NewVersion, TagMove, Version
from forebay.wire.codec import to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecordedSeal:
    seal_digest: str


class RemoteCatalog:
    """Implements `wire.hub.Catalog`. `folder` tells where this hub's files are kept here."""

    def __init__(self, connection: Connection, folder: Callable[[], Path]) -> None:
        self._connection = connection
        self._folder = folder

    def datasets(self) -> list[Dataset]:
        return self._connection.pages(Dataset, at("datasets"))

    def dataset(self, name: str) -> Dataset:
        return self._connection.get(Dataset, of_dataset(name))

    def versions(self, name: str, *, retired: bool = False) -> list[Version]:
        return self._connection.pages(Version, of_dataset(name, "versions"), {"retired": "true"} if retired else None)

    def resolve(self, ref: str) -> Version:
        return self._connection.get(Version, at("version"), {"ref": ref})

    def store_manifest(self, parquet: Path) -> str:
        digest = self._upload("POST", at("manifests"), parquet)
        self._kept.add_manifest(parquet)
        return digest

    def manifest_path(self, manifest_digest: str) -> Path:
        kept = self._kept
        return at_hand(
            lambda: kept.verify_manifest(manifest_digest),
            lambda: self._bring(at("manifests", manifest_digest), kept.add_manifest),
        )

    def store_seal(self, parquet: Path) -> str:
        digest = self._upload("POST", at("seals"), parquet)
        self._kept.add_seal(parquet)
        return digest

    def seal_path(self, manifest_digest: str) -> Path | None:
        kept, address = self._kept, at("manifests", manifest_digest, "seal")
        try:
            seal_digest = self._connection.get(_RecordedSeal, address).seal_digest
        except NotFoundError as error:
            if error.kind == "nothing-learned":
                return None
            raise

        def found() -> Path:
            kept.seal(seal_digest)
            return kept.seal_file(seal_digest)

        return at_hand(found, lambda: self._bring(f"{address}/file", kept.add_seal))

    def seal(self, manifest_digest: str, seal_digest: str) -> None:
        self._connection.do("PUT", at("manifests", manifest_digest, "seal"), {"seal_digest": seal_digest})

    def store_recipe(self, manifest_digest: str, parquet: Path) -> None:
        _readable(parquet)
        self._connection.upload(type(None), "PUT", at("manifests", manifest_digest, "recipe"), parquet)

    def recipe_path(self, manifest_digest: str) -> Path:
        kept, address = self._kept, at("manifests", manifest_digest, "recipe")
        return at_hand(
            lambda: kept.verify_recipe(manifest_digest),
            lambda: self._bring(address, lambda file: kept.add_recipe(manifest_digest, file)),
        )

    def add_version(self, new: NewVersion) -> AddedVersion:
        return self._connection.write(
            AddedVersion, "POST", of_dataset(new.dataset, "versions"), to_json(new), once=True
        )

    def set_team(self, dataset: str, team: str) -> Dataset:
        return self._connection.write(Dataset, "PUT", of_dataset(dataset, "team"), {"team": team})

    def set_stale_after(self, dataset: str, seconds: float | None) -> Dataset:
        return self._connection.write(Dataset, "PUT", of_dataset(dataset, "stale-after"), {"seconds": seconds})

    def describe(self, dataset: str, description: str) -> Dataset:
        return self._connection.write(Dataset, "PUT", of_dataset(dataset, "description"), {"description": description})

    def add_subset(self, new: NewSubset) -> Version:
        address = of_dataset(new.dataset, "versions", new.number, "subsets")
        return self._connection.write(Version, "POST", address, to_json(new))

    def remove_version(self, dataset: str, number: int) -> None:
        self._connection.do("DELETE", of_dataset(dataset, "versions", number), once=True)

    def remove_dataset(self, name: str) -> None:
        self._connection.do("DELETE", of_dataset(name), once=True)

    def tag(self, dataset: str, tag: str, number: int, moved_by: str) -> TagMove:
        body = {"number": number, "moved_by": moved_by}
        return self._connection.write(TagMove, "PUT", of_dataset(dataset, "tags", tag), body, once=True)

    def untag(self, dataset: str, tag: str, moved_by: str) -> TagMove:
        address = of_dataset(dataset, "tags", tag)
        return self._connection.write(TagMove, "DELETE", address, query={"moved_by": moved_by}, once=True)

    def tag_history(self, dataset: str, tag: str | None = None) -> list[TagMove]:
        return self._connection.pages(TagMove, of_dataset(dataset, "tag-moves"), {"tag": tag})

    def restore_version(self, new: NewVersion, number: int) -> Version:
        address = of_dataset(new.dataset, "versions", number)
        return self._connection.write(Version, "PUT", address, to_json(new), once=True)

    def lineage(self, dataset: str, number: int) -> Lineage:
        return self._connection.get(Lineage, of_dataset(dataset, "versions", number, "lineage"))

    @property
    def _kept(self) -> Archive:
        return Archive(self._folder())

    def _upload(self, method: str, address: str, parquet: Path) -> str:
        _readable(parquet)
        return self._connection.upload(_Stored, method, address, parquet).digest

    def _bring(self, address: str, keep: Callable[[Path], object]) -> None:
        with tempfile.TemporaryDirectory(prefix="forebay-download-") as folder:
            file = Path(folder) / "download.parquet"
            self._connection.download(address, file)
            keep(file)


def at_hand(look: Callable[[], Path], bring: Callable[[], object]) -> Path:
    """A kept file that is what its name says; one that is missing or damaged here is brought, then looked at again."""
    try:
        return look()
    except (NotFoundError, DamagedError):
        bring()
    return look()


def _readable(parquet: Path) -> None:
    if not parquet.is_file():
        raise NotFoundError("file-not-found", f"There is no file {parquet}.")
