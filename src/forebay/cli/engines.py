"""Where `forebay ctr` computes: the options that its commands share, and the cluster that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forebay.cli.call import Call
from forebay.cli.words import parse_size
from forebay.errors import InputError

if TYPE_CHECKING:
    from forebay.ctr.engines.cluster import Cluster
    from forebay.ctr.engines.spec import EngineSpec


class Device(StrEnum):
    """What computes."""

    CPU = "cpu"
    CUDA = "cuda"


Engine = Annotated[
    str,
    typer.Option(
        "--engine", metavar="ENGINE", help="local, tcp://scheduler:8786, ssh:host1,host2, kubernetes:image=NAME"
    ),
]
OnDevice = Annotated[Device, typer.Option("--device", help="CPUs, or GPUs with RAPIDS.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Dask workers, of all hosts. Default: chosen from the machine.")
]
Threads = Annotated[
    int | None,
    typer.Option("--threads-per-worker", min=1, help="Threads of each. Default: what makes all cores work."),
]
Memory = Annotated[
    str, typer.Option("--memory-per-worker", metavar="SIZE", help="16GB. Default: its share.", show_default=False)
]
Work = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="DIR",
        help="Work here, where all workers see it; kept if it fails, and taken up again. Default: in TMPDIR.",
        show_default=False,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option("--performance-report", metavar="FILE", help="Write Dask's report there: HTML.", show_default=False),
]


def engine_of(engine: str, device: Device, workers: int | None, threads: int | None, memory: str) -> EngineSpec:
    """What the options ask for; InputError `bad-engine`, `bad-option`, `bad-size`."""
    from forebay.ctr.engines.spec import Device as On
    from forebay.ctr.engines.spec import EngineSpec, parse_place

    return EngineSpec(
        place=parse_place(engine),
        device=On(device.value),
        workers=workers,
        threads_per_worker=threads,
        memory_per_worker=parse_size(memory) if memory else None,
    )


@contextmanager
def opened_cluster(
    call: Call,
    spec: EngineSpec,
    *,
    data: Path,
    work: Path | None = None,
    report: Path | None = None,
    kept: Path | None = None,
    threads_will_do: bool = False,
) -> Iterator[Cluster | None]:
    """The engine, whose workers see `data` and share `work`; its dashboard is told, its report written at the end.

    To `kept`, too, which nobody has asked for: that it fails is not told. None where `threads_will_do` and nothing was
    asked for that only Dask has.
    """
    from forebay.ctr.engines.spec import LOCAL

    if threads_will_do and spec == LOCAL and report is None:
        yield None
        return
    from forebay.cli.left import leave_dashboard, task_stream
    from forebay.ctr.engines.cluster import open_cluster
    from forebay.ctr.engines.report import performance_report, require_bokeh

    if report is not None:
        require_bokeh()
        if report.is_dir():
            raise InputError("bad-option", f"--performance-report {report} is a folder", todo="Name a file.")
    with open_cluster(spec) as cluster:
        cluster.check_sees(data, work=work)
        call.note(f"Dask's dashboard: {cluster.dashboard_url}")
        leave_dashboard(call, cluster.dashboard_url)
        with (
            performance_report(cluster.client, report),
            performance_report(cluster.client, kept, may_fail=True),
            performance_report(cluster.client, task_stream(), may_fail=True),
        ):
            yield cluster
    if report is not None:
        call.note(f"Dask's report: {report}")
