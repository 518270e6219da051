"""Tasks on the workers: Dask runs those of a lost worker again elsewhere, and waiting for them ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from distributed import Client, Future

from forebay.ctr.engines.watch import LOOK_EVERY_S, Box, worker_addresses
from forebay.errors import UnavailableError


def gathered(client: Client, futures: Sequence[Future[Any]], *, limit_s: float) -> list[Any]:
    """All results, or the first error; UnavailableError `job-too-long` after `limit_s`, `scheduler-lost`."""
    box: Box[list[Any]] = Box(lambda: client.gather(futures))  # type: ignore[no-untyped-call]
    deadline = time.monotonic() + limit_s
    while not box.done.wait(LOOK_EVERY_S):
        worker_addresses(client)  # or scheduler-lost
        if time.monotonic() > deadline:
            client.cancel(futures, force=True)  # type: ignore[no-untyped-call]
            raise UnavailableError("job-too-long", f"the job on Dask was given up after {limit_s:.0f} s")
    if box.error is not None:
        worker_addresses(client)
    return box.result()
