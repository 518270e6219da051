"""A volume: blobs and trees, what of them is durable, and what a power cut leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from forebay.errors import UnavailableError
from forebay.wire.catalog import ref_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """It, and its only version, whose objects nobody shares; sizes in bytes."""

    name: str
    objects: tuple[str, ...]
    object_bytes: int

    @property
    def ref(self) -> str:
        return ref_of(self.name, 1)

    @property
    def size_bytes(self) -> int:
        return len(self.objects) * self.object_bytes


@dataclass(slots=True)
class Volume:
    """`trees` says by which token each was placed. What is in `dirty` has not been brought to the disk.

    `unknowing_bytes` were written by holders that were replaced and could not know it: the hub's clock had jumped.
    `came` counts how often each object was brought, `went` how often it was lost or deleted since.
    """

    limit_bytes: int
    blobs: dict[str, int] = field(default_factory=dict)
    trees: dict[str, int] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    is_away: bool = False
    unknowing_bytes: int = 0
    changes: int = 0
    came: Counter[str] = field(default_factory=Counter)
    went: Counter[str] = field(default_factory=Counter)

    @property
    def used_bytes(self) -> int:
        return sum(self.blobs.values())

    def require_here(self) -> None:
        if self.is_away:
            raise UnavailableError("volume-away", "the volume is away")

    def write(self, name: str, size_bytes: int) -> None:
        self.require_here()
        if name not in self.blobs:
            self.blobs[name] = size_bytes
            self.changes += 1
            self.dirty.add(name)

    def sync(self) -> None:
        self.require_here()
        self.dirty.clear()

    def place(self, ref: str, token: int) -> None:
        """Rename the tree to its place and write its marker, each brought to the disk before the next."""
        self.require_here()
        self.trees[ref] = token
        self.changes += 1

    def take_away(self, dataset: Dataset, *, token: int | None = None) -> None:
        """Move a tree away; the one that this token placed, where there is one."""
        self.require_here()
        self.changes += 1
        if token is None or self.trees.get(dataset.ref) == token:
            self.trees.pop(dataset.ref, None)

    def delete(self, dataset: Dataset) -> int:
        """The blobs of a version; what came free. What a tree links stays."""
        self.require_here()
        if dataset.ref in self.trees:
            return 0
        self.changes += 1
        freed_bytes = 0
        for name in dataset.objects:
            if name in self.blobs:
                freed_bytes += self.blobs.pop(name)
                self.dirty.discard(name)
                self.went[name] += 1
        return freed_bytes

    def lose_dirty(self, survivors: set[str]) -> None:
        """A power cut: of what was not brought to the disk only these are there."""
        self.changes += 1
        for name in sorted(self.dirty - survivors):
            del self.blobs[name]
            self.went[name] += 1
        self.dirty.clear()
