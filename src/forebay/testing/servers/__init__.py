"""Real servers on free loopback ports, each a context manager that ends its own process by its id.

A part that is not installed raises `PartMissingError`, which names what to install; a server that does not come up
raises `UnavailableError("server-start")` with the end of its log.
"""

from __future__ import annotations

from forebay.testing.servers.azurite import Azurite
from forebay.testing.servers.chromium import Chromium
from forebay.testing.servers.oidc import OpenIdProvider
from forebay.testing.servers.postgres import Postgres
from forebay.testing.servers.process import PartMissingError
from forebay.testing.servers.rclone import RcloneS3
from forebay.testing.servers.seaweedfs import SeaweedFS
from forebay.testing.servers.slurm import Slurm
from forebay.testing.servers.sshd import Sshd

__all__ = [
    "Azurite",
    "Chromium",
    "OpenIdProvider",
    "PartMissingError",
    "Postgres",
    "RcloneS3",
    "SeaweedFS",
    "Slurm",
    "Sshd",
]
