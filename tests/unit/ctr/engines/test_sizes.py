"""Sizes from the machine: nothing is promised twice, tasks fit with room to spare, what can't fit is said first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.ctr.engines.sizes import (
    BASE_BYTES,
    CLUSTER_SETTINGS,
    COPIES,
    LEAST_PARTITION_BYTES,
    MOST_PARTITION_BYTES,
    MOST_THREADS,
    Machine,
    Sizes,
    check_fit,
    choose_sizes,
    held_bytes,
    least_memory_bytes,
    partition_bytes,
    streamed_bytes,
)
from forebay.ctr.engines.spec import EngineSpec, Local
from forebay.errors import CapacityError, InputError

GIB = 1 << 30
machines = st.builds(Machine, cores=st.integers(1, 256), memory_bytes=st.integers(16 * GIB, 4096 * GIB))
local = EngineSpec(place=Local())


def with_workers(workers: int) -> EngineSpec:
    return EngineSpec(place=Local(), workers=workers)


@given(machines)
def test_the_whole_machine_is_used_and_nothing_of_it_twice(machine: Machine) -> None:
    sizes = choose_sizes(local, machine)
    assert sizes.workers * sizes.threads_per_worker <= machine.cores
    assert sizes.workers * sizes.threads_per_worker > machine.cores - sizes.workers, "no core is left that could work"
    assert sizes.threads_per_worker <= MOST_THREADS
    assert 0.8 * machine.memory_bytes < sizes.workers * sizes.memory_per_worker < machine.memory_bytes


@given(machines, st.integers(1, 8), st.integers(1, 16), st.integers(1 * GIB, 64 * GIB))
def test_what_is_given_is_taken(machine: Machine, workers: int, threads: int, memory: int) -> None:
    spec = EngineSpec(place=Local(), workers=workers, threads_per_worker=threads, memory_per_worker=memory)
    expected = Sizes(workers=workers, threads_per_worker=threads, memory_per_worker=memory)
    assert choose_sizes(spec, machine) == expected


@given(st.integers(1, 64), st.integers(1 * GIB, 512 * GIB))
def test_all_threads_at_their_partitions_leave_half_of_the_free_memory(threads: int, memory: int) -> None:
    sizes = Sizes(workers=1, threads_per_worker=threads, memory_per_worker=memory)
    size = partition_bytes(sizes)
    assert LEAST_PARTITION_BYTES <= size <= MOST_PARTITION_BYTES
    assert threads * COPIES * size <= max((memory - BASE_BYTES) / 2, threads * COPIES * LEAST_PARTITION_BYTES)


@given(st.integers(1, 64), st.integers(0, 4 * GIB), st.integers(0, 4 * GIB))
def test_more_memory_never_makes_smaller_partitions(threads: int, one: int, other: int) -> None:
    less, more = (
        partition_bytes(Sizes(workers=1, threads_per_worker=threads, memory_per_worker=memory))
        for memory in sorted((one, other))
    )
    assert less <= more


def test_a_worker_that_can_hold_nothing_is_refused() -> None:
    machine = Machine(cores=2, memory_bytes=1 * GIB)
    assert choose_sizes(with_workers(2), machine).memory_per_worker >= least_memory_bytes(1)
    with pytest.raises(InputError) as caught:
        choose_sizes(with_workers(4), machine)
    assert caught.value.kind == "memory-too-small"
    assert "392 MiB" in caught.value.message


def test_a_fit_that_can_not_fit_is_refused_with_what_it_needs() -> None:
    def check(needed_bytes: int, workers: int, memory: int) -> None:
        check_fit(needed_bytes, "10 rows of 2 features", workers=workers, memory_per_worker=memory)

    check(500 << 20, 1, 1 * GIB)
    check(10**18, 1, 0)
    with pytest.raises(CapacityError) as caught:
        check(4077 << 20, 1, 1 * GIB)
    assert caught.value.kind == "memory-too-little"
    assert "10 rows of 2 features" in caught.value.message
    assert "4,077 MiB" in caught.value.message
    check(4077 << 20, 8, 1 * GIB)


@given(st.integers(1, 10**9), st.integers(1, 200))
def test_a_forest_holds_its_rows_and_their_bins(rows: int, features: int) -> None:
    assert held_bytes(rows, features) >= rows * features * 5


@given(st.integers(1, 10**6), st.integers(1, 200), st.integers(1, 64))
def test_boosting_holds_one_part_a_worker_and_little_of_each_row(part_rows: int, features: int, workers: int) -> None:
    def streamed(rows: int) -> int:
        return streamed_bytes(rows, features, part_rows=part_rows, workers=workers)

    assert streamed(part_rows) >= workers * part_rows * features * 4
    more = streamed(2 * part_rows) - streamed(part_rows)
    assert more < part_rows * 64, "whatever the features"


def test_no_worker_pauses_for_memory_that_is_not_dasks_to_free() -> None:
    assert CLUSTER_SETTINGS["distributed.worker.memory.pause"] is False
    assert CLUSTER_SETTINGS["distributed.worker.memory.spill"] is False
    assert (
        CLUSTER_SETTINGS["distributed.worker.memory.target"] < CLUSTER_SETTINGS["distributed.worker.memory.terminate"]
    )
