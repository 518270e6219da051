"""Hypothesis strategies for manifests, and the encodings written down a second time, plainly."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from blake3 import blake3
from hypothesis import strategies as st

from forebay.catalog.manifest import Entry
from forebay.catalog.paths import fold

names = st.text(alphabet="abcdéß-", min_size=1, max_size=6).map(str.lower)
paths = st.builds("/".join, st.tuples(st.sampled_from(["x", "y"]), names))
tags = st.sampled_from(["", '"1"', '"2"', "é"])
digests = st.sampled_from([bytes([n] * 32).hex() for n in range(4)])


def entry_lists(digest: st.SearchStrategy[str | None] | None = None) -> st.SearchStrategy[list[Entry]]:
    """Lists of entries with different paths, in any order; digests are unknown unless a strategy is given."""
    entries = st.builds(
        Entry,
        path=paths,
        size_bytes=st.integers(0, 2**55) | st.integers(0, 2),
        digest=st.none() if digest is None else digest,
        key=names,
        etag=tags,
        version_id=tags,
    )
    return st.lists(entries, max_size=8, unique_by=_folded)


def _folded(entry: Entry) -> str:
    return fold(entry.path)


def reference_manifest_digest(origin: str, entries: Sequence[Entry]) -> str:
    """The manifest digest, written from the documentation of `catalog.canonical` without Arrow."""
    rows = sorted(entries, key=lambda entry: entry.path.encode())
    encoded = f"forebay manifest 1 {origin}\n".encode() + struct.pack("<Q", len(rows))
    encoded += _strings(rows, lambda entry: entry.path)
    encoded += b"".join(struct.pack("<q", entry.size_bytes) for entry in rows)
    if origin == "committed":
        encoded += b"".join(bytes.fromhex(entry.digest or "") for entry in rows)
    else:
        for column in (lambda entry: entry.key, lambda entry: entry.etag, lambda entry: entry.version_id):
            encoded += _strings(rows, column)
    return blake3(encoded).hexdigest()


def reference_seal_digest(manifest_digest: str, digests: Sequence[bytes | None]) -> str:
    encoded = b"forebay seal 1\n" + bytes.fromhex(manifest_digest) + struct.pack("<Q", len(digests))
    encoded += bytes(digest is not None for digest in digests)
    return blake3(encoded + b"".join(digest for digest in digests if digest is not None)).hexdigest()


def _strings(rows: Sequence[Entry], column: Callable[[Entry], str]) -> bytes:
    values = [column(entry).encode() for entry in rows]
    return b"".join(struct.pack("<I", len(value)) for value in values) + b"".join(values)
