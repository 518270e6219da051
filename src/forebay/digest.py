"""BLAKE3 digests, the only hash that forebay trusts. Hex in records, 32 raw bytes in arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

DIGEST_BYTES = 32
_READ_BYTES = 1 << 20

Hasher = blake3


def new_hasher() -> blake3:
    """A fresh hasher: `.update(buffer)` releases the GIL, `.digest()` gives 32 bytes and may be called midway."""
    return blake3()


def digest_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """The 32-byte digest of a buffer."""
    return blake3(data).digest()


def digest_file(
    path: Path,
    *,
    start: int = 0,
    end: int | None = None,
    hasher: Hasher | None = None,
    on_read: Callable[[int], object] = bool,
) -> bytes:
    """The 32-byte digest of a file's bytes [start, end); to the end of the file when `end` is None.

    A `hasher` that knows the bytes before `start` goes on from there. `on_read` is told the size of every piece that
    was read, and may wait: nothing is held meanwhile but the file.
    """
    hasher = hasher or blake3()
    buffer = memoryview(bytearray(_READ_BYTES))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            count = file.readinto(buffer if left is None else buffer[: min(_READ_BYTES, left)])
            if not count:
                break
            hasher.update(buffer[:count])
            on_read(count)
            left = None if left is None else left - count
    return hasher.digest()
