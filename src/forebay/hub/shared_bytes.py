"""How much of a version a site has already, since another version of the dataset is there: by content.

Two versions are compared once, from the manifests that the hub keeps; the answer is remembered while nothing more is
learned of either. A pass over the queue compares only so many files (`MOST_FILES`): what it leaves, the next one does.
Never within a transaction: a million files on each side take about a second.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forebay.catalog.archive import Archive
from forebay.errors import ForebayError

if TYPE_CHECKING:
    import pyarrow as pa

    from forebay.catalog.identity import Column

MOST_FILES = 2_000_000
"""So many files of two versions are compared in one go, and one pair whatever its size."""

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a version holds, by the digests of its manifest and of what was learned of it (`""`: nothing)."""

    manifest_digest: str
    seal_digest: str
    files: int


class SharedBytes:
    """One of a hub; any number of threads may ask."""

    def __init__(self, archive: Archive, *, most_files: int = MOST_FILES) -> None:
        self._archive = archive
        self._most_files = most_files
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Content, Content], int] = OrderedDict()

    def of(self, asked: Iterable[tuple[Content, Sequence[Content]]]) -> list[int]:
        """For each version, the bytes that the nearest of the others beside it has, too.

        A pair that can't be read, or has not been compared yet, shares nothing.
        """
        with self._lock:
            left, found = self._most_files, []
            for content, others in asked:
                shared = [0]
                for other in others:
                    pair = content, other
                    if pair not in self._known and left > 0:
                        left -= content.files + other.files
                        self._learn(pair)
                    if pair in self._known:
                        self._known.move_to_end(pair)
                        shared.append(self._known[pair])
                found.append(max(shared))
            return found

    def _learn(self, pair: tuple[Content, Content]) -> None:
        try:
            self._known[pair] = self._compared(*pair)
        except ForebayError:
            return
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _compared(self, content: Content, other: Content) -> int:
        import pyarrow.compute as pc  # a hub that only hands out leases compares nothing

        from forebay.catalog.manifest import Manifest

        with Manifest.opened(self._archive.manifest_file(content.manifest_digest)) as file:
            sizes, digests = file.column("size_bytes"), self._digests(content, file.column)
        with Manifest.opened(self._archive.manifest_file(other.manifest_digest)) as file:
            there = self._digests(other, file.column)
        same = pc.is_in(digests, value_set=pc.drop_null(there), skip_nulls=True)
        return int(pc.sum(sizes.filter(same)).as_py() or 0)

    def _digests(self, content: Content, column: Column) -> pa.ChunkedArray:
        return self._archive.seal(content.seal_digest).digests if content.seal_digest else column("digest")
