"""Sixteen cold processes that open the same version at once: what leaves the lake, and whether all read the truth.

Beside it the same readers through fsspec's simplecache and filecache and huggingface_hub, each with one cache folder
for all, from the same origin, which counts. Then rounds in which readers are killed: the others must read the truth.
Run: python -m bench.share [--rounds N] [--scale X]
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import forebay
from bench import peers
from bench.counting import LAKE, CountingOrigin
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table

READERS = 16
LARGE, LARGE_BYTES = 4, 8 << 20
SMALL, SMALL_BYTES = 40, 256 << 10
KILLS_A_ROUND = 3
COLD_ROUNDS = 5
TOOLS = {"forebay": "", "fsspec simplecache": "fsspec", "fsspec filecache": "fsspec", "huggingface_hub": "huggingface"}
_CROWD = Path(__file__).with_name("crowd.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one crowd did. `lake_share` is what left the origin over the dataset's bytes."""

    seconds: float
    lake_share: float
    gets: int
    bad_reads: int
    failed_readers: int
    errors: tuple[str, ...]


def main() -> None:
    options = start_options("bench.share", __doc__, rounds=20)
    facts = machine_facts(Path(tempfile.gettempdir()))
    cold_rounds = min(COLD_ROUNDS, options.rounds)
    with CountingOrigin(_files(options.scale)) as origin:
        cold = {tool: [_round(origin, tool, 0, 0.0, seed) for seed in range(cold_rounds)] for tool in TOOLS}
        within_s = median(item.seconds for item in cold["forebay"])
        seeds = range(1000, 1000 + options.rounds)
        killed = [_round(origin, "forebay", KILLS_A_ROUND, within_s, seed) for seed in seeds]
        size_bytes = origin.size_bytes
    print(_table({**cold, f"forebay, {KILLS_A_ROUND} kills a round": killed}))
    versions = {"forebay": forebay.__version__, **peers.versions("fsspec", "fsspec")}
    versions |= peers.versions("huggingface", "huggingface-hub")
    facts |= {"rounds": options.rounds, "scale": options.scale, "readers": READERS, "size_bytes": size_bytes}
    facts |= {"versions": versions, "seeds": list(seeds)}
    facts["errors"] = {tool: sorted({error for item in done for error in item.errors}) for tool, done in cold.items()}
    facts["errors"]["with kills"] = sorted({error for item in killed for error in item.errors})
    conclude("share", _cases(cold, killed), facts)


def _files(scale: float) -> dict[str, bytes]:
    """Random bytes, so that no part of a file can be taken for another."""
    sizes = [int(LARGE_BYTES * scale)] * LARGE + [int(SMALL_BYTES * scale)] * SMALL
    chance = random.Random("share")
    return {f"part-{number:03}.bin": chance.randbytes(size) for number, size in enumerate(sizes)}


def _round(origin: CountingOrigin, tool: str, kills: int, within_s: float, seed: int) -> Round:
    """One crowd with nothing cached before."""
    group = TOOLS[tool]
    python = sys.executable if not group else str(peers.environment(group) / "bin" / "python")
    digests = {name: hashlib.sha256(body).hexdigest() for name, body in origin.files.items()}
    with tempfile.TemporaryDirectory(prefix="forebay-bench-share-") as scratch:
        home = Path(scratch) / "home"
        env = peers.peer_env(FOREBAY_HOME=str(home), HOME=scratch, HF_HUB_DISABLE_PROGRESS_BARS="1")
        if tool == "forebay":
            _register(origin, env)
        origin.reset()
        folder = Path(scratch) / "cache"
        folder.mkdir()
        command = [python, _CROWD, tool, origin.url, folder, json.dumps(digests), READERS, kills, within_s, seed]
        ended = subprocess.run(
            [str(part) for part in command], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
        )
        # A killed reader's connection may still be served.
        lake_bytes, gets = origin.sent_bytes, origin.gets
    said = json.loads(ended.stdout.splitlines()[-1])
    return Round(
        seconds=said["seconds"],
        lake_share=lake_bytes / origin.size_bytes,
        gets=gets,
        bad_reads=said["bad_reads"],
        failed_readers=said["failed_readers"],
        errors=tuple(said["errors"]),
    )


def _register(origin: CountingOrigin, env: Mapping[str, str]) -> None:
    urls = [f"{origin.url}{LAKE}{name}" for name in origin.files]
    program = Path(sys.executable).with_name("forebay")
    command: list[str | Path] = [program, "dataset", "register", "share", *urls, "--allow-http", "-q"]
    subprocess.run(command, env={**os.environ, **env}, check=True, stdout=subprocess.DEVNULL)


def _table(rounds: Mapping[str, list[Round]]) -> str:
    rows = [
        [
            name,
            str(len(done)),
            f"{median(item.lake_share for item in done):.2f}x",
            f"{max(item.lake_share for item in done):.2f}x",
            f"{median(item.gets for item in done):.0f}",
            str(sum(item.bad_reads for item in done)),
            str(sum(item.failed_readers for item in done)),
            f"{median(item.seconds for item in done):.1f}",
        ]
        for name, done in rounds.items()
    ]
    head = ["tool", "rounds", "lake bytes", "worst", "GETs", "bad reads", "failed readers", "median s"]
    return table(f"{READERS} cold processes, one dataset", head, rows)


def _cases(cold: Mapping[str, list[Round]], killed: list[Round]) -> list[Case]:
    worst = max(item.lake_share for item in cold["forebay"])
    wrong = sum(item.bad_reads + item.failed_readers for item in (*killed, *cold["forebay"]))
    cases = [
        Case(
            case=f"lake bytes / dataset, {READERS} cold processes, worst round",
            measured=f"{worst:.4f}x",
            ratio=worst,
            side=Side.AT_MOST,
        ),
        Case(
            case=f"bad reads and failed readers, {len(killed)} rounds with {KILLS_A_ROUND} kills each",
            measured=str(wrong),
            ratio=float(wrong),
            side=Side.AT_MOST,
            bound=0.0,
        ),
    ]
    share = median(item.lake_share for item in killed)
    cases.append(Case(case="lake bytes / dataset with kills, median", measured=f"{share:.2f}x", ratio=share))
    for tool, done in cold.items():
        if tool != "forebay":
            share = median(item.lake_share for item in done)
            bad = sum(item.bad_reads + item.failed_readers for item in done)
            measured = f"{share:.2f}x, {bad} bad reads or failed readers"
            cases.append(Case(case=f"{tool}: lake bytes / dataset", measured=measured, ratio=share))
    return cases


if __name__ == "__main__":
    main()
