"""One measurement of bench.scale, in a process of its own: prepare and train on a local cluster of so many workers.

    python -m bench.scaled WORKERS CLICKS WORK RESULT

Writes one JSON object: wall seconds of each, rows, and the most that any worker ever held, after each of them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from distributed import Client

from forebay.ctr.engines.cluster import open_cluster
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.ctr.workload import prepare, train


def main(workers: int, clicks: Path, work: Path, result: Path) -> None:
    spec = EngineSpec(place=Local(), workers=workers, threads_per_worker=1)
    with open_cluster(spec, work) as cluster:
        begun = time.perf_counter()
        prepared = prepare(clicks, work / "features", executor=cluster.executor, range_bytes=cluster.partition_bytes)
        prepared_at, prepare_peak = time.perf_counter(), peak_bytes(cluster.client)
        train(work / "features", work / "model", cluster=cluster)
        trained_at, train_peak = time.perf_counter(), peak_bytes(cluster.client)
    said = {
        "rows": prepared.rows,
        "prepare_s": prepared_at - begun,
        "train_s": trained_at - prepared_at,
        "prepare_peak_bytes": prepare_peak,
        "train_peak_bytes": train_peak,
    }
    result.write_text(json.dumps(said))


def peak_bytes(client: Client) -> int:
    """The most that any one worker's process has held so far."""
    return max(int(peak) for peak in client.run(own_peak_bytes).values())


def own_peak_bytes() -> int:
    """Runs on a worker."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:5]))
