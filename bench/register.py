"""Registering a million objects that lie in a lake already, and telling two such versions apart.

The lake is a server of which only the listing exists (`bench.listing_origin`), faster than any real one: S3 takes about
a tenth of a second for a page of a thousand, so that what a registration adds to its listing shows most here. `listing`
is the same listing code, its batches thrown away; beside it `s5cmd ls`. Each is a process of its own. Not in the diff:
the start of Python. Run: python -m bench.register [--rounds N] [--scale X]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import forebay
from bench import listing_origin, peers
from bench.machine import machine_facts, start_options
from bench.process import Usage, measure
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.client.contents import compare
from forebay.client.session import Session
from forebay.lake.listing import list_objects
from forebay.lake.location import parse_location
from forebay.lake.stores import LakeStore

OBJECTS = 1_000_000
TIME_AIM, PEAK_AIM_BYTES, DIFF_AIM_S = 1.3, 600e6, 2.0
LISTING, REGISTER, PEER = "listing alone", "dataset register", "s5cmd ls"

Results = Mapping[str, Sequence[Usage]]


def main() -> None:
    if sys.argv[1:2] == ["list"]:
        list_alone(*sys.argv[2:])
        return
    options = start_options("bench.register", __doc__, rounds=5)
    objects = int(OBJECTS * options.scale)
    facts = machine_facts(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-register-") as scratch, listing_origin.start(objects) as url:
        env = _env(url)
        homes = iter([Path(scratch, f"home-{number}") for number in range(options.rounds)])
        entrants: dict[str, Callable[[], Usage]] = {
            LISTING: partial(measure, [sys.executable, "-m", "bench.register", "list", url, "v1"], env=env),
            REGISTER: partial(_register, "v1", homes, env),
            PEER: partial(measure, [peers.program("copy", "s5cmd"), "ls", "s3://v1/data/*"], env=env),
        }
        results = alternate(entrants, options.rounds, on_done=_tell)
        home = Path(scratch, "home-0")
        _register("v2", iter([home]), env)
        diff_s = [_diff_s(home, objects) for _ in range(options.rounds)]
    print(_table(results))
    facts |= {"rounds": options.rounds, "scale": options.scale, "objects": objects}
    facts["versions"] = {"forebay": forebay.__version__, "s5cmd": peers.said_version(peers.program("copy", "s5cmd"))}
    facts["medians_s"] = {name: round(_wall_s(usages), 3) for name, usages in results.items()}
    facts["diff_s"] = [round(value, 3) for value in diff_s]
    conclude("register", _cases(results, median(diff_s), objects), facts)


def list_alone(url: str, bucket: str) -> None:
    """What `register` does before it makes anything of it."""
    location = parse_location(f"s3://{bucket}/data/")
    profile = {"endpoint": url, "access_key_id": "anybody", "secret_access_key": "nobody", "region": "us-east-1"}
    store = LakeStore.open(location.root_url, profile)
    print(sum(batch.num_rows for batch in list_objects(location, store)))


def _env(url: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": "anybody", "AWS_SECRET_ACCESS_KEY": "nobody", "AWS_REGION": "us-east-1"}
    return peers.peer_env(AWS_ENDPOINT_URL=url, S3_ENDPOINT_URL=url, **keys)


def _register(bucket: str, homes: Iterator[Path], env: Mapping[str, str]) -> Usage:
    """Register a bucket at the next home, as a person does."""
    program = Path(sys.executable).with_name("forebay")
    return measure([program, "dataset", "register", "clicks", f"s3://{bucket}/data/", "--home", next(homes)], env=env)


def _diff_s(home: Path, objects: int) -> float:
    """Seconds for the comparison of two kept versions, with reading and checking both manifests."""
    with Session.start({"home": home}) as session:
        newer, older = session.hub.catalog.versions("clicks")
        began = time.perf_counter()
        found = compare(session, older, newer)
        seconds = time.perf_counter() - began
    changed = len(found.table)
    if changed != -(-objects // listing_origin.CHANGED_EVERY):
        raise RuntimeError(f"{changed} files differ")
    return seconds


def _tell(name: str, usage: Usage) -> None:
    print(f"{name}: {usage.wall_s:.1f} s", file=sys.stderr, flush=True)


def _wall_s(usages: Sequence[Usage]) -> float:
    return median_of(usages, lambda usage: usage.wall_s)


def _peak_bytes(usages: Sequence[Usage]) -> float:
    return median_of(usages, lambda usage: usage.peak_bytes)


def _table(results: Results) -> str:
    rows = [
        [
            name,
            f"{_wall_s(usages):.2f}",
            f"{median_of(usages, lambda usage: usage.cpu_s):.2f}",
            f"{_peak_bytes(usages) / 1e6:.0f}",
            str(len(usages)),
        ]
        for name, usages in results.items()
    ]
    return table("registering, medians", ["command", "wall s", "cpu s", "peak MB", "runs"], rows)


def _cases(results: Results, diff_s: float, objects: int) -> list[Case]:
    listing_s, register_s, peer_s = (_wall_s(results[name]) for name in (LISTING, REGISTER, PEER))
    peak_bytes = _peak_bytes(results[REGISTER])
    return [
        Case(
            case=f"register {objects:,} / {LISTING}",
            measured=f"{register_s:.2f} s / {listing_s:.2f} s",
            ratio=register_s / listing_s,
            side=Side.AT_MOST,
            bound=TIME_AIM,
        ),
        Case(
            case=f"register {objects:,}: peak memory / 600 MB",
            measured=f"{peak_bytes / 1e6:.0f} MB",
            ratio=peak_bytes / PEAK_AIM_BYTES,
            side=Side.AT_MOST,
        ),
        Case(
            case=f"diff of two with {objects:,} / 2 s",
            measured=f"{diff_s:.2f} s",
            ratio=diff_s / DIFF_AIM_S,
            side=Side.AT_MOST,
        ),
        Case(
            case=f"{PEER} / {LISTING}",
            measured=f"{peer_s:.2f} s / {listing_s:.2f} s",
            ratio=peer_s / listing_s,
        ),
    ]


if __name__ == "__main__":
    main()
