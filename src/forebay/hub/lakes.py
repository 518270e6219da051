"""Which lakes a served hub lets versions be in. It never opens one: whoever fills does, and this is before that.

Names are looked up when a version comes. What they are later is not known here: see docs/access.md.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from forebay.lake.internal import Allowed, check_addresses, host_to_look_up

LookUp = Callable[[str], Sequence[str]]


def addresses_of(host: str) -> list[str]:
    """All addresses of a name; none where it has none that this machine can find."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(item[4][0]) for item in found]


class PublicLakes:
    """Refuses lakes that lie inside, but for those that are allowed."""

    def __init__(self, allowed: Allowed | None = None, look_up: LookUp = addresses_of) -> None:
        self._allowed = allowed or Allowed()
        self._look_up = look_up

    def __call__(self, lake_url: str) -> None:
        """InputError `internal-lake`, `unknown-scheme`, `bad-lake-url`."""
        host = host_to_look_up(lake_url, self._allowed)
        if host is not None:
            check_addresses(host, self._look_up(host), self._allowed)
