"""The program of `OpenIdProvider`: python -m forebay.testing.servers.oidc_program PORT"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from oidc_provider_mock import app
from werkzeug.serving import run_simple

from forebay.testing.servers.oidc import told

_TOKEN, _KEYS = "/oauth2/token", "/jwks"
_ANOTHER = "another-client"

Environ = dict[str, Any]
Start = Callable[..., Any]


class Moody:
    """The provider; one whose tokens have expired; and one that signs with keys which the provider does not publish."""

    def __init__(self) -> None:
        self._well, self._strange = app(), app()
        self._late = app(access_token_max_age=timedelta(hours=-1))
        self._manner = "well"
        self._asked = b"{}"

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/-/be":
            self._manner = parse_qs(environ["QUERY_STRING"])["manner"][0]
            return _answer(start, b"{}")
        if path == "/-/asked":
            return _answer(start, self._asked)
        if path == _TOKEN:
            form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            self._asked = told(environ, form)
            environ["wsgi.input"] = io.BytesIO(form)
        found: Iterable[bytes] = self._by_manner(environ, path)(environ, start)
        return found

    def _by_manner(self, environ: Environ, path: str) -> Any:
        if path.startswith("/users/"):
            return self._all
        if self._manner == "issuer" and path == _TOKEN:
            environ["HTTP_HOST"] = "127.0.0.1"
        if self._manner == "audience":
            _as_another_client(environ, path)
        if self._manner == "expired":
            return self._late
        return self._strange if self._manner == "key" and path != _KEYS else self._well

    def _all(self, environ: Environ, start: Start) -> Iterable[bytes]:
        form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        for other in (self._late, self._strange):
            list(other({**environ, "wsgi.input": io.BytesIO(form)}, lambda *_: bool))
        found: Iterable[bytes] = self._well({**environ, "wsgi.input": io.BytesIO(form)}, start)
        return found


def _as_another_client(environ: Environ, path: str) -> None:
    """Whatever client asks, it is taken for another one."""
    if path == "/oauth2/authorize":
        query = parse_qs(environ["QUERY_STRING"])
        environ["QUERY_STRING"] = urlencode({**query, "client_id": [_ANOTHER]}, doseq=True)
    if path == _TOKEN:
        form = parse_qs(environ["wsgi.input"].read().decode())
        data = urlencode({**form, "client_id": [_ANOTHER], "client_secret": ["x"]}, doseq=True).encode()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(data), str(len(data))
        environ.pop("HTTP_AUTHORIZATION", None)


def _answer(start: Start, body: bytes) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "application/json")])
    return [body]


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), Moody(), threaded=True)
