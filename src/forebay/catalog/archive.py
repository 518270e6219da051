"""Keeps manifest and seal files by their digest: `manifests/ab/<digest>.parquet`, `seals/ab/<digest>.parquet`.

A recipe is kept by the digest of the manifest that it belongs to: `recipes/ab/<digest>.parquet`. Code of runs comes as
bundles: `bundles/ab/<digest>.tar.gz`.

A file appears under its name only whole, checked and durable, and never changes afterwards. What this folder lacks
is taken from the files that all hosts of a database server share, where there are any.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.digest import digest_file
from forebay.errors import CapacityError, ConflictError, DamagedError, InputError, NotFoundError, UnavailableError
from forebay.fsio import Disk

if TYPE_CHECKING:
    import pyarrow as pa

    from forebay.catalog.manifest import Manifest, ManifestFacts
    from forebay.catalog.seal import Seal
    from forebay.catalog.shared_files import SharedFiles

# What reads Parquet is imported with the first file that is read: to open a ready version, or to hand out a lease, is
# to read none, and takes less than the import.

BUNDLE_BYTES = 64 << 20
"""The most that a code bundle may have."""

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptManifest:
    """A manifest as far as seals need it; a path is only read when a message has to name it."""

    facts: ManifestFacts
    file: Path

    @property
    def manifest_digest(self) -> str:
        return self.facts.manifest_digest

    def __len__(self) -> int:
        return self.facts.files

    def path_at(self, row: int) -> str:
        from forebay.catalog.manifest import Manifest

        with Manifest.opened(self.file) as file:
            return str(file.column("path")[row].as_py())


class Archive:
    """The folder `files` of a catalog."""

    def __init__(self, files: Path, disk: Disk | None = None, shared: SharedFiles | None = None) -> None:
        self._files = files
        self._disk = disk or Disk()
        self._shared = shared

    def refuse_away(self) -> None:
        """UnavailableError `catalog-away` when the folder itself cannot be seen: then nothing in it is lost."""
        if not self._files.is_dir():
            why = f"the catalog's folder {self._files} is away"
            raise UnavailableError("catalog-away", why, todo="Is it mounted? Try again when it is there.")

    def add_manifest(self, parquet: Path) -> ManifestFacts:
        """Copy and check a manifest file.

        DamagedError; InputError for unsafe paths; ConflictError `manifest-keys-differ` when the same committed
        files are known under other keys.
        """
        from forebay.catalog.manifest import Manifest

        with self._copied(parquet) as copy:
            facts = Manifest.verify(copy)
            if not self._kept_whole(facts.manifest_digest):
                self._share(copy, self._manifest_path(facts.manifest_digest))
                self._publish(copy, self._manifest_path(facts.manifest_digest))
            elif facts.origin == "committed" and not self._same_keys(copy, facts.manifest_digest):
                raise ConflictError(
                    "manifest-keys-differ",
                    f"The files of manifest {facts.manifest_digest} are already kept under other object keys.",
                    todo="Use the version that has them.",
                )
            else:
                self._share(copy, self._manifest_path(facts.manifest_digest))
        return facts

    def add_seal(self, parquet: Path) -> Seal:
        """Copy and check a seal file; DamagedError."""
        from forebay.catalog.seal import Seal

        with self._copied(parquet) as copy:
            seal = Seal.read(copy)
            self._share(copy, self._seal_path(seal.seal_digest))
            self._publish(copy, self._seal_path(seal.seal_digest))
        return seal

    def add_recipe(self, manifest_digest: str, parquet: Path) -> None:
        """Copy and check a recipe; one that is kept already and whole stays. DamagedError."""
        from forebay.catalog.recipe import read_recipe

        with self._copied(parquet) as copy:
            read_recipe(copy, manifest_digest)
            try:
                self.verify_recipe(manifest_digest)
            except (NotFoundError, DamagedError):
                self._share(copy, self._recipe_path(manifest_digest))
                self._publish(copy, self._recipe_path(manifest_digest))

    def verify_recipe(self, manifest_digest: str) -> Path:
        """The file of a kept recipe; NotFoundError `recipe-not-found`, DamagedError `recipe-damaged`."""
        from forebay.catalog.recipe import read_recipe

        read_recipe(self.recipe_file(manifest_digest), manifest_digest)
        return self.recipe_file(manifest_digest)

    def add_bundle(self, bundle: Path) -> str:
        """Copy a code bundle; its digest. InputError `bad-bundle`, CapacityError `bundle-too-large`."""
        with self._copied(bundle) as copy:
            if copy.stat().st_size > BUNDLE_BYTES:
                raise CapacityError(
                    "bundle-too-large",
                    f"{bundle} has {copy.stat().st_size} bytes, a code bundle at most {BUNDLE_BYTES}.",
                    todo="Leave data and built things out of it: list them in .gitignore.",
                )
            with copy.open("rb") as file:
                if file.read(2) != _GZIP:
                    raise InputError("bad-bundle", f"{bundle} is no .tar.gz file.")
            digest = digest_file(copy).hex()
            self._share(copy, self._bundle_path(digest))
            self._publish(copy, self._bundle_path(digest))
        return digest

    def verify_bundle(self, digest: str) -> Path:
        """The file of a kept bundle; NotFoundError `bundle-not-found`, DamagedError `bundle-damaged`."""
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise NotFoundError("bundle-not-found", f"{digest[:64]!r} is the digest of no code bundle.")
        path = self._brought(self._bundle_path(digest))
        if not path.exists():
            raise NotFoundError("bundle-not-found", f"The hub has no code bundle {digest}.", todo="Submit it anew.")
        if digest_file(path).hex() != digest:
            raise DamagedError("bundle-damaged", f"{path} is not what its name says.", todo="Store the bundle again.")
        return path

    def keep_seal(self, seal: Seal) -> None:
        """Keep a seal that was made here."""
        path = self._seal_path(seal.seal_digest)
        if path.exists() and (self._shared is None or self._shared.has(self._name(path))):
            return
        with self._scratch() as folder:
            made = folder / "made.parquet"
            seal.write(made)
            self.add_seal(made)

    def manifest(self, manifest_digest: str) -> Manifest:
        """A kept manifest; NotFoundError `manifest-not-found`, DamagedError `manifest-damaged`."""
        from forebay.catalog.manifest import Manifest

        self.facts(manifest_digest)
        return Manifest.read(self.manifest_file(manifest_digest))

    def kept(self, manifest_digest: str) -> KeptManifest:
        """A kept manifest whose rows stay on the disk; NotFoundError, DamagedError."""
        return KeptManifest(facts=self.facts(manifest_digest), file=self.manifest_file(manifest_digest))

    def verify_manifest(self, manifest_digest: str) -> Path:
        """The file of a kept manifest, recomputed; errors as from `manifest`."""
        from forebay.catalog.manifest import Manifest

        self.facts(manifest_digest)
        Manifest.verify_again(self.manifest_file(manifest_digest))
        return self.manifest_file(manifest_digest)

    def facts(self, manifest_digest: str) -> ManifestFacts:
        """What a kept manifest says of itself, quickly: it was checked when it came. NotFoundError, DamagedError."""
        from forebay.catalog.manifest import Manifest

        path = self.manifest_file(manifest_digest)
        if not path.exists():
            raise NotFoundError("manifest-not-found", f"The catalog has no manifest {manifest_digest}.")
        facts = Manifest.facts(path)
        if facts.manifest_digest != manifest_digest:
            raise DamagedError("manifest-damaged", f"{path} holds the manifest {facts.manifest_digest}.")
        return facts

    def _kept_whole(self, manifest_digest: str) -> bool:
        """Whether this manifest is kept and whole; if not, its file may be replaced."""
        try:
            self.verify_manifest(manifest_digest)
        except (NotFoundError, DamagedError):
            return False
        return True

    def _same_keys(self, copy: Path, manifest_digest: str) -> bool:
        from forebay.catalog.manifest import Manifest

        return bool(Manifest.read(copy).table["key"].equals(self.manifest(manifest_digest).table["key"]))

    def seal(self, seal_digest: str) -> Seal:
        """A kept seal; NotFoundError `seal-not-found`, DamagedError `seal-damaged`."""
        from forebay.catalog.seal import Seal

        path = self.seal_file(seal_digest)
        if not path.exists():
            raise NotFoundError("seal-not-found", f"The catalog has no seal {seal_digest}.")
        seal = Seal.read(path)
        if seal.seal_digest != seal_digest:
            raise DamagedError("seal-damaged", f"{path} holds the seal {seal.seal_digest}.")
        return seal

    def inherited_seal(self, old_digest: str, known: Seal | None, new_digest: str) -> Seal:
        """What one kept manifest, with what was learned about it, tells about another; see `seal.inherit`.

        Reads a few columns at a time; both files were checked when they came.
        """
        from forebay.catalog.manifest import Manifest
        from forebay.catalog.seal import inherit

        files = (self.manifest_file(old_digest), self.manifest_file(new_digest))
        with Manifest.opened(files[0]) as old, Manifest.opened(files[1]) as new:

            def old_column(name: str) -> pa.ChunkedArray:
                return known.digests if name == "digest" and known is not None else old.column(name)

            return inherit(new_digest, old_column, new.column)

    def manifest_file(self, manifest_digest: str) -> Path:
        """Where a manifest is; brought here first when only the shared files have it."""
        return self._brought(self._manifest_path(manifest_digest))

    def seal_file(self, seal_digest: str) -> Path:
        """The same for a seal."""
        return self._brought(self._seal_path(seal_digest))

    def _manifest_path(self, manifest_digest: str) -> Path:
        return self._files / "manifests" / manifest_digest[:2] / f"{manifest_digest}.parquet"

    def _seal_path(self, seal_digest: str) -> Path:
        return self._files / "seals" / seal_digest[:2] / f"{seal_digest}.parquet"

    def _bundle_path(self, digest: str) -> Path:
        return self._files / "bundles" / digest[:2] / f"{digest}.tar.gz"

    def recipe_file(self, manifest_digest: str) -> Path:
        """The same for a recipe."""
        return self._brought(self._recipe_path(manifest_digest))

    def _recipe_path(self, manifest_digest: str) -> Path:
        return self._files / "recipes" / manifest_digest[:2] / f"{manifest_digest}.parquet"

    def _share(self, copy: Path, target: Path) -> None:
        """Before anything names it, so that no host ever looks for it in vain."""
        if self._shared is not None:
            self._shared.put(self._name(target), copy)

    def _brought(self, path: Path) -> Path:
        if self._shared is None or path.exists():
            return path
        with self._scratch() as folder:
            copy = folder / "copy.parquet"
            with copy.open("wb") as file:
                for data in self._shared.get(self._name(path)):
                    file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if copy.stat().st_size:
                self._publish(copy, path)
        return path

    def _name(self, path: Path) -> str:
        return path.relative_to(self._files).as_posix()

    @contextmanager
    def _copied(self, source: Path) -> Iterator[Path]:
        """A durable copy that nobody else can change while it is being checked."""
        with self._scratch() as folder:
            copy = folder / "copy.parquet"
            try:
                self._disk.copy_durable(source, copy)
            except FileNotFoundError as error:
                raise NotFoundError("file-not-found", f"There is no file {source}.") from error
            yield copy

    def _publish(self, copy: Path, target: Path) -> None:
        for folder in (target.parent.parent, target.parent):
            if not folder.exists():
                self._disk.make_directories(folder)
                self._disk.sync_directory(folder.parent)
        self._disk.rename(copy, target)
        self._disk.sync_directory(target.parent)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        try:
            self._disk.make_directories(self._files)
            with tempfile.TemporaryDirectory(dir=self._files, prefix=".incoming-") as folder:
                yield Path(folder)
        except OSError as error:
            raise _translated(error, self._files) from error


def _translated(error: OSError, files: Path) -> CapacityError | UnavailableError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CapacityError("catalog-full", f"The disk of the catalog {files} is full.", todo="Free some space.")
    return UnavailableError(
        "catalog-unwritable", f"Cannot write to the catalog {files}: {error}.", todo="Check its permissions."
    )
