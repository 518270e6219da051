"""An XFS of its own in a loop file, which can be taken away under those who use it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from forebay.testing.servers.process import PartMissingError

SIZE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopVolume:
    """`point` is where it is mounted, an empty folder while it is not."""

    image: Path
    point: Path

    @classmethod
    @contextlib.contextmanager
    def make(cls, folder: Path) -> Iterator[LoopVolume]:
        """PartMissingError where it can't be."""
        if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
            raise PartMissingError("a mount of XFS (root and loop devices)", "Run this where mounting is allowed")
        if shutil.which("mkfs.xfs") is None:
            raise PartMissingError("mkfs.xfs", "scripts/test_parts.sh installs it")
        made = cls(image=folder / "image", point=folder / "mounted")
        made.format()
        made.point.mkdir()
        made.mount()
        try:
            yield made
        finally:
            made.unmount()
            made.image.unlink()

    def format(self) -> None:
        """An empty file system on a new disk: the old one is still there for those who have it open."""
        self.image.unlink(missing_ok=True)
        with self.image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(self.image)], check=True, capture_output=True)

    def mount(self) -> None:
        done = subprocess.run(["mount", "-o", "loop", str(self.image), str(self.point)], capture_output=True, text=True)
        if done.returncode:
            raise PartMissingError(f"a mount of XFS ({done.stderr.strip()})", "Run this where mounting is allowed")

    def unmount(self) -> None:
        """Also under those who have files open there: they keep them, and everybody else sees an empty folder."""
        if self.point.is_mount():
            subprocess.run(["umount", "--lazy", str(self.point)], check=True)
