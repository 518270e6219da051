"""The lake of a measurement: a real S3 server on loopback, with objects that no tool can compress or guess."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import obstore
import psutil

from forebay.lake.stores import LakeStore
from forebay.testing.servers import SeaweedFS

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

    def scaled(self, scale: float) -> Work:
        """Fewer objects; when there are few already, smaller ones."""
        if self.objects >= 100:
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
    """A running server; `processes` are its process ids, `env` is how clients find it."""

    env: dict[str, str]
    processes: tuple[int, ...]

    @classmethod
    @contextlib.contextmanager
    def start(cls, works: list[Work]) -> Iterator[Origin]:
        """A server that holds the objects of all works."""
        before = {child.pid for child in psutil.Process().children(recursive=True)}
        with SeaweedFS.start([work.bucket for work in works]) as server:
            children = {child.pid for child in psutil.Process().children(recursive=True)}
            profile = {
                "endpoint": server.endpoint,
                "access_key_id": server.access_key_id,
                "secret_access_key": server.secret_access_key,
                "region": server.region,
            }
            for work in works:
                _put_objects(LakeStore.open(f"s3://{work.bucket}", profile), work)
            # What was just written shall not be written back during a measurement.
            os.sync()
            yield cls(env=os.environ | server.env, processes=tuple(children - before))


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
