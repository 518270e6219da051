"""Choosing what goes among 100,000 replicas, in process; beside it the plainest cache: sorted by last use.

Every replica has its use, pin, age and fill; a tenth of them is due, and a tenth of the bytes must come free besides.
Timed is what an evictor does once the replicas, the volume and who holds what are known (cache.holdings): a trial of
all of them, and what policy says. Once they share nothing, once they share contents, as versions of a dataset do.
Run: python -m bench.evict [--rounds N]
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from statistics import median

import pyarrow as pa

import forebay
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate
from forebay.cache.evict import Seen, decide_on
from forebay.cache.machine import HOLD_SECONDS
from forebay.cache.policy import Decisions, Policy
from forebay.cache.shares import Shares
from forebay.wire.cache import Replica, ReplicaState, Volume

COUNT = 100_000
AIM_S = 0.100
NOW = 1_800_000_000.0
DAY_S = 86400.0
CHOOSE, SHARED, LRU = "decide", "decide, contents shared", "sort by last use"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Facts:
    """What is known before anything is decided."""

    replicas: Sequence[Replica]
    refs: Sequence[str]
    volume: Volume


def main() -> None:
    options = start_options("bench.evict", __doc__, rounds=9)
    count = int(COUNT * options.scale)
    about = machine_facts(Path(tempfile.gettempdir()))
    chance = random.Random(options.rounds)
    replicas = [_replica(chance, number) for number in range(count)]
    known = Facts(replicas=replicas, refs=[item.ref for item in replicas], volume=_volume(replicas))
    apart, shared = _shares(known, _own), _shares(known, _with_others)
    # What the last round left is not this round's to collect.
    gc.freeze()
    entrants: dict[str, Callable[[], float]] = {
        LRU: partial(_lru_s, known),
        CHOOSE: partial(_decide_s, known, apart),
        SHARED: partial(_decide_s, known, shared),
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
    about |= {"rounds": options.rounds, "scale": options.scale, "replicas": count}
    about |= {"versions": {"forebay": forebay.__version__}}
    about["medians_s"] = {name: round(value, 6) for name, value in medians.items()}
    conclude("evict", cases, about)


def _replica(chance: random.Random, number: int) -> Replica:
    size_bytes = chance.randrange(1 << 20, 1 << 34)
    return Replica(
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
        fill_seconds=size_bytes / chance.uniform(1e7, 1e9),
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


def _volume(replicas: Sequence[Replica]) -> Volume:
    """One that is full."""
    size_bytes = sum(item.size_bytes for item in replicas)
    return Volume(volume_id="volume", path="/volume", limit_bytes=size_bytes, used_bytes=size_bytes, reserved_bytes=0)


def _own(number: int, replica: Replica) -> dict[str, int]:
    return {f"own-{number}": replica.size_bytes}


def _with_others(number: int, replica: Replica) -> dict[str, int]:
    """Of each its own, one that its dataset's versions have in common, and one with its neighbour."""
    return {**_own(number, replica), f"all-{number // 20}": 1 << 20, f"next-{number // 2}": 1 << 20}


def _shares(known: Facts, contents: Callable[[int, Replica], dict[str, int]]) -> Shares:
    def held(found: dict[str, int]) -> pa.Table:
        digests = pa.array([name.encode().ljust(32) for name in found], pa.binary(32))
        return pa.table({"digest": digests, "size_bytes": pa.array(found.values(), pa.int64())})

    numbered = enumerate(zip(known.refs, known.replicas, strict=True))
    return Shares({ref: (replica.group, held(contents(number, replica))) for number, (ref, replica) in numbered})


def _decide_s(known: Facts, shares: Shares) -> float:
    """Seconds until it is known what goes, in which order, and what that frees; the words are left for who reads."""
    began = time.perf_counter()
    chosen = decide_on(
        Seen(replicas=known.replicas, trial=shares.trial(known.refs)),
        known.volume,
        Policy(high_mark=0.9, low_mark=0.8),
        missing_bytes=0,
        team_missing_bytes={},
        now=NOW,
        hold_seconds=HOLD_SECONDS,
    )
    seconds = time.perf_counter() - began
    _check(chosen, known.volume.used_bytes)
    return seconds


def _check(chosen: Decisions, size_bytes: int) -> None:
    if not size_bytes // 5 <= chosen.freed_bytes < size_bytes // 4:
        raise RuntimeError(f"{chosen.freed_bytes} of {size_bytes} bytes came free")


def _lru_s(known: Facts) -> float:
    wanted_bytes = known.volume.used_bytes // 10
    began = time.perf_counter()
    going: list[Replica] = []
    for replica in sorted(known.replicas, key=attrgetter("last_used_at")):
        if wanted_bytes <= 0:
            break
        wanted_bytes -= replica.size_bytes
        going.append(replica)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
