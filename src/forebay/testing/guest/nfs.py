"""The guest's way to an NFS server: its network card, then the mount."""

from __future__ import annotations

from pathlib import Path

from forebay.testing.guest.inside import load_module, mount, run


def mount_nfs(source: str, address: str, place: Path) -> None:
    """NFSv4.2 where the server has it; hard, as for data that matters: a server that is away is waited for."""
    load_module("nfsv4")
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
    ):
        run("ip", *words)
    mount("nfs4", source, place, "vers=4.2,hard")
