"""An OpenID provider (PyPI oidc-provider-mock) as a process of its own, which answers wrongly when it is told to."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

from forebay.testing.servers.process import answers_http, free_ports, run_server, scratch_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdProvider:
    """A running provider, which knows everybody who is added."""

    issuer: str

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[OpenIdProvider]:
        """A provider of its own."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "forebay.testing.servers.oidc_program", str(port)]
        # Browsers and libraries treat the name as this machine; so does the hub.
        server = cls(issuer=f"http://localhost:{port}")
        with scratch_folder("oidc") as folder, run_server("oidc", command, folder=folder) as process:
            process.wait_until(lambda: answers_http(server.issuer))
            yield server

    def add(self, subject: str, **claims: Any) -> None:
        """Somebody with these claims, or with other ones than before."""
        put = httpx2.put(f"{self.issuer}/users/{subject}", json=claims, timeout=60)
        put.raise_for_status()

    def be(self, manner: str) -> None:
        """From now on: `well`, or its ID tokens are of another `issuer`, for another `audience`, `expired`, or signed
        with another `key`."""
        httpx2.post(f"{self.issuer}/-/be", params={"manner": manner}, timeout=60).raise_for_status()

    def asked(self) -> Mapping[str, str]:
        """The last request for a token, with its form and its Authorization."""
        found: dict[str, str] = httpx2.get(f"{self.issuer}/-/asked", timeout=60).json()
        return found

    def log_in(self, address: str, subject: str) -> tuple[str, dict[str, str]]:
        """Log somebody in at an address that the hub gave: where the browser goes back to, and with what."""
        answer = httpx2.post(address, data={"sub": subject}, timeout=60)
        back = urlsplit(answer.headers["Location"])
        query = {name: values[0] for name, values in parse_qs(back.query).items()}
        return f"{back.scheme}://{back.netloc}{back.path}", query


def told(environ: Mapping[str, Any], form: bytes) -> bytes:
    """What `asked` answers later."""
    fields = {name: values[0] for name, values in parse_qs(form.decode()).items()}
    return json.dumps({**fields, "authorization": environ.get("HTTP_AUTHORIZATION", "")}).encode()
