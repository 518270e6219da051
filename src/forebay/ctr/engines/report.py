"""Dask's own report of a job: the task stream, what each worker did, bandwidths; one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import distributed
from distributed import Client

from forebay.ctr.engines.watch import bounded
from forebay.ctr.files import new_file
from forebay.errors import ForebayError, InputError

_LIMIT_S: Final = 120.0


def require_bokeh() -> None:
    """InputError `missing-extra`."""
    if find_spec("bokeh") is None:
        raise InputError(
            "missing-extra", "a performance report needs bokeh, which is not installed", todo="pip install bokeh"
        )


@contextmanager
def performance_report(client: Client, out: Path | None, *, may_fail: bool = False) -> Iterator[None]:
    """Write what the block did on the cluster to `out`, whole, its scripts inside; nothing where it is None.

    Of a block that failed, too, as far as the scheduler can still tell. Where it `may_fail`, nobody is told of that.
    """
    if out is None:
        yield
        return
    require_bokeh()
    out.parent.mkdir(parents=True, exist_ok=True)
    with client.as_current():
        report = distributed.performance_report(filename="", mode="inline")  # type: ignore[no-untyped-call]
        bounded("the performance report", report.__enter__, limit_s=_LIMIT_S)
        try:
            yield
        except BaseException:
            # Where the scheduler is gone, that it is gone is what the block says.
            with suppress(ForebayError, OSError):
                _save(report, out)
            raise
        with suppress(*((ForebayError, OSError) if may_fail else ())):
            _save(report, out)


def _save(report: distributed.performance_report, out: Path) -> None:
    with new_file(out) as file:
        report.filename = file.name
        bounded("the performance report", lambda: report.__exit__(None, None, None), limit_s=_LIMIT_S)  # type: ignore[no-untyped-call]
