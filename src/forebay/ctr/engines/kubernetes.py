"""Workers as pods, by the operator of dask-kubernetes, which must be installed in the cluster.

Thin: the custom resource is made here, whole and pure; the operator does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from distributed import Client

from forebay.ctr.engines.local import IDLE_LIMIT_S, START_LIMIT_S, WORKER_ENVIRONMENT, wait_for_workers
from forebay.ctr.engines.scheduler import check_versions
from forebay.ctr.engines.sizes import CLUSTER_SETTINGS, Sizes
from forebay.ctr.engines.spec import Device, EngineSpec, Kubernetes
from forebay.ctr.engines.watch import bounded
from forebay.errors import ForebayError, InputError, UnavailableError

NODES_START_LIMIT_S: Final = 900.0
"""A node pool that grows from nothing takes minutes."""
DEFAULT_IMAGE: Final = "ghcr.io/dask/dask:latest"
# A pod has to say what it wants: nobody can look at nodes that do not run yet.
DEFAULT_SIZES: Final = Sizes(workers=2, threads_per_worker=4, memory_per_worker=16 << 30)
_PORTS: Final = (("tcp-comm", 8786), ("http-dashboard", 8787))


def require_kubernetes_extra() -> None:
    """InputError `missing-extra` where dask-kubernetes is not installed."""
    if find_spec("dask_kubernetes") is None:
        raise InputError(
            "missing-extra",
            "--engine kubernetes needs a package that is not installed: dask-kubernetes",
            todo="pip install 'forebay[kubernetes]'",
        )


@contextmanager
def kubernetes_client(place: Kubernetes, spec: EngineSpec, name: str) -> Iterator[Client]:
    """A client of a new DaskCluster `name`, deleted afterwards. UnavailableError `kubernetes-failed`."""
    require_kubernetes_extra()
    resource = dask_cluster(place, spec, name)
    operator: Any = import_module("dask_kubernetes.operator")
    cluster = _opened(operator, resource, place)
    try:
        with Client(cluster, timeout=START_LIMIT_S) as client:  # type: ignore[no-untyped-call]
            wait_for_workers(client, resource["spec"]["worker"]["replicas"])
            check_versions(client)
            yield client
    finally:
        cluster.close(timeout=START_LIMIT_S)


def dask_cluster(place: Kubernetes, spec: EngineSpec, name: str) -> dict[str, Any]:
    """The resource `kubernetes.dask.org/v1 DaskCluster`, with the settings and the volume that workers need."""
    workers = spec.workers or DEFAULT_SIZES.workers
    threads = spec.threads_per_worker or DEFAULT_SIZES.threads_per_worker
    memory = spec.memory_per_worker or DEFAULT_SIZES.memory_per_worker
    cuda = spec.device is Device.CUDA
    wants = {"cpu": str(threads), "memory": str(memory)} | ({"nvidia.com/gpu": "1"} if cuda else {})
    command = ["dask", "cuda", "worker"] if cuda else ["dask", "worker"]
    environment = [{"name": key, "value": value} for key, value in _environment().items()]
    image = place.image or DEFAULT_IMAGE
    worker = {
        "name": "worker",
        "image": image,
        "args": [
            *command,
            "--name",
            "$(DASK_WORKER_NAME)",
            "--nthreads",
            str(threads),
            "--memory-limit",
            str(memory),
            "--dashboard-address",
            ":8788",
        ],
        "env": environment,
        "ports": [{"name": "http-dashboard", "containerPort": 8788, "protocol": "TCP"}],
        "resources": {"limits": wants, "requests": wants},
    }
    scheduler = {
        "name": "scheduler",
        "image": image,
        "args": ["dask", "scheduler", "--host", "0.0.0.0"],  # noqa: S104 - a pod's own address
        "env": environment,
        "ports": [{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in _PORTS],
        "readinessProbe": {"httpGet": {"port": "http-dashboard", "path": "/health"}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}},
    }
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name} | ({"namespace": place.namespace} if place.namespace else {}),
        "spec": {
            "idleTimeout": IDLE_LIMIT_S,
            "worker": {"replicas": workers, "spec": _mounted(worker, place)},
            "scheduler": {
                "spec": {"containers": [scheduler]},
                "service": {
                    "type": "ClusterIP",
                    "selector": {"dask.org/cluster-name": name, "dask.org/component": "scheduler"},
                    "ports": [
                        {"name": port, "protocol": "TCP", "port": number, "targetPort": port} for port, number in _PORTS
                    ],
                },
            },
        },
    }


def _mounted(container: dict[str, Any], place: Kubernetes) -> dict[str, Any]:
    """A pod's spec, with the volume of the replicas where one is named."""
    if not place.claim:
        return {"containers": [container]}
    mounts = [{"name": "forebay", "mountPath": place.mount}]
    volumes = [{"name": "forebay", "persistentVolumeClaim": {"claimName": place.claim}}]
    return {"containers": [{**container, "volumeMounts": mounts}], "volumes": volumes}


def _environment() -> dict[str, str]:
    """Dask reads its settings from variables: `distributed.worker.memory.pause` as DASK_DISTRIBUTED__WORKER__..."""
    settings = {f"DASK_{key.upper().replace('.', '__')}": str(value) for key, value in CLUSTER_SETTINGS.items()}
    return {**WORKER_ENVIRONMENT, **settings}


def _opened(operator: Any, resource: dict[str, Any], place: Kubernetes) -> Any:
    given = {"namespace": place.namespace} if place.namespace else {}
    try:
        return bounded(
            "starting pods",
            lambda: operator.KubeCluster(
                custom_cluster_spec=resource, resource_timeout=int(NODES_START_LIMIT_S), quiet=True, **given
            ),
            limit_s=NODES_START_LIMIT_S,
        )
    except ForebayError:
        raise
    except Exception as error:
        raise UnavailableError(
            "kubernetes-failed",
            f"a Dask cluster could not be started in Kubernetes: {error}",
            todo="See that kubectl works here, and that the operator is installed: "
            "helm install --repo https://helm.dask.org --generate-name dask-kubernetes-operator",
        ) from error
