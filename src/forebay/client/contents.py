"""What versions hold: their files, and what changed between two of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from forebay.cache.contents import load_manifest
from forebay.catalog.diff import Diff, diff
from forebay.catalog.manifest import Entry
from forebay.client.session import Session
from forebay.errors import NotFoundError
from forebay.wire.catalog import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What removing a dataset or a version would take away, and what stands against it ("" when nothing does)."""

    refs: tuple[str, ...]
    size_bytes: int
    held_by: tuple[str, ...]


def files_of(session: Session, version: Version, limit: int | None) -> Iterator[Entry]:
    """The version's files by path, with the digests known so far; `limit` None gives all."""
    return itertools.islice(load_manifest(session.hub.catalog, version).entries(), limit)


def compare(session: Session, old: Version, new: Version) -> Diff:
    """What leads from one version to the other."""
    return diff(load_manifest(session.hub.catalog, old), load_manifest(session.hub.catalog, new))


def latest_of(session: Session, dataset: str) -> Version | None:
    """The dataset's latest version; None while there is none."""
    try:
        return session.hub.catalog.resolve(dataset)
    except NotFoundError:
        return None


def plan_removal(session: Session, versions: list[Version]) -> Removal:
    """What removing these versions would do; changes nothing."""
    refs = {version.ref for version in versions}
    held: list[str] = []
    replicas = session.cache.replicas()
    for version in versions:
        held += [f"{version.ref} has the tag {tag!r}" for tag in version.tags]
        children = session.hub.catalog.lineage(version.dataset, version.number).downstream
        direct = {edge.child for edge in children if edge.parent == version.ref} - refs
        held += [f"{child} was made from {version.ref}" for child in sorted(direct)]
        here = (item for item in replicas if (item.dataset, item.number) == (version.dataset, version.number))
        held += [f"{item.ref} is on the volume" for item in here]
    return Removal(
        refs=tuple(version.ref for version in versions),
        size_bytes=sum(version.size_bytes for version in versions),
        held_by=tuple(held),
    )
