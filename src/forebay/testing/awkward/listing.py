"""One page of S3's ListObjectsV2 as XML: prefix, delimiter, start-after, continuation token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol
from xml.sax.saxutils import escape


class Listed(Protocol):
    """What a listing tells of an object."""

    @property
    def etag(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


def list_page(bucket: str, objects: Mapping[str, Listed], query: Mapping[str, str], *, page_size: int) -> bytes:
    """The page that `query` asks for; `objects` come in S3's order."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    after = query.get("continuation-token") or query.get("start-after", "")
    limit = min(page_size, int(query.get("max-keys", "1000")))
    rows = [(name, row) for name, row in _rows(objects, prefix, delimiter) if name.encode() > after.encode()]
    page, is_truncated = rows[:limit], len(rows) > limit
    token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if is_truncated else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
        f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(is_truncated).lower()}</IsTruncated>{token}"
        f"{''.join(row for _, row in page)}</ListBucketResult>"
    ).encode()


def _rows(objects: Mapping[str, Listed], prefix: str, delimiter: str) -> Iterator[tuple[str, str]]:
    """Each key, or the common prefix it falls under, once, with its XML."""
    seen_prefixes: set[str] = set()
    for key, item in objects.items():
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            common = prefix + rest[: rest.index(delimiter) + len(delimiter)]
            if common not in seen_prefixes:
                seen_prefixes.add(common)
                yield common, f"<CommonPrefixes><Prefix>{escape(common)}</Prefix></CommonPrefixes>"
            continue
        yield (
            key,
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(item.etag)}</ETag><Size>{item.size_bytes}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>",
        )
