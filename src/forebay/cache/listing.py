"""A manifest as the steps of a fill use it: plain columns, what of them is here already, what is to be moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from forebay.cache.incoming import Leftover
from forebay.cache.place import Placer
from forebay.cache.plan import FillPlan
from forebay.cache.transfer import Wanted
from forebay.catalog.manifest import Manifest
from forebay.wire.cache import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A manifest's columns as the steps use them; `digests` is filled in as they are learned."""

    paths: list[str]
    sizes: list[int]
    digests: list[bytes | None]

    @classmethod
    def of(cls, manifest: Manifest) -> Listing:
        paths, sizes, digests = (manifest.table[name].to_pylist() for name in ("path", "size_bytes", "digest"))
        return cls(paths=paths, sizes=sizes, digests=digests)

    def name(self, index: int) -> str:
        """The name of an entry's blob."""
        digest = self.digests[index]
        assert digest is not None
        return digest.hex()


def link_present(placer: Placer, listing: Listing) -> dict[bytes, str]:
    """Link every known blob that the volume has into the new tree; each digest that is there, with its first path."""
    there: dict[bytes, str] = {}
    gone: set[bytes] = set()
    for path, digest, size in zip(listing.paths, listing.digests, listing.sizes, strict=True):
        if digest is None or digest in gone:
            continue
        if digest in there:
            # Not from the blob: an eviction may have taken it meanwhile, the tree's own link stays.
            placer.link_again(there[digest], path)
        elif placer.link(digest.hex(), path, size):
            there[digest] = path
        else:
            gone.add(digest)
    return there


def usable(leftovers: Mapping[int, Leftover], digests: list[bytes | None]) -> dict[int, Leftover]:
    """Without whole leftovers that are not what the manifest says."""
    return {
        index: left for index, left in leftovers.items() if left.digest is None or digests[index] in (None, left.digest)
    }


def starting(plan: FillPlan, sizes: list[int]) -> Progress:
    """The progress of a fill before its first byte: what is there counts as present, parts of files too."""
    total_bytes = sum(sizes)
    return Progress(
        total_files=len(sizes),
        total_bytes=total_bytes,
        present_files=len(sizes) - len(plan.missing),
        present_bytes=total_bytes - plan.move_bytes,
    )


def wanted(
    manifest: Manifest, plan: FillPlan, digests: list[bytes | None], leftovers: dict[int, Leftover]
) -> Iterator[Wanted]:
    """The missing entries, the largest first, so that no long one is left for the end."""
    largest_first = sorted(plan.missing, key=lambda entry: -entry.gap_bytes)
    rows = manifest.table.take(pa.array([entry.index for entry in largest_first], pa.int64()))
    columns = (rows[name].to_pylist() for name in ("key", "etag", "version_id", "size_bytes"))
    for entry, key, etag, version_id, size_bytes in zip(largest_first, *columns, strict=True):
        yield Wanted(
            missing=entry,
            key=key,
            etag=etag,
            version_id=version_id,
            size_bytes=size_bytes,
            digest=digests[entry.index],
            leftover=leftovers.get(entry.index),
        )
