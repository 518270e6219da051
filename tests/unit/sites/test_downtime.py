"""Downtimes: which window counts, what a site is in and after it, and what can't be one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.errors import InputError
from forebay.sites.downtime import (
    LONGEST_AHEAD_S,
    NOTICE_S,
    Window,
    check,
    foretold,
    in_the_way,
    needs_s,
    settled,
    story,
    under_way,
    unproven,
)
from forebay.sites.state import Seen, SiteTerms, stand
from forebay.wire.cache import VolumeState
from forebay.wire.sites import SiteState

NOW = 1_764_626_400.0  # 2025-12-01 22:00 UTC
NIGHT = Window(downtime_id="1", begins_at=NOW, ends_at=NOW + 8 * 3600, reason="new disks", planned_by="ana")
WELL = Seen(
    wanted=SiteState.UP,
    wanted_reason="",
    attached=True,
    seen_at=NOW + 9 * 3600,
    volume=VolumeState.NORMAL,
    windows=(NIGHT,),
)

windows = st.lists(
    st.builds(
        lambda number, begins, lasts: Window(downtime_id=str(number), begins_at=begins, ends_at=begins + lasts),
        st.integers(0, 99),
        st.floats(0, 100),
        st.floats(1, 50),
    ),
    max_size=6,
    unique_by=lambda item: item.downtime_id,
)


def _at(seen: Seen, now: float) -> tuple[SiteState, str]:
    standing = stand(None, replace(seen, seen_at=now), now, SiteTerms())
    return standing.state, standing.reason


def test_a_site_drains_for_as_long_as_the_window_and_says_why() -> None:
    told = "down for new disks until 2025-12-02 06:00 UTC by ana"
    assert _at(WELL, NOW - 1)[0] is SiteState.UP
    assert _at(WELL, NOW) == (SiteState.DRAINING, told)
    assert _at(WELL, NIGHT.ends_at - 1) == (SiteState.DRAINING, told)
    assert story(NIGHT) == told
    assert story(replace(NIGHT, reason="", planned_by="")) == "down until 2025-12-02 06:00 UTC"
    assert foretold(NIGHT) == (
        "it will be down for new disks from 2025-12-01 22:00 UTC until 2025-12-02 06:00 UTC by ana"
    )


def test_afterwards_only_a_good_canary_brings_it_back() -> None:
    after = NIGHT.ends_at
    state, reason = _at(replace(WELL, good_at=after - 1), after)
    assert state is SiteState.DEGRADED
    assert "was not tried out since it was down for new disks" in reason
    assert _at(replace(WELL, good_at=after), after)[0] is SiteState.UP
    unstable = replace(WELL, good_at=after, volume=VolumeState.UNSTABLE, volume_reason="EIO")
    assert _at(unstable, after) == (SiteState.DEGRADED, "its volume is unstable: EIO")
    gone = replace(WELL, volume=VolumeState.DOWN, volume_reason="not mounted")
    assert _at(gone, after) == (SiteState.DOWN, "its volume is down: not mounted")


def test_what_is_wrong_in_a_window_is_told_with_it() -> None:
    state, reason = _at(replace(WELL, attached=False), NOW)
    assert (state, reason) == (SiteState.DOWN, f"{story(NIGHT)}; its agent has gone")


def test_somebodys_own_word_outlives_a_window() -> None:
    drained = replace(WELL, wanted=SiteState.DRAINING, wanted_reason="for good", good_at=NIGHT.ends_at)
    assert _at(drained, NIGHT.ends_at) == (SiteState.DRAINING, "for good")


@given(known=windows, good_at=st.floats(0, 200), now=st.floats(0, 200))
def test_a_window_counts_until_the_volume_was_tried_out_after_it(
    known: list[Window], good_at: float, now: float
) -> None:
    counts, gone = under_way(known, now), settled(known, good_at, now)
    last = max((item.ends_at for item in known if item.ends_at <= now), default=-math.inf)
    assert all(item.ends_at <= now for item in gone), "none goes before its end"
    rest = [item for item in known if item not in gone]
    assert under_way(rest, now) == counts
    if counts is None:
        assert unproven(rest, good_at, now) == unproven(known, good_at, now)
        assert (unproven(known, good_at, now) is not None) is (good_at < last)
    else:
        assert counts.begins_at <= now < counts.ends_at


@given(known=windows, begins=st.floats(0, 100), lasts=st.floats(0.1, 100))
def test_in_the_way_is_what_it_would_reach_into(known: list[Window], begins: float, lasts: float) -> None:
    ends = begins + lasts
    met = in_the_way(known, begins, ends)
    if met is None:
        assert all(item.ends_at <= begins or item.begins_at >= ends for item in known)
    else:
        assert met.begins_at < ends
        assert begins < met.ends_at


def test_a_limit_is_believed_and_an_estimate_is_at_least_the_notice() -> None:
    assert needs_s(60.0, 7200.0) == 60.0
    assert needs_s(0.0, 60.0) == NOTICE_S
    assert needs_s(0.0, 7200.0) == 7200.0


@pytest.mark.parametrize(
    ("begins_at", "ends_at"),
    [
        (NOW + 10, NOW + 5),
        (NOW, NOW),
        (NOW - 100, NOW - 50),
        (math.nan, NOW + 5),
        (NOW, math.inf),
        (NOW, NOW + LONGEST_AHEAD_S + 1),
    ],
)
def test_what_can_not_be_a_downtime(begins_at: float, ends_at: float) -> None:
    with pytest.raises(InputError) as caught:
        check(begins_at, ends_at, NOW)
    assert (caught.value.kind, bool(caught.value.todo)) == ("bad-downtime", True)
