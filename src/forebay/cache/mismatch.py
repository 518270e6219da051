"""Bytes that are not what they should be: the checksum that a lake offers, and the errors that say so."""

from __future__ import annotations

import hashlib
from pathlib import Path

from forebay.errors import DamagedError


def mismatch(subject: str, found: bytes, expected: bytes, tries: int) -> DamagedError:
    """The error of an object that had another digest each of so many times."""
    return DamagedError(
        "digest-mismatch",
        f"{subject} has the digest {found.hex()}, not {expected.hex()} after {tries} downloads",
        todo="The lake's copy is damaged or was replaced: restore it, or register a new version.",
    )


def unsteady(subject: str) -> DamagedError:
    """The error of an object that was another one each time."""
    return DamagedError(
        "digest-mismatch",
        f"{subject} came with other bytes each time, and never with the MD5 that is its etag",
        todo="Something between the lake and here damages data: look at the network and its proxies.",
    )


def md5_of(path: Path) -> str:
    """The MD5 of a file, in hex: what lakes offer, and nothing that is trusted."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
