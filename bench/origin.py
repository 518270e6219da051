"""The lake of a measurement: a real S3 server on loopback, with objects that no tool can compress or guess.

SeaweedFS is the server of record; LocalBucket is faster than any client, for big objects alone (it answers each request
only after some 40 ms). Either can be put behind a slow link.
"""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import obstore
import psutil

from bench.peers import program
from forebay.lake.stores import LakeStore
from forebay.testing.link import Link
from forebay.testing.servers import SeaweedFS
from forebay.testing.servers.process import answers_http, free_ports, run_server

_UPLOADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is fetched in one go: so many objects of one size, in a bucket of their own."""

    name: str
    bucket: str
    objects: int
    object_bytes: int

    @property
    def size_bytes(self) -> int:
        return self.objects * self.object_bytes

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/data/"

    def key(self, index: int) -> str:
        """A hundred objects a folder, as data sets have them."""
        return f"data/part-{index // 100:04}/{index:07}.bin"

    @property
    def of_many(self) -> bool:
        """Whether it is the number of its objects that makes it large."""
        return self.objects >= 100

    def scaled(self, scale: float) -> Work:
        """Fewer objects; when there are few already, smaller ones."""
        if self.of_many:
            return Work(
                name=self.name, bucket=self.bucket, objects=int(self.objects * scale), object_bytes=self.object_bytes
            )
        smaller = int(self.object_bytes * scale)
        return Work(name=self.name, bucket=self.bucket, objects=self.objects, object_bytes=smaller)

    def __str__(self) -> str:
        size = f"{self.object_bytes >> 20} MiB" if self.object_bytes >= 1 << 20 else f"{self.object_bytes / 1000:g} KB"
        return f"{self.objects:,} x {size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A running server; `processes` are its process ids, `env` is how clients find it.

    `prefix` goes before every client's command: it may have to run at the far end of a link.
    """

    name: str
    env: dict[str, str]
    processes: tuple[int, ...]
    prefix: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        return self.env["AWS_ENDPOINT_URL"]

    @property
    def address(self) -> str:
        """Host and port."""
        return self.endpoint.removeprefix("http://")

    @classmethod
    @contextlib.contextmanager
    def seaweedfs(cls, works: list[Work]) -> Iterator[Origin]:
        """The server of record with the objects of all works."""
        before = _children()
        with SeaweedFS.start([work.bucket for work in works]) as server:
            origin = cls(name="SeaweedFS", env=os.environ | server.env, processes=tuple(_children() - before))
            origin._put(works)
            yield origin

    @classmethod
    @contextlib.contextmanager
    def localbucket(cls, works: list[Work]) -> Iterator[Origin]:
        """A server that is not the limit; it checks no credentials."""
        (port,) = free_ports(1)
        with tempfile.TemporaryDirectory(prefix="forebay-bench-localbucket-") as name:
            folder = Path(name)
            (folder / "data").mkdir()
            command: list[str | Path] = [program("origin", "localbucket"), "--port", str(port), folder / "data"]
            endpoint = f"http://127.0.0.1:{port}"
            before = _children()
            with run_server("localbucket", command, folder=folder) as process:
                process.wait_until(lambda: answers_http(endpoint))
                keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_REGION": "us-east-1"}
                env = os.environ | keys | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}
                origin = cls(name="LocalBucket", env=env, processes=tuple(_children() - before))
                for work in works:
                    request = urllib.request.Request(f"{endpoint}/{work.bucket}", method="PUT")
                    urllib.request.urlopen(request, timeout=30).close()
                origin._put(works)
                yield origin

    @contextlib.contextmanager
    def behind_link(self) -> Iterator[Origin]:
        """The same server as it is seen from the far end of a slow link; LinkMissingError."""
        port = int(self.address.rpartition(":")[2])
        with Link.open(port) as link:
            env = self.env | {"AWS_ENDPOINT_URL": f"http://{link.host}:{port}"}
            yield replace(self, name=f"{self.name} behind a link", env=env, prefix=link.prefix)

    def _put(self, works: list[Work]) -> None:
        profile = {
            "endpoint": self.endpoint,
            "access_key_id": self.env["AWS_ACCESS_KEY_ID"],
            "secret_access_key": self.env["AWS_SECRET_ACCESS_KEY"],
            "region": self.env["AWS_REGION"],
        }
        for work in works:
            _put_objects(LakeStore.open(f"s3://{work.bucket}", profile), work)
        # What was just written shall not be written back during a measurement.
        os.sync()


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def _put_objects(store: LakeStore, work: Work) -> None:
    """Random bytes, a block repeated with another head for each object: no two are equal, and none is slow to make."""
    block = random.Random(work.name).randbytes(min(work.object_bytes, 8 << 20))

    def put(index: int) -> None:
        body = bytearray(block * -(-work.object_bytes // len(block)))[: work.object_bytes]
        body[:8] = index.to_bytes(8, "big")
        obstore.put(store.requests, work.key(index), bytes(body))

    with ThreadPoolExecutor(_UPLOADS if work.object_bytes < 1 << 20 else 1) as pool:
        for _ in pool.map(put, range(work.objects)):
            pass
