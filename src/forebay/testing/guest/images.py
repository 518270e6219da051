"""Disk images for a guest: a sparse file with a fresh file system."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from forebay.testing.servers.process import PartMissingError

FILE_SYSTEMS = ("ext4", "xfs")

# mkfs.xfs refuses less than 300 MB.
IMAGE_BYTES = 320 << 20

PROGRAMS = "/usr/sbin:/sbin:/usr/bin:/bin"
"""An ordinary user's PATH lacks the first two."""

TODO = "`make soak` installs it where it may; or run scripts/soak_parts.sh"


def make_image(path: Path, file_system: str) -> None:
    """A new file system in a file, which must not exist yet."""
    program = find_mkfs(file_system)
    with path.open("xb") as file:
        file.truncate(IMAGE_BYTES)
    quiet = "-q" if file_system == "xfs" else "-qF"
    subprocess.run([program, quiet, path], check=True, capture_output=True, stdin=subprocess.DEVNULL)


def find_mkfs(file_system: str) -> str:
    """mkfs of a file system; PartMissingError when it is not installed."""
    found = shutil.which(f"mkfs.{file_system}", path=PROGRAMS)
    if found is None:
        package = {"ext4": "e2fsprogs", "xfs": "xfsprogs"}[file_system]
        raise PartMissingError(f"mkfs.{file_system} (Debian {package})", TODO)
    return found
