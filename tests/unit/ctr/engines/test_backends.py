"""What each backend is told, and what is said where its packages or devices are not there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import dask
import pytest

from forebay.ctr import gpu
from forebay.ctr.engines import cuda, kubernetes, report, ssh
from forebay.ctr.engines.cluster import open_cluster
from forebay.ctr.engines.kubernetes import dask_cluster
from forebay.ctr.engines.scheduler import mismatches
from forebay.ctr.engines.sizes import CLUSTER_SETTINGS
from forebay.ctr.engines.spec import Device, EngineSpec, Kubernetes, Local, Login, Place, Ssh
from forebay.ctr.engines.ssh import ssh_arguments
from forebay.errors import InputError, UnavailableError

OURS = {"forebay": "0.1.0", "dask": "2026.7.1", "distributed": "2026.7.1", "python": "3.11.7", "xgboost": "3.2.0"}


@pytest.mark.parametrize(
    ("module", "place", "device", "extra"),
    [
        (ssh, Ssh(logins=(Login(host="a"),)), Device.CPU, "forebay[ssh]"),
        (kubernetes, Kubernetes(), Device.CPU, "forebay[kubernetes]"),
        (gpu, Local(), Device.CUDA, "forebay[gpu12]"),
    ],
)
def test_a_missing_extra_is_named_before_anything_is_opened(
    module: Any, place: Place, device: Device, extra: str
) -> None:
    with patch.object(module, "find_spec", return_value=None), pytest.raises(InputError) as caught:
        open_cluster(EngineSpec(place=place, device=device)).__enter__()
    assert caught.value.kind == "missing-extra"
    assert extra in caught.value.todo


def test_a_report_without_bokeh_names_it(tmp_path: Path) -> None:
    with patch.object(report, "find_spec", return_value=None), pytest.raises(InputError, match="bokeh"):
        report.performance_report(None, tmp_path / "report.html").__enter__()  # type: ignore[arg-type]


def test_a_machine_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def fail() -> int:
        raise RuntimeError("NVML is not there")

    for count in (lambda: 0, fail):
        with pytest.raises(InputError) as caught:
            cuda.visible_gpus(SimpleNamespace(utils=SimpleNamespace(get_n_gpus=count)))
        assert caught.value.kind == "no-gpu"
    assert cuda.visible_gpus(SimpleNamespace(utils=SimpleNamespace(get_n_gpus=lambda: 4))) == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match="is empty"):
        cuda.visible_gpus(SimpleNamespace(utils=SimpleNamespace(get_n_gpus=lambda: 1)))


def test_versions_that_may_break_what_crosses_the_wire_are_named() -> None:
    assert mismatches(OURS, OURS) == []
    assert mismatches(OURS, OURS | {"python": "3.11.9", "xgboost": "3.2.7"}) == []
    assert mismatches(OURS, OURS | {"forebay": ""}) == ["forebay is not installed"]
    assert mismatches(OURS, OURS | {"dask": "2026.7.2"}) == ["dask 2026.7.2, not 2026.7.1"]
    assert mismatches(OURS, OURS | {"python": "3.12.1", "xgboost": "3.3.0"}) == [
        "python 3.12.1, not 3.11.7",
        "xgboost 3.3.0, not 3.2.0",
    ]


def test_ssh_has_the_scheduler_on_the_first_host_and_workers_on_all() -> None:
    place = Ssh(logins=(Login(host="a", user="ann", port=2222), Login(host="b")))
    told = ssh_arguments(place, EngineSpec(place=place), "/opt/python")
    assert told["hosts"] == ["a", "a", "b"]
    assert told["connect_options"] == [{"username": "ann", "port": 2222}, {"username": "ann", "port": 2222}, {}]
    assert told["worker_options"] == {"n_workers": 1, "memory_limit": 0.85, "dashboard_address": ":0"}
    assert told["worker_class"] == "distributed.Nanny"
    assert told["remote_python"] == "/opt/python"
    told = ssh_arguments(place, EngineSpec(place=place, workers=4, threads_per_worker=3, memory_per_worker=1 << 30))
    assert told["worker_options"]["n_workers"] == 2
    assert told["worker_options"]["memory_limit"] == 1 << 30
    assert told["worker_options"]["nthreads"] == 3
    told = ssh_arguments(place, EngineSpec(place=place, device=Device.CUDA))
    assert told["worker_class"] == "dask_cuda.CUDAWorker"
    assert told["worker_options"] == {"n_workers": 1, "memory_limit": "auto", "dashboard_address": ":0"}


@pytest.mark.parametrize(
    "given", [{"workers": 3}, {"workers": 1}, {"workers": 4}, {"workers": 2, "device": Device.CUDA}]
)
def test_workers_that_hosts_can_not_share_are_refused(given: dict[str, Any]) -> None:
    place = Ssh(logins=(Login(host="a"), Login(host="b")))
    with pytest.raises(InputError) as caught:
        ssh_arguments(place, EngineSpec(place=place, **given))
    assert caught.value.kind == "bad-option"


def test_pods_have_the_volume_at_its_path_and_the_settings_of_every_worker() -> None:
    place = Kubernetes(image="team/forebay:1", namespace="ml", claim="replicas", mount="/data")
    spec = EngineSpec(place=place, workers=3, threads_per_worker=8, memory_per_worker=32 << 30)
    resource = dask_cluster(place, spec, "forebay-1")
    assert resource["metadata"] == {"name": "forebay-1", "namespace": "ml"}
    assert resource["spec"]["worker"]["replicas"] == 3
    pod = resource["spec"]["worker"]["spec"]
    (worker,) = pod["containers"]
    assert worker["volumeMounts"] == [{"name": "forebay", "mountPath": "/data"}]
    assert pod["volumes"] == [{"name": "forebay", "persistentVolumeClaim": {"claimName": "replicas"}}]
    assert worker["image"] == "team/forebay:1"
    assert worker["args"][:2] == ["dask", "worker"]
    assert worker["resources"]["limits"] == {"cpu": "8", "memory": str(32 << 30)}
    (scheduler,) = resource["spec"]["scheduler"]["spec"]["containers"]
    assert "volumeMounts" not in scheduler
    variables = {item["name"]: item["value"] for item in worker["env"]}
    read = dask.config.collect_env(variables)
    for name, value in CLUSTER_SETTINGS.items():
        assert dask.config.get(name, config=read) == value


def test_pods_with_gpus_ask_for_one_each() -> None:
    place = Kubernetes()
    resource = dask_cluster(place, EngineSpec(place=place, device=Device.CUDA), "forebay-1")
    pod = resource["spec"]["worker"]["spec"]
    assert pod["containers"][0]["args"][:3] == ["dask", "cuda", "worker"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "volumes" not in pod


def test_what_an_operator_or_a_host_says_is_told_with_a_way_out() -> None:
    def refuse(**_: Any) -> None:
        raise ConnectionRefusedError("refused")

    place = Kubernetes()
    with pytest.raises(UnavailableError, match="refused") as caught:
        kubernetes._opened(SimpleNamespace(KubeCluster=refuse), {}, place)
    assert caught.value.kind == "kubernetes-failed"
    assert "helm install" in caught.value.todo
    with patch.object(ssh, "SSHCluster", refuse), pytest.raises(UnavailableError, match="refused") as away:
        ssh._opened(Ssh(logins=(Login(host="node-1"),)), {})
    assert away.value.kind == "ssh-failed"
    assert "ssh node-1" in away.value.todo
