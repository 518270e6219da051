"""How many workers, threads and bytes an engine gets where nobody said, and how much a task may take. Pure.

**Workers and threads.** The parser, Arrow, numpy and XGBoost let go of the interpreter lock, so that threads of one
process do nearly as well as processes and share what they read: one worker has up to `MOST_THREADS` threads; a machine
with more cores gets several. A nanny sets OMP_NUM_THREADS=1 in its worker, which is right for numpy within many tasks
and wrong for XGBoost, which runs as one task a worker: its configuration says `nthread` = the worker's threads.

**Memory.** A share of the machine's is left to the process that commands and to the page cache.

**Spilling that can't deadlock.** Dask's default pauses a worker at 80 % of its limit until its memory falls. What fills
a worker here is mostly not Dask's to spill (buffers of a parser, XGBoost's matrix): with nothing to spill it stays
paused, its tasks wait for ever, and when all workers are so nothing moves or ends. So `pause` is off. `spill`, which
looks at the same process memory, would write out inputs that a running fit still holds: that frees nothing and is off,
too. `target` stays: what Dask itself manages goes to disk beyond 60 %. At 95 % the nanny ends the worker, which is
loud and bounded: an idempotent task is run again elsewhere, a fit says that a worker was lost for want of memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from forebay.ctr.engines.spec import EngineSpec
from forebay.errors import CapacityError, InputError

MOST_THREADS: Final = 16
WORKERS_SHARE: Final = 0.85
BASE_BYTES: Final = 384 << 20
"""What a worker's process holds before its first task: the interpreter, Dask, Arrow, numba's kernels, XGBoost."""
COPIES: Final = 4
"""A task of prepare holds so many times its partition at once: the text, the columns, their Parquet, slack."""
LEAST_PARTITION_BYTES: Final = 1 << 20
MOST_PARTITION_BYTES: Final = 32 << 20
FIT_SLACK: Final = 1.25
ROW_BYTES: Final = 32
"""Of each row that boosting fits: its label, gradient, margin and the node where it stands."""
PART_COPIES: Final = 10
"""A worker that reads a part for XGBoost holds so many times its float32 values: the file, copies, quantiles."""

CLUSTER_SETTINGS: Final[Mapping[str, Any]] = {
    "distributed.worker.memory.target": 0.6,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # Of a worker that is not back in that time Dask takes the nanny away, too; its 15 s are too few on a busy machine.
    "distributed.deploy.lost-worker-timeout": "300 s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one host has for this process: cores it may use, bytes of memory (its control group's limit counts)."""

    cores: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Workers in all; threads and bytes of each."""

    workers: int
    threads_per_worker: int
    memory_per_worker: int


def choose_sizes(spec: EngineSpec, machine: Machine) -> Sizes:
    """Fill in what `spec` leaves open, for workers that are all on this machine.

    InputError `memory-too-small` where a worker could not hold its own program and one smallest task a thread.
    """
    workers = spec.workers or math.ceil(machine.cores / MOST_THREADS)
    threads = spec.threads_per_worker or max(1, machine.cores // workers)
    memory = spec.memory_per_worker or int(machine.memory_bytes * WORKERS_SHARE) // workers
    sizes = Sizes(workers=workers, threads_per_worker=threads, memory_per_worker=memory)
    least = least_memory_bytes(threads)
    if memory < least:
        raise InputError(
            "memory-too-small",
            f"{_mib(memory)} are too little for a worker of {threads} threads, which needs {_mib(least)}",
            todo="Give --memory-per-worker more, or take fewer --workers or --threads-per-worker.",
        )
    return sizes


def least_memory_bytes(threads: int) -> int:
    """Below this a worker of so many threads can't do the smallest tasks."""
    return BASE_BYTES + 2 * threads * COPIES * LEAST_PARTITION_BYTES


def partition_bytes(sizes: Sizes) -> int:
    """How much click log a task of prepare takes: with all threads at it, half of what a worker has free stays so."""
    free = sizes.memory_per_worker - BASE_BYTES
    fits = free // (2 * sizes.threads_per_worker * COPIES)
    return min(MOST_PARTITION_BYTES, max(LEAST_PARTITION_BYTES, fits))


def held_bytes(rows: int, features: int) -> int:
    """What all workers together hold of a forest's rows: float32 values, their one-byte bins, labels; with slack."""
    return int(FIT_SLACK * rows * (features * (4 + 1) + 8 + 8 + 1))


def streamed_bytes(rows: int, features: int, *, part_rows: int, workers: int) -> int:
    """What all workers together hold of a boosting's rows, whose bins are on disk; with slack.

    Each worker reads parts of at most `part_rows`, one at a time.
    """
    return int(FIT_SLACK * (rows * ROW_BYTES + workers * PART_COPIES * part_rows * features * 4))


def check_fit(needed_bytes: int, what: str, *, workers: int, memory_per_worker: int) -> None:
    """CapacityError `memory-too-little`, before a cluster is busy with what can't end well. 0 bytes: not known."""
    if not memory_per_worker:
        return
    there = workers * (memory_per_worker - BASE_BYTES)
    if needed_bytes > there:
        raise CapacityError(
            "memory-too-little",
            f"{what} need about {_mib(needed_bytes)} to be fitted; "
            f"{workers} workers of {_mib(memory_per_worker)} have {_mib(max(0, there))} for it",
            todo="Take more workers or hosts, more --memory-per-worker, or fewer days.",
        )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):,.0f} MiB"
