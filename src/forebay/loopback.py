"""Whether an address is this machine's own, which nobody else reaches."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Of an IP address or a name; names are not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
