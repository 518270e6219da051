"""What a fill can take from other replicas of the same version: bytes of its objects that stand in files here already.

A cut file holds chunks of its object as they are, so the object, or a larger cut of it, needs only the rest from the
lake. Nothing is taken from a file before all of it hashed to its digest; it is linked first, so no eviction takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forebay.cache.contents import tree_manifest
from forebay.cache.incoming import Leftover
from forebay.cache.plan import Range
from forebay.cache.selection import Selection
from forebay.cache.volume import RECIPE, VolumeLayout, record_path
from forebay.catalog.manifest import Entry, Manifest
from forebay.catalog.recipe import Cut, Piece, read_recipe
from forebay.digest import digest_file
from forebay.errors import ForebayError
from forebay.fsio import Disk, links_refused
from forebay.wire.cache import Replica, ReplicaState
from forebay.wire.catalog import Version

FOLDER = "salvage"
"""Below a holder's own folder: links to the files that it takes bytes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file here that holds bytes of an object: `pieces` say where which of them stand."""

    path: Path
    digest: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes [start, end) of a file to fill stand at `at` in a file that is here, and has this digest."""

    start: int
    end: int
    path: Path
    at: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage(Leftover):
    """What other files hold of one entry, read as if an earlier try had left it."""

    spans: tuple[Span, ...]

    def read(self, start: int, end: int) -> Iterator[bytes]:
        for span in self.spans:
            first, last = max(start, span.start), min(end, span.end)
            if first < last:
                at = span.at + first - span.start
                yield from Leftover(path=span.path, ranges=(), digest=None).read(at, at + last - first)


def relatives(version: Version, replicas: Sequence[Replica]) -> list[Replica]:
    """The other replicas of the same version whose files can hold a part of this one's objects.

    Where neither is cut, whole files are all they share, and those are blobs.
    """
    ours = Selection.parse(version.selection).cuts
    return [
        other
        for other in replicas
        if (other.dataset, other.number) == (version.dataset, version.number)
        and other.state is ReplicaState.READY
        and other.ref != version.ref
        and (ours or Selection.parse(other.selection).cuts)
    ]


def sources(
    layout: VolumeLayout, replica: Replica, wanted: Mapping[str, Entry], cuts: Mapping[str, Cut]
) -> dict[str, Source]:
    """What a replica has of the wanted objects, by path; empty when its own records can't be read."""
    tree = layout.tree(replica.group, replica.dataset, replica.number, replica.subset)
    try:
        manifest = tree_manifest(tree, replica.manifest_digest)
        recipe = record_path(tree, RECIPE)
        theirs = read_recipe(recipe, replica.manifest_digest) if recipe.exists() else {}
    except (ForebayError, OSError):
        return {}
    found: dict[str, Source] = {}
    for entry in manifest.entries():
        ours = wanted.get(entry.path)
        if ours is None or entry.digest is None or not _same_object(ours, entry):
            continue
        object_bytes = cuts[entry.path].object_bytes if entry.path in cuts else ours.size_bytes
        cut = theirs.get(entry.path)
        if (cut.object_bytes if cut else entry.size_bytes) == object_bytes:
            pieces = cut.pieces if cut else (Piece(0, 0, object_bytes),)
            found[entry.path] = Source(path=tree / entry.path, digest=entry.digest, pieces=pieces)
    return found


def spans(target: Sequence[Piece], source: Source) -> Iterator[Span]:
    """Where the bytes that the target's pieces need stand in the source, in the order of the target."""
    for piece in target:
        for held in source.pieces:
            first, last = max(piece.start, held.start), min(piece.end, held.end)
            if first < last:
                start, at = piece.at + first - piece.start, held.at + first - held.start
                yield Span(start, start + last - first, source.path, at, source.digest)


def join(one: Sequence[Span], other: Sequence[Span]) -> tuple[Span, ...]:
    """All of `one`, and of `other` what lies between; in order."""
    kept = sorted(one, key=lambda span: span.start)
    added: list[Span] = []
    for span in other:
        start = span.start
        for held in [*(item for item in kept if item.end > span.start and item.start < span.end), None]:
            end = span.end if held is None else held.start
            if start < end:
                added.append(replace(span, start=start, end=end, at=span.at + start - span.start))
            start = span.end if held is None else max(start, held.end)
    return tuple(sorted([*kept, *added], key=lambda span: span.start))


def find(
    layout: VolumeLayout,
    version: Version,
    replicas: Sequence[Replica],
    manifest: Manifest,
    cuts: Mapping[str, Cut],
    missing: Iterable[int],
) -> dict[int, Salvage]:
    """What other replicas hold of missing entries, by their index; not looked at yet."""
    others = relatives(version, replicas)
    if not others:
        return {}
    sought = set(missing)
    entries = {entry.path: (index, entry) for index, entry in enumerate(manifest.entries()) if index in sought}
    wanted = {path: entry for path, (_, entry) in entries.items()}
    held: dict[str, tuple[Span, ...]] = {}
    for replica in others:
        for path, source in sources(layout, replica, wanted, cuts).items():
            target = cuts[path].pieces if path in cuts else (Piece(0, 0, wanted[path].size_bytes),)
            held[path] = join(held.get(path, ()), list(spans(target, source)))
    return {entries[path][0]: _salvage(found) for path, found in held.items() if found}


def secure(
    found: Mapping[int, Salvage], folder: Path, disk: Disk, cancelled: Callable[[], bool]
) -> dict[int, Leftover]:
    """Link the files that bytes are taken from into `folder` and keep those that hash to their digests."""
    disk.make_directories(folder)
    safe: dict[Path, Path | None] = {}
    kept: dict[int, Leftover] = {}
    for index, salvage in found.items():
        good: list[Span] = []
        for span in salvage.spans:
            if span.path not in safe and not cancelled():
                safe[span.path] = _linked(span, folder / str(len(safe)), disk)
            if (path := safe.get(span.path)) is not None:
                good.append(replace(span, path=path))
        if good:
            kept[index] = _salvage(good)
    return kept


def _salvage(spans: Sequence[Span]) -> Salvage:
    ranges = tuple(Range(span.start, span.end) for span in spans)
    return Salvage(path=spans[0].path, ranges=ranges, digest=None, spans=tuple(spans))


def _linked(span: Span, name: Path, disk: Disk) -> Path | None:
    """A link that is ours, to a file which hashes to its digest; None where there is none to be had."""
    try:
        disk.link(span.path, name)
        if digest_file(name).hex() == span.digest:
            return name
    except OSError as error:
        if not (links_refused(error) or isinstance(error, FileNotFoundError)):
            raise
    return None


def _same_object(ours: Entry, theirs: Entry) -> bool:
    return (ours.key, ours.etag, ours.version_id) == (theirs.key, theirs.etag, theirs.version_id)
