"""An S3 bucket of which only the listing exists: a million objects without a million files.

Its pages are made before the first is asked for, so that a measurement sees the client's work and not the server's. A
process of its own: python -m bench.listing_origin OBJECTS, which prints its port.

Every object has a key of some 40 characters, a size and an etag of its own. Bucket `v2` is `v1` with one object in a
hundred replaced: another size and etag.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE_KEYS = 1000
CHANGED_EVERY = 100
BUCKETS = ("v1", "v2")


@contextlib.contextmanager
def start(objects: int) -> Iterator[str]:
    """A server with that many objects in each bucket; gives its endpoint."""
    command = [sys.executable, "-m", "bench.listing_origin", str(objects)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def pages(bucket: str, objects: int) -> Iterator[bytes]:
    """The whole listing of a bucket, page by page; the continuation token is the number of the next page."""
    for first in range(0, objects, PAGE_KEYS):
        last = min(first + PAGE_KEYS, objects)
        rows = "".join(_row(number, bucket) for number in range(first, last))
        more, token = last < objects, last // PAGE_KEYS
        after = f"<NextContinuationToken>{token}</NextContinuationToken>" if more else ""
        yield (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>data/</Prefix><KeyCount>{last - first}</KeyCount>"
            f"<MaxKeys>{PAGE_KEYS}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{after}{rows}</ListBucketResult>"
        ).encode()


def _row(number: int, bucket: str) -> str:
    changed = bucket == "v2" and number % CHANGED_EVERY == 0
    etag = hashlib.md5(f"{number} {changed}".encode(), usedforsecurity=False).hexdigest()
    size = 20_000 + number % 1000 + changed
    return (
        f"<Contents><Key>data/part-{number // 1000:05}/image-{number:09}.parquet</Key>"
        f"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def serve(objects: int) -> None:
    made = {bucket: list(pages(bucket, objects)) for bucket in BUCKETS}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(parts.query)
            page = made[parts.path.strip("/")][int(query.get("continuation-token", ["0"])[0])]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(page)}\r\n\r\n"
            self.wfile.write(head.encode() + page)

        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
