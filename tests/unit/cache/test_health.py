"""The health of a volume: what each state allows, and the signs that lead from one to the other."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.cache.health import ALLOWED, SIGNS_TO_CHANGE, Act, Health, require, step
from forebay.errors import UnavailableError
from forebay.wire.cache import HealthReport, Sign, VolumeState

GOOD = HealthReport(sign=Sign.GOOD)
BAD = HealthReport(sign=Sign.BAD, reason="it stalls")
GONE = HealthReport(sign=Sign.GONE, reason="not mounted")


def after(*reports: HealthReport) -> Health:
    return reduce(lambda health, item: step(health, item[1], float(item[0])), enumerate(reports, 1), Health())


def test_the_table_of_what_each_state_allows() -> None:
    assert ALLOWED[VolumeState.NORMAL] == {Act.OPEN, Act.FILL, Act.EVICT, Act.SCRUB, Act.RECOVER}
    assert ALLOWED[VolumeState.UNSTABLE] == {Act.OPEN}
    assert ALLOWED[VolumeState.DOWN] == set()
    assert set(ALLOWED) == set(VolumeState)


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ((), VolumeState.NORMAL),
        ((BAD,), VolumeState.UNSTABLE),
        ((BAD, BAD), VolumeState.UNSTABLE),
        ((BAD, BAD, BAD), VolumeState.DOWN),
        ((GONE,), VolumeState.DOWN),
        ((BAD, GOOD, BAD, GOOD, BAD), VolumeState.UNSTABLE),
        ((BAD, GOOD, GOOD), VolumeState.UNSTABLE),
        ((BAD, GOOD, GOOD, GOOD), VolumeState.NORMAL),
        ((GONE, GOOD), VolumeState.UNSTABLE),
        ((GONE, BAD), VolumeState.DOWN),
        ((GONE, GOOD, GOOD, GOOD), VolumeState.NORMAL),
        ((GOOD, GOOD, GOOD, BAD), VolumeState.UNSTABLE),
    ],
)
def test_the_signs_that_lead_to_a_state(reports: tuple[HealthReport, ...], state: VolumeState) -> None:
    assert after(*reports).state is state


def test_since_when_is_not_reset_by_flapping() -> None:
    health = after(GOOD, BAD, GOOD, BAD, BAD, BAD, GOOD)
    assert (health.state, health.since, health.reason) == (VolumeState.UNSTABLE, 2.0, "it stalls")


@given(st.lists(st.sampled_from([GOOD, BAD, GONE]), max_size=30))
def test_whatever_came_before_three_good_signs_heal_and_one_bad_one_stops_all(
    reports: list[HealthReport],
) -> None:
    assert after(*reports, *[GOOD] * SIGNS_TO_CHANGE).state is VolumeState.NORMAL
    assert Act.EVICT not in ALLOWED[after(*reports, BAD).state]
    assert after(*reports, GONE).state is VolumeState.DOWN


def test_a_refusal_names_the_volume_the_reason_and_what_to_do() -> None:
    require(Act.OPEN, VolumeState.UNSTABLE, "it stalls", "/mnt/cache")
    with pytest.raises(UnavailableError) as caught:
        require(Act.FILL, VolumeState.UNSTABLE, "it stalls", "/mnt/cache")
    assert caught.value.kind == "volume-unstable"
    assert "/mnt/cache" in caught.value.message
    assert "it stalls" in caught.value.message
    assert "forebay cache health" in caught.value.todo
