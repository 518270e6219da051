"""XGBoost on Dask does not survive the loss of a worker; a fit here does: what is left is cleared, then it goes on.

Every wait ends: attempts are counted, and all of them share one time limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from distributed import Client

from forebay.ctr.engines.local import START_LIMIT_S
from forebay.ctr.engines.watch import LOOK_EVERY_S, watched, worker_addresses
from forebay.ctr.models.protocol import FitJob
from forebay.errors import UnavailableError

Result = TypeVar("Result")
MAX_LOST: Final = 3
RESTART_LIMIT_S: Final = 60.0
RETURN_LIMIT_S: Final = 30.0


def surviving(job: FitJob, attempt: Callable[[], Result]) -> tuple[Result, int]:
    """The result of `attempt`, tried again after each loss of a worker, and how often one was lost.

    `attempt` begins anew on the workers that are there, so it should go on from a checkpoint. UnavailableError
    `worker-lost` after MAX_LOST losses, `no-workers` where none is left, `job-too-long` when the time is over.
    """
    client = job.cluster.client
    wanted = len(worker_addresses(client))
    lost = 0
    while True:
        try:
            return watched(client, attempt, limit_s=job.left_s), lost
        except UnavailableError as error:
            if error.kind != "worker-lost" or lost == MAX_LOST:
                raise
        lost += 1
        with job.stages.stage("recover"):
            _recover(client, wanted)


def _recover(client: Client, wanted: int) -> None:
    """End what hangs on the workers, and give those that are lost some time to come back."""
    # The workers that are left wait inside XGBoost for the one that is lost; only a new process frees them.
    client.restart(timeout=RESTART_LIMIT_S, wait_for_workers=False)
    began = time.monotonic()
    while (there := len(worker_addresses(client))) < wanted:
        if time.monotonic() - began > (RETURN_LIMIT_S if there else START_LIMIT_S):
            break
        time.sleep(LOOK_EVERY_S)
    if not there:
        raise UnavailableError(
            "no-workers", "no Dask worker is left", todo="Start workers, then give the same command again."
        )
