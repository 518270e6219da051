"""One look at everything on a volume, as recover and the account need it. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from forebay.cache.contents import distinct_digests, read_manifest, replica_manifest
from forebay.cache.incoming import held_paths, placed_bytes
from forebay.cache.repair import BlobsFound, TreeFound
from forebay.cache.volume import (
    DAMAGED,
    MANIFEST,
    SEAL,
    Completed,
    VolumeLayout,
    read_completed,
    record_path,
    tree_name,
)
from forebay.catalog.manifest import Manifest
from forebay.catalog.names import NumberRef, parse_ref
from forebay.errors import ForebayError
from forebay.fsio import used_bytes_below
from forebay.log import get_logger
from forebay.wire.cache import OpenFill
from forebay.wire.hub import Catalog

_log = get_logger("recover")
_VERSION = re.compile(r"v([1-9][0-9]*)(?:-[0-9a-f]+)?")


class Look:
    """All trees with what is wrong with them, and all blobs with who lists them.

    `known` are the versions that the hub's records spoke of before; they tell what unfinished trees are of.
    """

    def __init__(self, layout: VolumeLayout, catalog: Catalog, known: Iterable[str]) -> None:
        self._layout = layout
        self._catalog = catalog
        self._known = [ref for ref in map(parse_ref, known) if isinstance(ref, NumberRef)]
        self._listed: dict[str, set[str]] = {}
        self.trees = [self._tree(group, path) for group, path in layout.tree_paths()]

    def blobs(self, recorded: Iterable[str]) -> list[BlobsFound]:
        """The blobs of every root. `recorded` are the versions that the hub's records speak of, filled or not."""
        sound = True
        for ref in recorded:
            try:
                group, digests = listed_digests(self._layout, self._catalog, ref)
                self._listed.setdefault(group, set()).update(digests)
            except ForebayError as error:
                _log.warning("blobs-not-judged", ref=ref, kind=error.kind)
                sound = False
        return [self._blobs(group, sound=sound) for group in self._layout.groups()]

    def _tree(self, group: str, path: Path) -> TreeFound:
        completed = read_completed(path)
        named = _VERSION.fullmatch(path.name)
        number = int(named[1]) if named else 0
        marker = completed or read_completed(path, DAMAGED)
        subset = marker.subset if marker else self._subset(path)
        fault, bad = self._fault(group, path, marker)
        return TreeFound(
            group=group,
            dataset=path.parent.name,
            number=number,
            path=path,
            completed=completed,
            fault=fault if completed else "",
            bad_digests=bad,
            subset=subset,
        )

    def _subset(self, path: Path) -> str:
        """The subset that a tree without a marker is of, by the records: a folder's name does not tell it."""
        if "-" not in path.name:
            return ""
        here = path.parts[-2:]
        named = (ref.subset for ref in self._known if (ref.dataset, tree_name(ref.number, ref.subset)) == here)
        return next(named, f"?{path.name}")

    def _fault(self, group: str, path: Path, marker: Completed | None) -> tuple[str, tuple[str, ...]]:
        seal = record_path(path, SEAL)
        try:
            manifest = read_manifest(record_path(path, MANIFEST), seal if seal.exists() else None)
        except ForebayError as error:
            return f"its manifest: {error.message}", ()
        self._list(group, manifest)
        if marker is None:
            return "it has no marker", ()
        if (marker.dataset, tree_name(marker.number, marker.subset)) != path.parts[-2:]:
            return f"its marker is {marker.ref}'s", ()
        if manifest.manifest_digest != marker.manifest_digest:
            return "its manifest is another version's", ()
        return _wrong_sizes(path, manifest)

    def _list(self, group: str, manifest: Manifest) -> None:
        self._listed.setdefault(group, set()).update(_digests(manifest))

    def _blobs(self, group: str, *, sound: bool) -> BlobsFound:
        folder, listed = self._layout.blobs(group), self._listed.get(group, set())
        found = [name for shard in names_in(folder) for name in names_in(folder / shard)]
        orphans = tuple(name for name in sorted(found) if name not in listed)
        return BlobsFound(group=group, blobs=len(found), orphans=orphans, sound=sound)


def listed_digests(layout: VolumeLayout, catalog: Catalog, ref: str) -> tuple[str, set[str]]:
    """The root that a version's blobs are in, and the digests that it lists."""
    version = catalog.resolve(ref)
    return version.group, _digests(replica_manifest(catalog, version, layout.tree_of(version)))


def account_bytes(layout: VolumeLayout, fills: Sequence[OpenFill]) -> int:
    """What a volume's account should say: all but what the reservations of fills cover.

    An unfinished tree may have the last link to a blob that was evicted meanwhile: that is nobody's reservation.
    What a live fill deletes while it is looked at must not be missed twice, so what fills hold is passed over.
    """
    folders = [layout.fill(fill.fill_id) for fill in fills]
    placed = sum(placed_bytes(folder) for folder in folders)
    held = [path for folder in folders for path in held_paths(folder)]
    return used_bytes_below(layout.roots, layout.incoming, layout.trash, but=held) - placed


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted; none when it is not there."""
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _digests(manifest: Manifest) -> set[str]:
    return {digest.hex() for digest in distinct_digests(manifest)["digest"].to_pylist()}


def _wrong_sizes(tree: Path, manifest: Manifest) -> tuple[str, tuple[str, ...]]:
    """What is wrong with the first bad file, and the digests of all that have another size."""
    first, bad = "", []
    for entry in manifest.entries():
        try:
            found = (tree / entry.path).stat().st_size
        except OSError as error:
            first = first or f"{entry.path}: {error.strerror}"
            continue
        if found != entry.size_bytes:
            first = first or f"{entry.path} has {found} bytes, not {entry.size_bytes}"
            bad += [entry.digest] if entry.digest else []
    return first, tuple(bad)
