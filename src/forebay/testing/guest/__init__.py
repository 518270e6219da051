"""A second machine to test with: a User-Mode Linux guest that runs this Python, can lose power, and mounts NFS.

Its root file system is the host's own, read-only; it can change its disk images and the one folder it is lent.
"""

from __future__ import annotations

from forebay.testing.guest.images import make_image
from forebay.testing.guest.linux import Guest, GuestError
from forebay.testing.guest.network import Network

__all__ = ["Guest", "GuestError", "Network", "make_image"]
