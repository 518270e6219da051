"""The versions that a queue reads, read from the database, and which others of their datasets are at the sites.

Reads only, inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.catalog import schema as t
from forebay.catalog.names import NumberRef, parse_ref
from forebay.hub.shared_bytes import Content
from forebay.lake.location import lake_place
from forebay.runs.world import Presence, Wanted
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import ref_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedVersion:
    """A version by the key of its row; versions in other folders of one bucket come over the same link."""

    key: int
    number: int
    wanted: Wanted
    content: Content


def load(connection: Connection, refs: Collection[str]) -> dict[str, WantedVersion]:
    """Those that are there."""
    named = {ref: parse_ref(ref) for ref in refs}
    datasets = sorted({ref.dataset for ref in named.values()})
    query = (
        sa.select(t.dataset.c.name, t.version, t.seal.c.seal_digest)
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .outerjoin(t.seal, t.seal.c.manifest_digest == t.version.c.manifest_digest)
        .where(t.dataset.c.removed_at == 0, t.dataset.c.name.in_(datasets))
        .where(t.version.c.number.in_(sorted({ref.number for ref in named.values() if isinstance(ref, NumberRef)})))
    )
    found = {}
    for row in connection.execute(query).all():
        ref = ref_of(row.name, row.number, row.subset)
        if ref in named:
            wanted = Wanted(ref=ref, dataset=row.name, size_bytes=row.size_bytes, lake=lake_place(row.lake_url))
            found[ref] = WantedVersion(key=row.version_id, number=row.number, wanted=wanted, content=_content(row))
    return found


def _content(row: Any) -> Content:
    return Content(manifest_digest=row.manifest_digest, seal_digest=row.seal_digest or "", files=row.files)


_READY_SOMEWHERE = sa.select(t.replica.c.version_id).where(t.replica.c.state == ReplicaState.READY.value)
_BESIDE = 3
"""With so many of a dataset's versions that are there a wanted one is compared: with those nearest in number."""


def beside(
    connection: Connection,
    at: Mapping[str, str],
    versions: Mapping[str, WantedVersion],
    known: Mapping[tuple[str, str], Presence],
) -> dict[tuple[str, str], tuple[Content, tuple[Content, ...]]]:
    """The contents of wanted versions that are neither there nor being brought, by site and ref, each with those of the
    dataset's versions that are there.

    Two queries, whatever the queue: which versions the datasets have, and where they are.
    """
    datasets = sorted({item.wanted.dataset for item in versions.values()})
    query = (
        sa.select(
            t.dataset.c.name,
            t.version.c.version_id,
            t.version.c.number,
            t.version.c.manifest_digest,
            t.version.c.files,
            t.seal.c.seal_digest,
        )
        .join(t.version, t.version.c.dataset_id == t.dataset.c.dataset_id)
        .outerjoin(t.seal, t.seal.c.manifest_digest == t.version.c.manifest_digest)
        .where(t.dataset.c.name.in_(datasets), t.version.c.version_id.in_(_READY_SOMEWHERE))
    )
    others = {row.version_id: _Other(row.name, row.number, _content(row)) for row in connection.execute(query).all()}
    replicas = (
        sa.select(t.replica.c.volume_id, t.replica.c.version_id)
        .join(t.version, t.version.c.version_id == t.replica.c.version_id)
        .join(t.dataset, t.dataset.c.dataset_id == t.version.c.dataset_id)
        .where(t.replica.c.state == ReplicaState.READY.value, t.replica.c.volume_id.in_(sorted(at)))
        .where(t.dataset.c.name.in_(datasets))
    )
    there: dict[tuple[str, str], list[_Other]] = defaultdict(list)
    for volume_id, key in connection.execute(replicas).all():
        other = others[key]
        there[at[volume_id], other.dataset].append(other)
    found = {}
    for site in at.values():
        for ref, item in versions.items():
            near = there.get((site, item.wanted.dataset))
            if near and (site, ref) not in known:
                nearest = sorted(near, key=lambda other: abs(other.number - item.number))[:_BESIDE]
                found[site, ref] = item.content, tuple(other.content for other in nearest)
    return found


class _Other(NamedTuple):
    dataset: str
    number: int
    content: Content
