"""Engines as words: what is meant, what is refused with a way out."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.engines.spec import (
    Device,
    EngineSpec,
    Kubernetes,
    Local,
    Login,
    Place,
    Scheduler,
    Ssh,
    parse_place,
    to_text,
)
from forebay.errors import InputError

hosts = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True)
ports = st.integers(1, 65_535)
names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
users = st.from_regex(r"[a-z_][a-z0-9_.-]{0,8}", fullmatch=True)
logins = st.builds(
    Login,
    host=hosts,
    user=st.just("") | st.from_regex(r"[a-z_][a-z0-9_.-]{0,8}", fullmatch=True),
    port=st.just(0) | ports,
)
pods = st.builds(
    lambda image, namespace, volume: Kubernetes(image=image, namespace=namespace, claim=volume[0], mount=volume[1]),
    st.just("") | st.from_regex(r"[a-z0-9./:-]{1,30}", fullmatch=True),
    st.just("") | names,
    st.just(("", "")) | st.tuples(names, st.from_regex(r"/[a-z/]{0,20}", fullmatch=True)),
)
places: st.SearchStrategy[Place] = st.one_of(
    st.just(Local()),
    st.builds(lambda host, port: Scheduler(address=f"tcp://{host}:{port}"), hosts, ports),
    st.builds(lambda found: Ssh(logins=tuple(found)), st.lists(logins, min_size=1, max_size=4)),
    pods,
)


@given(places)
def test_every_place_is_read_as_it_is_written(place: Place) -> None:
    assert parse_place(to_text(place)) == place


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_refused_with_a_way_out(text: str) -> None:
    with contextlib.suppress(InputError):
        place = parse_place(text)
        assert parse_place(to_text(place)) == place
        return
    with pytest.raises(InputError, match="--engine") as caught:
        parse_place(text)
    assert (caught.value.kind, bool(caught.value.todo)) == ("bad-engine", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Local",
        "local:2",
        "tcp://scheduler",
        "tcp://scheduler:0",
        "tcp://scheduler:65536",
        "tcp://:8786",
        "http://scheduler:8786",
        "ssh",
        "ssh:",
        "ssh:a,,b",
        "ssh:a b",
        "ssh:-oProxyCommand=x",
        "ssh:host:99999",
        "kubernetes:image",
        "kubernetes:image=",
        "kubernetes:colour=red",
        "kubernetes:image=a,image=b",
        "kubernetes:claim=data",
        "kubernetes:mount=/data",
        "kubernetes:claim=data,mount=data",
        "kubernetes:namespace=Not_A_Name",
    ],
)
def test_what_is_wrong_is_named(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_place(text)
    assert caught.value.kind == "bad-engine"
    assert "tcp://scheduler:8786" in caught.value.todo


def test_addresses_and_logins() -> None:
    assert parse_place("tls://10.0.0.7:8786") == Scheduler(address="tls://10.0.0.7:8786")
    assert parse_place("tcp://[::1]:8786") == Scheduler(address="tcp://[::1]:8786")
    assert parse_place("ssh:ann@node-1:2222,node-2") == Ssh(
        logins=(Login(host="node-1", user="ann", port=2222), Login(host="node-2"))
    )


def test_a_running_scheduler_has_workers_of_its_own() -> None:
    place = Scheduler(address="tcp://scheduler:8786")
    assert EngineSpec(place=place, device=Device.CUDA).workers is None
    sizes: list[dict[str, Any]] = [{"workers": 2}, {"threads_per_worker": 2}, {"memory_per_worker": 1 << 30}]
    for given_too in sizes:
        with pytest.raises(InputError, match="workers of its own"):
            EngineSpec(place=place, **given_too)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"threads_per_worker": -1}, {"memory_per_worker": 0}])
def test_counts_are_counts(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"--(workers|threads-per-worker|memory-per-worker) "):
        EngineSpec(place=Local(), **wrong)
