"""Looks at the other versions on the volume for one fill: what they have of its objects, and what they bring just now.

The decisions are `overlap`'s. Reads manifests, one at a time and by columns; what can't be read is passed over, which
costs bytes and never correctness.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from forebay.cache.contents import Contents, load_contents
from forebay.cache.digests import Digests
from forebay.cache.listing import Listing
from forebay.cache.meter import Meter
from forebay.cache.overlap import Split, Turn, awaited, gap_bytes, learned, mask_bytes, shared_rows, turns_before
from forebay.cache.place import Placer
from forebay.cache.volume import MANIFEST, VolumeLayout, record_path
from forebay.catalog.manifest import Manifest
from forebay.errors import ForebayError, UnavailableError
from forebay.log import get_logger
from forebay.vouch import seen_dead
from forebay.wire.cache import Granted, OpenFill
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub

_log = get_logger("shared")

_LOOK_SECONDS = 0.2

T = TypeVar("T")
U = TypeVar("U")


def learn(hub: Hub, layout: VolumeLayout, volume_id: str, version: Version, contents: Contents) -> Manifest:
    """The manifest with every digest that is known of its objects through other versions on the volume.

    Registration asks the dataset's latest version only, and that may not have been filled then. Of files that are cut
    out of objects it names no object: see `_objects`.
    """
    manifest = _objects(contents)
    for other in () if manifest.sealed else _others(hub, volume_id, version):
        tree = layout.tree_of(other)
        if not _may_share(tree, manifest):
            continue
        theirs = _read(hub, other)
        if theirs is not None:
            manifest = learned(manifest, theirs)
        if manifest.sealed:
            break
    return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What one earlier fill brings of ours: a mask over our rows."""

    version: Version
    holder: str
    rows: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What came of waiting: entries that are in the tree now, and those that nobody brought."""

    linked: Sequence[int]
    missing: Sequence[int]


class Overlap:
    """What earlier fills bring of one fill's objects.

    Made before the fill looks for blobs: a fill that ends between the two has left its blobs, and one that goes on is
    waited for. The other way round, what ended in between would be fetched again.
    """

    def __init__(self, hub: Hub, granted: Granted, version: Version) -> None:
        self._hub = hub
        self._volume_id = granted.replica.volume_id
        self._version = version
        self._own = Turn(granted.token, granted.fill_id)
        self._fills = self._turns()
        self._claims: dict[Turn, _Claim] = {}

    def rows(self, manifest: Manifest) -> bytes:
        """The rows of our manifest that are others' to bring, as a mask; b"" when nobody does."""
        self._claims = dict(self._claimed(manifest))
        return awaited(claim.rows for claim in self._claims.values())

    def wait(
        self,
        split: Split,
        manifest: Manifest,
        listing: Listing,
        placer: Placer,
        meter: Meter,
        still_held: Callable[[], object],
    ) -> Brought:
        """Wait until no earlier fill brings any of the entries; link those that came, and note their digests.

        Raises what the meter was cancelled with, and what `still_held` raises for a holder that was replaced.
        """
        linked, left = array("q"), split.held_back
        try:
            while left and (going := self._bringing(left)):
                meter.waiting_for = going[0].holder
                for claim in self._ended():
                    manifest = self._learned(manifest, claim.version)
                    mine = [index for index in left if claim.rows[index]]
                    came = array("q", _link(mine, manifest, listing, placer))
                    meter.came(len(came), sum(gap_bytes(split.now, index, listing.sizes[index]) for index in came))
                    linked.extend(came)
                    there = set(came)
                    left = array("q", (index for index in left if index not in there))
                if meter.wait(_LOOK_SECONDS) and meter.reason is not None:
                    raise meter.reason
                still_held()
        finally:
            meter.waiting_for = ""
        return Brought(linked=linked, missing=left)

    def _claimed(self, manifest: Manifest) -> Iterator[tuple[Turn, _Claim]]:
        for turn, fill in sorted(self._fills.items()):
            version = _passing_over(fill.ref, self._hub.catalog.resolve, None)
            if version is None or version.group != self._version.group:
                continue
            theirs = _read(self._hub, version)
            if theirs is None:
                continue
            rows = shared_rows(manifest, theirs, same_lake=_same_lake(version, self._version))
            if pc.any(rows).as_py():
                yield turn, _Claim(version=version, holder=fill.holder, rows=mask_bytes(rows))

    def _bringing(self, entries: Sequence[int]) -> list[_Claim]:
        return [claim for claim in self._claims.values() if any(claim.rows[index] for index in entries)]

    def _ended(self) -> list[_Claim]:
        """The claims whose fills have published, failed, or lost their hold; they are dropped."""
        try:
            going = self._turns()
        except UnavailableError:
            return []  # a hub that is away tells nothing, and grants nothing
        return [self._claims.pop(turn) for turn in list(self._claims) if turn not in going]

    def _learned(self, manifest: Manifest, version: Version) -> Manifest:
        theirs = _read(self._hub, version) if _same_lake(version, self._version) else None
        return manifest if theirs is None else learned(manifest, theirs)

    def _turns(self) -> dict[Turn, OpenFill]:
        fills = self._hub.fills.open_fills(self._volume_id)
        dead = {fill.process for fill in fills if seen_dead(fill.process)}
        return turns_before(self._own, fills, dead)


def _link(entries: Sequence[int], manifest: Manifest, listing: Listing, placer: Placer) -> Iterator[int]:
    """Link what is on the volume now; the entries for which there was something."""
    known = Digests.of(manifest.table["digest"])
    for index, path in listing.paths(entries):
        digest = known[index]
        if digest is None:
            continue
        listing.digests[index] = digest
        if placer.link(listing.name(index), path, listing.sizes[index]):
            yield index


def _others(hub: Hub, volume_id: str, version: Version) -> list[Version]:
    """The other versions and subsets of the group and the lake that have something on the volume; the likeliest first.

    A question for each dataset, not for each replica; only subsets are asked for by name.
    """
    here = {replica.ref: replica.dataset for replica in hub.replicas.all(volume_id) if replica.group == version.group}
    here |= {fill.ref: fill.ref.partition("@")[0] for fill in hub.fills.open_fills(volume_id)}
    here.pop(version.ref, None)
    found: dict[str, Version] = {}
    for name in sorted(set(here.values()), key=lambda name: (name != version.dataset, name)):
        for other in _passing_over(name, hub.catalog.versions, ()):
            found[other.ref] = other
    for ref in here.keys() - found.keys():
        subset = _passing_over(ref, hub.catalog.resolve, None)
        if subset is not None:
            found[ref] = subset
    return [
        other
        for ref, other in found.items()
        if ref in here and other.group == version.group and _same_lake(other, version)
    ]


def _passing_over(name: str, ask: Callable[[str], T], nothing: U) -> T | U:
    try:
        return ask(name)
    except ForebayError as error:
        _log.warning("not-looked-at", name=name, kind=error.kind)
        return nothing


def _same_lake(one: Version, other: Version) -> bool:
    """Whether keys mean the same: a profile may name another server for the same URL."""
    return (one.lake_url, one.profile) == (other.lake_url, other.profile)


def _may_share(tree: Path, manifest: Manifest) -> bool:
    """A quick look at one column of the tree's own manifest, unchecked: most versions have nothing in common."""
    try:
        with Manifest.opened(record_path(tree, MANIFEST)) as file:
            unknown = manifest.table.filter(pc.is_null(manifest.table["digest"]))
            return bool(pc.any(pc.is_in(unknown["key"], value_set=file.column("key"))).as_py())
    except (ForebayError, OSError):
        return True


def _read(hub: Hub, version: Version) -> Manifest | None:
    return _passing_over(version.ref, lambda _: _objects(load_contents(hub.catalog, version)), None)


def _objects(contents: Contents) -> Manifest:
    """The manifest, in which what is cut out of an object is not taken for it, nor for something else cut out of it.

    Two such files may have the same size, and have the key and the etag of the one object.
    """
    if not contents.cuts:
        return contents.manifest
    table = contents.manifest.table
    cut = pc.is_in(table["path"], value_set=pa.array(contents.cuts, pa.string()))
    for name in ("etag", "version_id"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pc.if_else(cut, "", table[name]))
    return replace(contents.manifest, table=table)
