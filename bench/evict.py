"""Choosing what goes among 100,000 replicas, in process; beside it the plainest cache: sorted by last use.

Every replica has its use, pin, age and bandwidth; a tenth of them is due, and a tenth of the bytes must come free
besides. A second row has them share contents, as versions of a dataset do. Run: python -m bench.evict [--rounds N]
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from statistics import median

import pyarrow as pa

import forebay
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate
from forebay.cache.policy import Candidate, Decisions, Policy, decide
from forebay.cache.shares import Shares
from forebay.wire.cache import Replica, ReplicaState

COUNT = 100_000
AIM_S = 0.100
NOW = 1_800_000_000.0
DAY_S = 86400.0
CHOOSE, SHARED, LRU = "decide", "decide, contents shared", "sort by last use"


def main() -> None:
    options = start_options("bench.evict", __doc__, rounds=9)
    count = int(COUNT * options.scale)
    facts = machine_facts(Path(tempfile.gettempdir()))
    chance = random.Random(options.rounds)
    candidates = [_candidate(chance, number) for number in range(count)]
    size_bytes = sum(item.alone_bytes for item in candidates)
    shares = _shares(candidates)
    # What the last round left is not this round's to collect.
    gc.freeze()
    entrants: dict[str, Callable[[], float]] = {
        LRU: partial(_lru_s, candidates, size_bytes // 10),
        CHOOSE: partial(_decide_s, candidates, size_bytes, None),
        SHARED: partial(_decide_s, candidates, size_bytes, shares),
    }
    times_s = alternate(entrants, options.rounds)
    rows = [[name, *(f"{pick(values) * 1000:.1f}" for pick in (median, min, max))] for name, values in times_s.items()]
    print(table(f"choosing among {count:,} replicas", ["way", "median ms", "min ms", "max ms"], rows))
    medians = {name: median(values) for name, values in times_s.items()}
    ms = {name: f"{value * 1000:.1f} ms" for name, value in medians.items()}
    cases = [
        Case(case=f"{CHOOSE} / 100 ms", measured=ms[CHOOSE], ratio=medians[CHOOSE] / AIM_S, side=Side.AT_MOST),
        Case(case=f"{SHARED} / 100 ms", measured=ms[SHARED], ratio=medians[SHARED] / AIM_S),
        Case(case=f"{CHOOSE} / {LRU}", measured=f"{ms[CHOOSE]} / {ms[LRU]}", ratio=medians[CHOOSE] / medians[LRU]),
    ]
    facts |= {"rounds": options.rounds, "scale": options.scale, "replicas": count}
    facts |= {"versions": {"forebay": forebay.__version__}}
    facts["medians_s"] = {name: round(value, 6) for name, value in medians.items()}
    conclude("evict", cases, facts)


def _candidate(chance: random.Random, number: int) -> Candidate:
    size_bytes = chance.randrange(1 << 20, 1 << 34)
    replica = Replica(
        volume_id="volume",
        dataset=f"dataset-{number // 20}",
        number=number % 20 + 1,
        group="default",
        manifest_digest=f"{number:064x}",
        state=ReplicaState.READY,
        reason="filled",
        since=NOW - chance.uniform(0, 30 * DAY_S),
        token=number,
        files=100,
        size_bytes=size_bytes,
        fill_seconds=size_bytes / 1e8,
        last_used_at=NOW - chance.uniform(0, 7.7 * DAY_S),
        lake_confirmed_at=0.0,
        attempts=0,
        leases=int(chance.random() < 0.05),
        pinned_by="ada" if chance.random() < 0.05 else "",
        pin_reason="",
        pin_until=0.0,
        fill_bytes=size_bytes,
        team=f"team-{number % 7}",
    )
    return Candidate(replica=replica, alone_bytes=size_bytes, bandwidth_bytes_s=chance.uniform(1e7, 1e9))


def _shares(candidates: Sequence[Candidate]) -> Shares:
    """Each holds one content of its own, one that its dataset's versions have in common, one with its neighbour."""
    kind = pa.binary(32)

    def held(number: int, size_bytes: int) -> pa.Table:
        names = (f"own-{number}", f"all-{number // 20}", f"next-{number // 2}")
        digests = pa.array([name.encode().ljust(32) for name in names], kind)
        sizes = pa.array([size_bytes, 1 << 20, 1 << 20], pa.int64())
        return pa.table({"digest": digests, "size_bytes": sizes})

    tables = {item.replica.ref: held(at, item.alone_bytes) for at, item in enumerate(candidates)}
    return Shares({ref: ("default", found) for ref, found in tables.items()})


def _decide_s(candidates: Sequence[Candidate], size_bytes: int, shares: Shares | None) -> float:
    """Seconds until it is known what goes, in which order, and what that frees; the words are left for who reads."""
    forked = None if shares is None else shares.fork()
    began = time.perf_counter()
    chosen = decide(
        candidates,
        Policy(high_mark=0.9, low_mark=0.8),
        used_bytes=size_bytes,
        limit_bytes=size_bytes,
        missing_bytes=0,
        now=NOW,
        sharing=forked,
    )
    seconds = time.perf_counter() - began
    _check(chosen, size_bytes)
    return seconds


def _check(chosen: Decisions, size_bytes: int) -> None:
    if not size_bytes // 5 <= chosen.freed_bytes < size_bytes // 4:
        raise RuntimeError(f"{chosen.freed_bytes} of {size_bytes} bytes came free")


def _lru_s(candidates: Sequence[Candidate], wanted_bytes: int) -> float:
    began = time.perf_counter()
    going: list[Candidate] = []
    for candidate in sorted(candidates, key=attrgetter("replica.last_used_at")):
        if wanted_bytes <= 0:
            break
        wanted_bytes -= candidate.alone_bytes
        going.append(candidate)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
