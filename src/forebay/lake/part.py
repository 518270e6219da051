"""What is fetched in one go: one object, or one byte range of it. Values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Bytes `start` to `end` (exclusive) of the object `key`, as it was when it was registered.

    `index` is the caller's own number for the object (its row in the manifest). `etag` and `version_id` are empty
    where the lake gives none.
    """

    index: int
    key: str
    etag: str
    version_id: str
    start: int
    end: int
    object_size_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.end - self.start

    @property
    def whole(self) -> bool:
        """Whether this part is the whole object."""
        return self.start == 0 and self.end == self.object_size_bytes
