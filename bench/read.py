"""Reading what is cached: a full scan through `forebay.open`'s path and through `forebay://`, beside the bare files.

The bare files are the same ones under names of their own (hard links in another folder): the very same pages and blocks
are read. The lake's own files, a copy elsewhere on the disk, stand beside them. Every byte is read into one buffer of a
MiB: from the page cache, where any cost of ours would show most, and from the disk. The times have opening and lease in
them.
Run: python -m bench.read [--rounds N] [--scale X]
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from statistics import median

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

import forebay
from bench.machine import machine_facts, start_options
from bench.report import Case, Side, conclude, table
from bench.rounds import alternate, median_of
from forebay.client.register import register
from forebay.client.session import shared_session

FILES, FILE_BYTES = 8, 512 << 20
PARQUET_ROWS = 4_000_000
BUFFER_BYTES = 1 << 20
BARE, COPY, PATH, SCHEME = "bare files", "a copy elsewhere", "forebay.open, the path", "forebay://"
AIMS = {PATH: 0.98, SCHEME: 0.95}

Entrant = Callable[[], AbstractContextManager[Iterator[BufferedReader]]]
"""Opens what it needs, and gives the files one after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One pass over all files; `first_s` until the first bytes were there."""

    wall_s: float
    first_s: float
    cpu_s: float
    read_bytes: int


def main() -> None:
    options = start_options("bench.read", __doc__, rounds=7)
    rounds = max(5, options.rounds)
    facts = machine_facts(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix="forebay-bench-read-") as scratch:
        folder = Path(scratch)
        os.environ["FOREBAY_HOME"] = str(folder / "home")
        lake = folder / "lake"
        size_bytes = _write_files(lake, options.scale)
        _write_parquet(folder / "table", options.scale)
        for dataset, place in (("days", lake), ("rows", folder / "table")):
            register(shared_session(), dataset, [f"{place.as_uri()}/"])
            with forebay.open(dataset, on_progress=lambda progress, holder: None) as opened:
                _link(opened.path, folder / "bare" / dataset)
        os.sync()
        entrants: dict[str, Entrant] = {
            BARE: partial(_bare, folder / "bare" / "days"),
            COPY: partial(_bare, lake),
            PATH: _path,
            SCHEME: _scheme,
        }
        # As reading fills it, from the disk: how a file's pages lie in memory depends on how they came there.
        _let_go(folder)
        for entrant in entrants.values():
            _scan(entrant, prepare=lambda: None)
        scans = {
            "page cache": _scan_all(entrants, rounds, size_bytes, prepare=lambda: None),
            "disk": _scan_all(entrants, rounds, size_bytes, prepare=partial(_let_go, folder)),
        }
        readers: dict[str, Callable[[], float]] = {
            BARE: partial(_rows_bare, folder / "bare" / "rows"),
            PATH: _rows_path,
            SCHEME: _rows_scheme,
        }
        parquet_s = alternate(readers, rounds)
    for state, found in scans.items():
        print(_table(state, found))
    print(_parquet_table(parquet_s))
    facts |= {"rounds": rounds, "scale": options.scale, "bytes": size_bytes, "forebay": forebay.__version__}
    conclude("read", [*_cases(scans), *_parquet_cases(parquet_s)], facts)


def _link(tree: Path, bare: Path) -> None:
    """The files of a tree under names that forebay knows nothing of."""
    bare.mkdir(parents=True)
    for path in tree.iterdir():
        if path.is_file():
            (bare / path.name).hardlink_to(path)


def _write_files(lake: Path, scale: float) -> int:
    """Files no two of which are alike; their bytes together."""
    lake.mkdir(parents=True)
    blocks = max(1, int(FILE_BYTES * scale) // BUFFER_BYTES)
    for number in range(FILES):
        block = os.urandom(BUFFER_BYTES)
        with (lake / f"day_{number}").open("wb") as file:
            for _ in range(blocks):
                file.write(block)
    return FILES * blocks * BUFFER_BYTES


def _write_parquet(folder: Path, scale: float) -> None:
    folder.mkdir()
    rows = max(1000, int(PARQUET_ROWS * scale))
    columns = {f"c{number}": pa.array(range(number, rows + number)) for number in range(8)}
    pq.write_table(pa.table(columns), folder / "rows.parquet", compression="none", use_dictionary=False)


@contextmanager
def _bare(lake: Path) -> Iterator[Iterator[BufferedReader]]:
    yield (path.open("rb") for path in sorted(lake.iterdir()))


@contextmanager
def _path() -> Iterator[Iterator[BufferedReader]]:
    with forebay.open("days") as opened:
        yield ((opened.path / f"day_{number}").open("rb") for number in range(FILES))


@contextmanager
def _scheme() -> Iterator[Iterator[BufferedReader]]:
    with fsspec.filesystem("forebay", skip_instance_cache=True) as filesystem:
        yield (filesystem.open(f"forebay://days/day_{number}") for number in range(FILES))


def _scan_all(
    entrants: Mapping[str, Entrant], rounds: int, size_bytes: int, *, prepare: Callable[[], object]
) -> dict[str, list[Scan]]:
    scans = alternate({name: partial(_scan, entrant, prepare) for name, entrant in entrants.items()}, rounds)
    for name, found in scans.items():
        if any(scan.read_bytes != size_bytes for scan in found):
            raise RuntimeError(f"{name} did not read all of {size_bytes} bytes")
    return scans


def _scan(entrant: Entrant, prepare: Callable[[], object]) -> Scan:
    prepare()
    buffer, total, first_s = bytearray(BUFFER_BYTES), 0, 0.0
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    with entrant() as sources:
        for source in sources:
            with source:
                while count := source.readinto(buffer):
                    first_s = first_s or time.perf_counter() - began_s
                    total += count
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return Scan(wall_s=wall_s, first_s=first_s, cpu_s=cpu_s, read_bytes=total)


def _let_go(folder: Path) -> None:
    """Ask the kernel to drop these files from the page cache, so that the disk is read."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _rows_bare(folder: Path) -> float:
    return _seconds(lambda: pq.read_table(folder / "rows.parquet"))


def _rows_path() -> float:
    with forebay.open("rows") as opened:
        return _seconds(lambda: pq.read_table(opened.path / "rows.parquet"))


def _rows_scheme() -> float:
    with fsspec.filesystem("forebay", skip_instance_cache=True) as filesystem:
        filesystem.open("rows/rows.parquet").close()
        return _seconds(lambda: pq.read_table("rows/rows.parquet", filesystem=filesystem))


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _table(state: str, scans: Mapping[str, Sequence[Scan]]) -> str:
    rows = []
    for name, found in scans.items():
        wall_s = median_of(found, lambda scan: scan.wall_s)
        cells = [wall_s, min(scan.wall_s for scan in found), max(scan.wall_s for scan in found)]
        cells += [median_of(found, lambda scan: scan.cpu_s), median_of(found, lambda scan: scan.first_s)]
        rows.append([name, *(f"{cell:.3f}" for cell in cells), f"{found[0].read_bytes / wall_s / 1e6:,.0f}"])
    title = f"full scan from the {state}, medians of {len(scans[BARE])}"
    return table(title, ["through", "wall s", "min", "max", "CPU s", "first byte s", "MB/s"], rows)


def _cases(scans: Mapping[str, Mapping[str, Sequence[Scan]]]) -> list[Case]:
    cases = []
    for state, found in scans.items():
        bare_s = median_of(found[BARE], lambda scan: scan.wall_s)
        for name, aim in AIMS.items():
            ours_s = median_of(found[name], lambda scan: scan.wall_s)
            cases.append(
                Case(
                    case=f"{state}: {name} / bare, speed",
                    measured=f"{bare_s:.3f} s / {ours_s:.3f} s",
                    ratio=bare_s / ours_s,
                    side=Side.AT_LEAST,
                    bound=aim,
                )
            )
    return cases


def _parquet_table(times_s: Mapping[str, Sequence[float]]) -> str:
    rows = [
        [name, f"{median(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"] for name, values in times_s.items()
    ]
    return table("pyarrow.parquet.read_table, from the page cache", ["through", "wall s", "min", "max"], rows)


def _parquet_cases(times_s: Mapping[str, Sequence[float]]) -> list[Case]:
    """Shown, without an aim: pyarrow reads a path with threads of its own, and a Python file one piece at a time."""
    bare_s = median(times_s[BARE])
    return [
        Case(
            case=f"Parquet in pyarrow: {name} / bare, speed",
            measured=f"{bare_s:.3f} s / {median(times_s[name]):.3f} s",
            ratio=bare_s / median(times_s[name]),
        )
        for name in AIMS
    ]


if __name__ == "__main__":
    main()
