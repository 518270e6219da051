"""Workers on hosts that one can log in to, by distributed's SSHCluster. The first host has the scheduler, too.

Needs there what is here: the same Python at the same path, the same packages, the data at the same path. Keys, users,
ports and known hosts are as the user's ~/.ssh/config has them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, Final

import dask
from distributed import Client, SSHCluster

from forebay.ctr.engines.local import IDLE_LIMIT_S, START_LIMIT_S, WORKER_ENVIRONMENT, wait_for_workers
from forebay.ctr.engines.scheduler import check_versions
from forebay.ctr.engines.sizes import CLUSTER_SETTINGS, WORKERS_SHARE
from forebay.ctr.engines.spec import Device, EngineSpec, Login, Ssh
from forebay.ctr.engines.watch import bounded
from forebay.errors import ForebayError, InputError, UnavailableError

_WORKER_CLASSES: Final = {Device.CPU: "distributed.Nanny", Device.CUDA: "dask_cuda.CUDAWorker"}


def require_ssh_extra() -> None:
    """InputError `missing-extra` where asyncssh is not installed."""
    if find_spec("asyncssh") is None:
        raise InputError(
            "missing-extra",
            "--engine ssh needs a package that is not installed: asyncssh",
            todo="pip install 'forebay[ssh]'",
        )


@contextmanager
def ssh_client(place: Ssh, spec: EngineSpec) -> Iterator[Client]:
    """A client of a new cluster on those hosts. UnavailableError `ssh-failed`, `cluster-slow`."""
    require_ssh_extra()
    arguments = ssh_arguments(place, spec)
    settings = {**CLUSTER_SETTINGS, "distributed.nanny.environ": WORKER_ENVIRONMENT}
    with dask.config.set(settings):
        cluster = _opened(place, arguments)
        try:
            with Client(cluster, timeout=START_LIMIT_S) as client:  # type: ignore[no-untyped-call]
                wait_for_workers(client, spec.workers or len(place.logins))
                check_versions(client)
                try:
                    yield client
                finally:
                    # Told by their scheduler: sshd does not pass a signal on to every user's processes.
                    with suppress(ForebayError, OSError):
                        bounded("closing the cluster", client.shutdown, limit_s=START_LIMIT_S)
        finally:
            cluster.close(timeout=START_LIMIT_S)


def ssh_arguments(place: Ssh, spec: EngineSpec, python: str = sys.executable) -> dict[str, Any]:
    """For SSHCluster. What is not given each host chooses by itself: all its cores, a share of its memory.

    InputError `bad-option` where the workers can't be dealt evenly to the hosts.
    """
    hosts = len(place.logins)
    cuda = spec.device is Device.CUDA
    if cuda and spec.workers:
        raise InputError(
            "bad-option", "with --device cuda each host has a worker for each of its GPUs", todo="Leave out --workers."
        )
    on_a_host, rest = divmod(spec.workers or hosts, hosts)
    if rest or not on_a_host:
        raise InputError(
            "bad-option", f"{spec.workers} workers can't be dealt evenly to {hosts} hosts", todo="Mend --workers."
        )
    if on_a_host > 1 and not spec.threads_per_worker:
        raise InputError(
            "bad-option",
            f"{on_a_host} workers on each host would each take all of its cores",
            todo="Say --threads-per-worker, too.",
        )
    worker: dict[str, Any] = {
        "n_workers": on_a_host,
        # A number up to 1 is a share of the memory of the host where the worker runs.
        "memory_limit": spec.memory_per_worker or ("auto" if cuda else WORKERS_SHARE / on_a_host),
        "dashboard_address": ":0",
    }
    if spec.threads_per_worker:
        worker["nthreads"] = spec.threads_per_worker
    logins = [place.logins[0], *place.logins]
    return {
        "hosts": [login.host for login in logins],
        "connect_options": [_connect_options(login) for login in logins],
        "worker_options": worker,
        "scheduler_options": {"port": 0, "dashboard_address": ":0", "idle_timeout": f"{IDLE_LIMIT_S} s"},
        "worker_class": _WORKER_CLASSES[spec.device],
        "remote_python": python,
    }


def _connect_options(login: Login) -> dict[str, Any]:
    given = {"username": login.user, "port": login.port}
    return {name: value for name, value in given.items() if value}


def _opened(place: Ssh, arguments: dict[str, Any]) -> Any:
    hosts: Sequence[str] = [login.host for login in place.logins]
    try:
        return bounded(f"starting Dask on {', '.join(hosts)}", lambda: SSHCluster(**arguments), limit_s=START_LIMIT_S)
    except ForebayError:
        raise
    except Exception as error:
        raise UnavailableError(
            "ssh-failed",
            f"Dask could not be started on {', '.join(hosts)}: {error}",
            todo=f"See that this works: ssh {hosts[0]} {sys.executable} -c 'import distributed'",
        ) from error
