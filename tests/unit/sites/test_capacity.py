from __future__ import annotations

import pytest

from forebay.errors import InputError
from forebay.sites.agent.capacity import gpus_here, parse_capacity, seen_here
from forebay.sites.site import Resources

SEEN = Resources(gpus=1, cpus=8, memory_bytes=1 << 30)


def test_what_is_said_counts_before_what_is_seen() -> None:
    assert parse_capacity("gpus=4, memory=2GB", SEEN) == Resources(gpus=4, cpus=8, memory_bytes=2 << 30)
    assert parse_capacity("", SEEN) == SEEN


@pytest.mark.parametrize("text", ["gpu=4", "gpus=", "gpus=-1", "gpus=1,gpus=2", "memory=80%", "memory=lots", "4"])
def test_a_capacity_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(InputError) as told:
        parse_capacity(text, SEEN)
    assert told.value.kind == "bad-capacity"


def test_a_machine_has_cpus_and_memory() -> None:
    found = seen_here({"CUDA_VISIBLE_DEVICES": "2,GPU-abc"})
    assert found.gpus == 2
    assert found.cpus >= 1
    assert found.memory_bytes > 1 << 20


@pytest.mark.parametrize(("shown", "found"), [("", ()), ("-1", ()), ("0, 3", ("0", "3"))])
def test_the_devices_that_are_shown_to_the_agent_are_its_own(shown: str, found: tuple[str, ...]) -> None:
    assert gpus_here({"CUDA_VISIBLE_DEVICES": shown}) == found
