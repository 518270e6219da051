"""A second version in which one file of a hundred changed: the bytes that move, counted at the lake.

Three ways to come to it: the dataset's next version; another dataset, registered before anything was filled; a commit
of a cached tree that was committed before, with the changed files put in.

Run: python -m bench.delta [--rounds N] [--scale X]
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import forebay
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from forebay.client.commit import commit
from forebay.client.register import register
from forebay.client.session import Session
from forebay.testing.awkward import AwkwardOrigin
from forebay.wire.catalog import Version

FILES, FILE_BYTES, CHANGED_SHARE = 10_000, 20_000, 0.01
AIM = 0.0105
NEXT, OTHER, COMMITTED = "next version", "another dataset, registered before", "commit of the cached tree"
FIRST, SECOND = ["s3://lake/common/", "s3://lake/old/"], ["s3://lake/common/", "s3://lake/new/"]
_BUCKET = "/lake/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one way moved: `read_bytes` left the lake, `sent_bytes` went there, `seconds` until it was ready."""

    read_bytes: int
    sent_bytes: int
    seconds: float


def main() -> None:
    options = start_options("bench.delta", __doc__, rounds=5)
    count = int(FILES * options.scale)
    facts = machine_facts(Path(tempfile.gettempdir()))
    done: dict[str, list[Delta]] = {NEXT: [], OTHER: [], COMMITTED: []}
    for number in range(options.rounds):
        for way, delta in _round(count, number).items():
            done[way].append(delta)
    size_bytes = count * FILE_BYTES
    print(_table(done, size_bytes))
    facts |= {"rounds": options.rounds, "scale": options.scale, "files": count, "size_bytes": size_bytes}
    facts["versions"] = {"forebay": forebay.__version__}
    conclude("delta", [_case(way, deltas, size_bytes) for way, deltas in done.items()], facts)


def _round(count: int, seed: int) -> dict[str, Delta]:
    """All three ways; the first version is filled on a volume of its own for the one that was registered before."""
    with _scene(count, seed) as (session, origin, folder):
        first = register(session, "clicks", FIRST).version
        session.warm(first, "bench")
        deltas = {NEXT: _measured(origin, lambda: _warm(session, register(session, "clicks", SECOND).version))}
        base = commit(session, "features", session.cache.path(first), parents=[first.ref], profile="").version
        tree = _work_tree(session.cache.path(base), folder / "work", max(1, round(count * CHANGED_SHARE)))
        deltas[COMMITTED] = _measured(origin, lambda: _commit(session, tree, base.ref))
    with _scene(count, seed) as (session, origin, _):
        first = register(session, "clicks", FIRST).version
        other = register(session, "views", SECOND).version
        session.warm(first, "bench")
        deltas[OTHER] = _measured(origin, lambda: _warm(session, other))
    return deltas


@contextmanager
def _scene(count: int, seed: int) -> Iterator[tuple[Session, AwkwardOrigin, Path]]:
    """A lake with the files of both versions, and an empty volume."""
    chance = random.Random(seed)
    changed = max(1, round(count * CHANGED_SHARE))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-delta-") as scratch, AwkwardOrigin() as origin:
        for name, files in (("common", count - changed), ("old", changed), ("new", changed)):
            for number in range(files):
                # A changed file has the same path in both versions.
                path = f"{number // 1000:03}/{'same' if name == 'common' else 'other'}-{number:06}.bin"
                origin.put(f"{_BUCKET}{name}/{path}", chance.randbytes(FILE_BYTES))
        with _session(Path(scratch), origin) as session:
            yield session, origin, Path(scratch)


def _session(folder: Path, origin: AwkwardOrigin) -> Session:
    keys = {"access_key_id": "anybody", "secret_access_key": "nobody", "region": "us-east-1"}
    settings = {
        "home": str(folder / "home"),
        "volume": str(folder / "volume"),
        "lake": (folder / "commits").as_uri(),
        "grace": "0s",
        "profile": "origin",
        "profiles": {"origin": {"endpoint": origin.url, **keys}},
    }
    return Session.start(settings)


def _measured(origin: AwkwardOrigin, way: Callable[[], int]) -> Delta:
    before, began = _read_bytes(origin), time.monotonic()
    sent_bytes = way()
    seconds = time.monotonic() - began
    return Delta(read_bytes=_read_bytes(origin) - before, sent_bytes=sent_bytes, seconds=seconds)


def _read_bytes(origin: AwkwardOrigin) -> int:
    """Bodies of objects that left the lake, listings aside."""
    return sum(seen.sent_bytes for seen in origin.seen(method="GET") if seen.path.startswith(_BUCKET))


def _warm(session: Session, version: Version) -> int:
    session.warm(version, "bench")
    return 0


def _commit(session: Session, tree: Path, parent: str) -> int:
    committed = commit(session, "features", tree, parents=[parent], profile="")
    if committed.kept is None:
        raise RuntimeError(f"the commit is not ready here: {committed.not_kept}")
    return committed.sent_bytes


def _work_tree(tree: Path, work: Path, changed: int) -> Path:
    """A person's copy of a cached tree in which some files are others."""
    shutil.copytree(tree, work, copy_function=shutil.copyfile)
    for path in (work, *work.rglob("*")):
        path.chmod(0o755)
    chance = random.Random("changed")
    for path in sorted(work.rglob("*.bin"))[:changed]:
        path.write_bytes(chance.randbytes(FILE_BYTES))
    return work


def _table(done: Mapping[str, Sequence[Delta]], size_bytes: int) -> str:
    rows = [
        [
            way,
            f"{median(item.read_bytes for item in deltas) / 1e6:.2f}",
            f"{median(item.sent_bytes for item in deltas) / 1e6:.2f}",
            f"{max(item.read_bytes + item.sent_bytes for item in deltas) / size_bytes:.2%}",
            f"{median(item.seconds for item in deltas):.2f}",
        ]
        for way, deltas in done.items()
    ]
    head = ["way", "MB from the lake", "MB to the lake", "of the dataset, worst", "median s"]
    return table(f"one file of a hundred changed, {size_bytes / 1e6:,.0f} MB", head, rows)


def _case(way: str, deltas: Sequence[Delta], size_bytes: int) -> Case:
    moved_bytes = max(item.read_bytes + item.sent_bytes for item in deltas)
    return Case(
        case=f"{way}: bytes moved / dataset, worst round",
        measured=f"{moved_bytes / 1e6:.2f} MB of {size_bytes / 1e6:,.0f} MB",
        ratio=moved_bytes / size_bytes,
        side=Side.AT_MOST,
        bound=AIM,
    )


if __name__ == "__main__":
    main()
