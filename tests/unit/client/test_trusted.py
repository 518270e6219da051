"""Only a hub behind `https:` makes a client read the system's certificates; no other is believed without."""

from __future__ import annotations

import ssl

from forebay.client.remote.connection import _trusted


def test_https_believes_the_system_and_http_nobody() -> None:
    assert _trusted("https://hub.example") is True
    nobody = _trusted("http://127.0.0.1:8765")
    assert isinstance(nobody, ssl.SSLContext)
    assert nobody.verify_mode is ssl.CERT_REQUIRED
    assert nobody.check_hostname
    assert nobody.cert_store_stats()["x509_ca"] == 0
