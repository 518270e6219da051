"""Opening a version that is cached: the same milliseconds for 3,000 files and for 100,000.

Beside it, in Pythons of their own: DVC's checkout of the same 3,000 files from its local cache, and huggingface_hub's
snapshot_download from its cache, offline. Run: python -m bench.warm [--rounds N] [--scale X]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import forebay
from bench import peers
from bench.machine import machine_facts, start_options
from bench.process import measure
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate
from forebay.client.register import register
from forebay.client.session import shared_session

FEW, MANY = 3_000, 100_000
OPENINGS_A_ROUND = 20
AIM_S = 0.005
GROWTH_AIM = 1.5
DVC_AIM = 100.0
OPEN_FEW, OPEN_MANY, OPEN_NEW = "forebay.open, few files", "forebay.open, many files", "forebay.open, new Python"
# What the scripts that run in the peers' Pythons call their times.
IN_PLACE, REMOVED, SNAPSHOT = "dvc checkout, in place", "dvc checkout, removed", "hf snapshot_download"

Times = Mapping[str, Sequence[float]]


def main() -> None:
    options = start_options("bench.warm", __doc__, rounds=7)
    counts = {"few": int(FEW * options.scale), "many": int(MANY * options.scale)}
    facts = machine_facts(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-warm-") as scratch:
        folder = Path(scratch)
        os.environ["FOREBAY_HOME"] = str(folder / "home")
        for dataset, count in counts.items():
            _cache_version(folder, dataset, count)
        times_s = {
            **_time_openings(options.rounds),
            **_time_in_peer("dvc", folder, options.rounds),
            **_time_in_peer("huggingface", folder, options.rounds),
        }
    print(_table(times_s, counts))
    versions = {"forebay": forebay.__version__, **peers.versions("dvc", "dvc")}
    versions |= peers.versions("huggingface", "huggingface-hub")
    facts |= {"rounds": options.rounds, "scale": options.scale, "files": counts, "versions": versions}
    facts["medians_s"] = {name: round(median(values), 6) for name, values in times_s.items()}
    conclude("warm", _cases(times_s, counts), facts)


def make_files(folder: Path, count: int) -> None:
    """Small files, a thousand a folder, no two alike."""
    for first in range(0, count, 1000):
        part = folder / f"part-{first // 1000:04}"
        part.mkdir(parents=True)
        for number in range(first, min(first + 1000, count)):
            (part / f"{number:07}.txt").write_text(f"row {number}\n" * 4)


def _cache_version(folder: Path, dataset: str, count: int) -> None:
    lake = folder / dataset
    make_files(lake, count)
    register(shared_session(), dataset, [f"file://{lake}/"])
    began = time.monotonic()
    forebay.open(dataset, on_progress=lambda progress, holder: None).close()
    print(f"{dataset}: {count:,} files filled in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def _time_openings(rounds: int) -> Times:
    entrants = {OPEN_FEW: partial(_open_s, "few"), OPEN_MANY: partial(_open_s, "many")}
    times_s = alternate(entrants, rounds * OPENINGS_A_ROUND)
    program = [sys.executable, "-c", "import forebay; forebay.open('few').close()"]
    times_s[OPEN_NEW] = [measure(program).wall_s for _ in range(rounds)]
    return times_s


def _open_s(dataset: str) -> float:
    """Seconds until the files can be used; giving the lease back is not among them."""
    began = time.perf_counter()
    opened = forebay.open(dataset)
    seconds = time.perf_counter() - began
    opened.close()
    if not opened.from_cache:
        raise RuntimeError(f"{dataset} was not in the cache")
    return seconds


def _time_in_peer(name: str, folder: Path, rounds: int) -> Times:
    """Run the peer's script on the few files, in its own environment and folder; it prints its times as JSON."""
    python = peers.environment(name) / "bin" / "python"
    script = Path(__file__).with_name(f"peer_{name}.py")
    home = folder / name
    env = peers.peer_env(HOME=str(home), DVC_SITE_CACHE_DIR=str(home / "site"), HF_HUB_OFFLINE="1")
    command: list[str | Path] = [python, script, home, folder / "few", str(rounds)]
    ended = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    times_s: Times = json.loads(ended.stdout.splitlines()[-1])
    return times_s


def _table(times_s: Times, counts: Mapping[str, int]) -> str:
    rows = [
        [
            name,
            f"{counts['many' if name == OPEN_MANY else 'few']:,}",
            f"{median(values) * 1000:.2f}",
            f"{min(values) * 1000:.2f}",
            f"{max(values) * 1000:.2f}",
            str(len(values)),
        ]
        for name, values in times_s.items()
    ]
    return table("opening what is cached", ["call", "files", "median ms", "min ms", "max ms", "calls"], rows)


def _cases(times_s: Times, counts: Mapping[str, int]) -> list[Case]:
    few_s, many_s = median(times_s[OPEN_FEW]), median(times_s[OPEN_MANY])
    cases = [
        Case(
            case=f"open {count:,} / 5 ms",
            measured=f"{value * 1000:.1f} ms",
            ratio=value / AIM_S,
            side=Side.AT_MOST,
        )
        for count, value in ((counts["few"], few_s), (counts["many"], many_s))
    ]
    cases.append(
        Case(
            case=f"open {counts['many']:,} / open {counts['few']:,}",
            measured=f"{many_s * 1000:.1f} ms / {few_s * 1000:.1f} ms",
            ratio=many_s / few_s,
            side=Side.AT_MOST,
            bound=GROWTH_AIM,
        )
    )
    for peer in (IN_PLACE, REMOVED, SNAPSHOT):
        peer_s = median(times_s[peer])
        aimed = peer != SNAPSHOT
        cases.append(
            Case(
                case=f"{peer} / open",
                measured=f"{peer_s * 1000:.2f} ms / {few_s * 1000:.1f} ms",
                ratio=peer_s / few_s,
                side=Side.AT_LEAST if aimed else None,
                bound=DVC_AIM if aimed else 1.0,
            )
        )
    return cases


if __name__ == "__main__":
    main()
