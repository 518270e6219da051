"""What the replicas of a volume hold, by content: read once from each one's manifest, kept up as replicas come and go.

The group of a replica whose manifest can't be read is in `unreadable`: it holds what nobody knows, so no blob may go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from forebay.cache.contents import distinct_digests, load_manifest, tree_manifest
from forebay.cache.shares import Shares
from forebay.cache.trial import Trial
from forebay.cache.volume import VolumeLayout
from forebay.catalog.manifest import Manifest
from forebay.errors import ForebayError
from forebay.wire.cache import Replica, ReplicaState
from forebay.wire.catalog import Version
from forebay.wire.hub import Catalog

Identity = tuple[str, str, str]
Holder = Replica | Version
"""What is here, or what would be."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Held:
    """`final`: every digest is known, so that it needs no second look."""

    digests: pa.Table
    final: bool


class Holdings:
    """The contents on one volume."""

    def __init__(self, catalog: Catalog, layout: VolumeLayout) -> None:
        self._catalog = catalog
        self._layout = layout
        self._known: dict[Identity, _Held] = {}
        self._shares = Shares({})
        self._refs: list[str] = []
        self._counted: dict[str, tuple[Identity, int]] = {}
        self.unreadable: dict[str, ForebayError] = {}

    def update(self, replicas: Sequence[Replica]) -> Shares:
        """Who shares what now. Only manifests that were not read before are, and those that are still being learned."""
        self._refs = [replica.ref for replica in replicas]
        self._read(replicas)
        wanted = {
            ref: (_identity(replica), found.num_rows)
            for ref, replica in zip(self._refs, replicas, strict=True)
            if (found := self._there(replica)) is not None
        }
        if self._counted.items() >= wanted.items():
            for ref in self._counted.keys() - wanted.keys():
                self._shares.release(ref)
        else:
            self._shares = self._of(replicas)
        self._counted = wanted
        return self._shares

    def trial(self, replicas: Sequence[Replica]) -> Trial:
        """What comes free as they go, to be tried in their order."""
        return self.update(replicas).trial(self._refs)

    def of_team(self, team: str, replicas: Iterable[Replica]) -> Shares:
        """Who shares what within a team: only its own count, so that nobody else's coming or going changes anything."""
        return self._of([replica for replica in replicas if replica.team == team])

    def digests(self, of: Holder) -> pa.Table:
        """What it holds, or will: the digests known so far."""
        held = self._known.get(_identity(of))
        return _held(self._manifest(of)).digests if held is None else held.digests

    def unknown_bytes(self, of: Holder) -> int:
        """The bytes of a version whose digests nobody has learned yet."""
        manifest = self._manifest(of)
        known = manifest.table.filter(manifest.table["digest"].is_valid())
        return int(manifest.size_bytes - sum(known["size_bytes"].to_pylist()))

    def _read(self, replicas: Sequence[Replica]) -> None:
        current = {_identity(replica): replica for replica in replicas}
        self._known = {identity: held for identity, held in self._known.items() if identity in current}
        self.unreadable = {}
        for identity, replica in current.items():
            known = self._known.get(identity)
            if known is not None and known.final:
                continue
            try:
                self._known[identity] = _held(self._manifest(replica))
            except ForebayError as error:
                self._known.pop(identity, None)
                self.unreadable[replica.group] = error

    def _manifest(self, of: Holder) -> Manifest:
        """From its tree, which needs no catalog; from the catalog where that fails."""
        tree = self._layout.tree(of.group, of.dataset, of.number, of.subset)
        try:
            return tree_manifest(tree, of.manifest_digest)
        except (ForebayError, OSError):
            return load_manifest(self._catalog, self._catalog.resolve(of.ref))

    def _of(self, replicas: Iterable[Replica]) -> Shares:
        held = ((replica, self._there(replica)) for replica in replicas)
        return Shares({item.ref: (item.group, found) for item, found in held if found is not None})

    def _there(self, replica: Replica) -> pa.Table | None:
        """What it holds; of a damaged one without the blobs that are in quarantine. None when nobody knows."""
        held = self._known.get(_identity(replica))
        if held is None or replica.state is not ReplicaState.DAMAGED:
            return None if held is None else held.digests
        there = [
            self._layout.blob(replica.group, digest.hex()).exists() for digest in held.digests["digest"].to_pylist()
        ]
        return held.digests.filter(pa.array(there, pa.bool_()))


def _identity(of: Holder) -> Identity:
    return of.ref, of.group, of.manifest_digest


def _held(manifest: Manifest) -> _Held:
    return _Held(digests=distinct_digests(manifest), final=manifest.sealed)
