"""Ten runs of three people at two sites: the conventional way, a download for each, beside forebay's cache volumes.

The lake is an S3 server behind a link of 1 Gbit/s and 30 ms, the same for both sites; runs come one after another, so
that none shares it. Conventional: s5cmd copies the dataset to the run's own folder, then it trains. Forebay: the run
opens the version on its site's volume, as a Python program does, the start of that program included. Bytes are those
that arrived over the link, whoever asked for them; training reads every byte once. A round takes some six minutes.
Run: python -m bench.conventional [--rounds N] [--scale X]
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import forebay
from bench import fillers, peers
from bench.machine import machine_facts, start_options
from bench.origin import Origin, Work
from bench.report import Case, Side, conclude, table
from forebay.fsio import Disk
from forebay.testing.link import FAR

WORK = Work(name="conventional", bucket="conventional", objects=6, object_bytes=512 << 20)
RUNS = tuple((user, site) for user, site in zip("abcabcabca", "1212121212", strict=True))
"""Who runs where, in this order."""

_TRAINED = Path(__file__).with_name("trained.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One run. `start_s` is from its beginning to its first byte, `again`: its site had the data before."""

    again: bool
    start_s: float
    wall_s: float
    link_bytes: int


def main() -> None:
    options = start_options("bench.conventional", __doc__, rounds=1)
    facts = machine_facts(Path(tempfile.gettempdir()))
    work = WORK.scaled(options.scale)
    ways: dict[str, list[list[Done]]] = {"conventional": [], "forebay": []}
    with (
        tempfile.TemporaryDirectory(prefix="forebay-bench-conventional-") as scratch,
        Origin.seaweedfs([work]) as lake,
        lake.behind_link() as far,
    ):
        for number in range(options.rounds):
            place = fillers.make_place(work, far, Path(scratch) / f"round-{number}")
            for name in list(ways)[:: 1 if number % 2 else -1]:
                done = _conventional(place) if name == "conventional" else _forebay(place)
                ways[name].append([_said(number, name, item) for item in done])
            Disk().remove_tree(place.folder)
    print(_table(work, ways))
    facts |= {"rounds": options.rounds, "scale": options.scale, "size_bytes": work.size_bytes}
    facts |= {"runs": [f"{user} at {site}" for user, site in RUNS], "versions": _versions()}
    conclude("conventional", _cases(ways), facts)


def _versions() -> dict[str, str]:
    return {"forebay": forebay.__version__, "s5cmd": peers.said_version(peers.program("copy", "s5cmd"))}


def _conventional(place: fillers.Place) -> Iterator[Done]:
    """Everybody downloads to a folder of their own, again for each run."""
    env = peers.peer_env(**place.origin.env, S3_ENDPOINT_URL=place.origin.endpoint)
    copy = [str(peers.program("copy", "s5cmd")), "--log", "error", "cp", f"{place.work.url}*"]
    for number, _ in enumerate(RUNS):
        folder = place.folder / f"run-{number}"
        folder.mkdir()
        yield _run(place, [[*copy, f"{folder}/"], _training("folder", str(folder))], env, again=number > 1)
        shutil.rmtree(folder)


def _forebay(place: fillers.Place) -> Iterator[Done]:
    """One home, which is the hub's; each site has its volume."""
    for number, (_, site) in enumerate(RUNS):
        volume = str(place.folder / f"site-{site}")
        env = place.origin.env | {"FOREBAY_HOME": str(place.registered), "FOREBAY_VOLUME": volume}
        yield _run(place, [_training("forebay", "objects@v1")], env, again=number > 1)


def _training(way: str, what: str) -> list[str]:
    return [sys.executable, str(_TRAINED), way, what]


def _run(place: fillers.Place, commands: Sequence[Sequence[str]], env: dict[str, str], *, again: bool) -> Done:
    before_bytes = _arrived_bytes(place.origin)
    began = time.monotonic()
    said = ""
    for command in commands:
        said = subprocess.run(
            [*place.origin.prefix, *command], env=env, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    wall_s = time.monotonic() - began
    trained = json.loads(said.splitlines()[-1])
    if trained["read_bytes"] != place.work.size_bytes:
        raise RuntimeError(f"a run read {trained['read_bytes']} bytes of {place.work.size_bytes}")
    return Done(
        again=again,
        start_s=trained["first_byte_at"] - began,
        wall_s=wall_s,
        link_bytes=_arrived_bytes(place.origin) - before_bytes,
    )


def _arrived_bytes(origin: Origin) -> int:
    """What has come over the link so far, headers of packets included."""
    said = subprocess.run([*origin.prefix, "cat", "/proc/net/dev"], capture_output=True, text=True, check=True).stdout
    counters = (line.strip().split(":") for line in said.splitlines()[2:])
    return sum(int(counted.split()[0]) for device, counted in counters if device != "lo")


def _said(number: int, name: str, done: Done) -> Done:
    told = f"first byte after {done.start_s:.2f} s, {done.wall_s:.2f} s in all, {done.link_bytes / 1e6:,.1f} MB came"
    print(f"round {number}: {name}: {told}", file=sys.stderr, flush=True)
    return done


def _table(work: Work, ways: dict[str, list[list[Done]]]) -> str:
    rows = []
    for name, rounds in ways.items():
        first, again = (_starts_s(rounds, again=again) for again in (False, True))
        rows.append(
            [
                name,
                f"{median(first):.2f}",
                f"{median(again):.2f}",
                f"{min(again):.2f}-{max(again):.2f}",
                f"{median(_link_bytes(done) for done in rounds) / 1e9:.2f}",
                f"{median(_wall_s(done) for done in rounds):.1f}",
            ]
        )
    head = ["way", "first start s", "repeated start s", "min-max", "GB over the link", "all runs s"]
    title = f"{len(RUNS)} runs at 2 sites, {work}, {FAR.rate_bits_s / 1e9:g} Gbit/s and {FAR.round_trip_s * 1000:g} ms"
    return table(f"{title}, medians of {len(ways['forebay'])} rounds", head, rows)


def _cases(ways: dict[str, list[list[Done]]]) -> list[Case]:
    usual, ours = ways["conventional"], ways["forebay"]
    usual_bytes, our_bytes = (median(_link_bytes(done) for done in way) for way in (usual, ours))
    usual_start, our_start = (
        median(item.start_s for done in way for item in done if item.again) for way in (usual, ours)
    )
    usual_wall, our_wall = (median(_wall_s(done) for done in way) for way in (usual, ours))
    return [
        Case(
            case="bytes",
            measured=f"{usual_bytes / 1e9:.2f} / {our_bytes / 1e9:.2f} GB",
            ratio=usual_bytes / our_bytes,
            side=Side.AT_LEAST,
            bound=5.0,
        ),
        Case(
            case="repeated start",
            measured=f"{usual_start:.2f} / {our_start:.3f} s",
            ratio=usual_start / our_start,
            side=Side.AT_LEAST,
            bound=50.0,
        ),
        Case(
            case="wall time of all runs", measured=f"{usual_wall:.1f} / {our_wall:.1f} s", ratio=usual_wall / our_wall
        ),
    ]


def _starts_s(rounds: Sequence[Sequence[Done]], *, again: bool) -> list[float]:
    return [item.start_s for done in rounds for item in done if item.again is again]


def _link_bytes(done: Sequence[Done]) -> int:
    return sum(item.link_bytes for item in done)


def _wall_s(done: Sequence[Done]) -> float:
    return sum(item.wall_s for item in done)


if __name__ == "__main__":
    main()
