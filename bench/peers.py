"""The tools that forebay is measured beside, each group in an environment of its own: their pins clash.

Made on demand from hashed locks (requirements/peers-*.txt, by scripts/lock.sh) under .venv/peers/, which git ignores.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FOLDER = ROOT / ".venv" / "peers"


def environment(group: str) -> Path:
    """The folder of a group's environment; made first when it is not there or its lock has changed."""
    folder, lock = _FOLDER / group, ROOT / "requirements" / f"peers-{group}.txt"
    stamp, fingerprint = folder / "stamp", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != fingerprint:
        print(f"installing the peers of {lock.relative_to(ROOT)}", file=sys.stderr, flush=True)
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        python = folder / "bin" / "python"
        subprocess.run([uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock], check=True)
        stamp.write_text(fingerprint)
    return folder


def program(group: str, name: str) -> Path:
    """A peer's own binary, not a Python script around it where there is one."""
    folder = environment(group)
    inside = sorted(_packages(folder).glob(f"{name}/**/bin/{name}"))
    return inside[0] if inside else folder / "bin" / name


def versions(group: str, *packages: str) -> dict[str, str]:
    """The installed version of each package of a group."""
    found = importlib.metadata.distributions(path=[str(_packages(environment(group)))])
    by_name = {package.metadata["Name"].replace("_", "-"): package.version for package in found}
    return {package: by_name[package] for package in packages}


def said_version(binary: Path) -> str:
    """What a program says its version is: the last word of the first line."""
    said = subprocess.run([binary, "version"], env=peer_env(), capture_output=True, text=True, check=True)
    return said.stdout.splitlines()[0].split()[-1]


def peer_env(**more: str) -> dict[str, str]:
    """The environment for a peer: rclone refuses to start with AWS_CA_BUNDLE, and nothing here speaks TLS."""
    return {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"} | more


def _packages(folder: Path) -> Path:
    return next(folder.glob("lib/python*/site-packages"))
