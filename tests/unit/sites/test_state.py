"""How a site is, from what is seen of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.sites.state import FLAP_S, Seen, SiteTerms, Standing, stand, stops, unblocks
from forebay.wire.cache import VolumeState
from forebay.wire.sites import SiteRecord, SiteState, TaskKind

TERMS = SiteTerms()
NOW = 1_800_000_000.0
WELL = Seen(wanted=SiteState.UP, wanted_reason="", attached=True, seen_at=NOW, volume=VolumeState.NORMAL)


def test_the_default_hold_has_the_default_terms() -> None:
    assert SiteTerms.holding(60.0) == TERMS


@pytest.mark.parametrize("hold_s", [10.0, 30.0, 3600.0])
def test_several_beats_are_due_within_any_hold_and_the_margin_stays(hold_s: float) -> None:
    terms = SiteTerms.holding(hold_s)
    assert terms.hold_s == hold_s
    assert terms.beat_s <= hold_s / 6
    assert terms.beat_s <= TERMS.beat_s
    assert terms.margin_s == TERMS.margin_s


@pytest.mark.parametrize(
    ("changed", "state", "reason"),
    [
        ({}, SiteState.UP, "its agent is heard of"),
        ({"attached": False}, SiteState.DOWN, "its agent has gone"),
        ({"attached": False, "seen_at": 0.0}, SiteState.DOWN, "it has no agent yet"),
        ({"seen_at": NOW - 61}, SiteState.DOWN, "its agent is silent"),
        ({"volume": VolumeState.DOWN, "volume_reason": "gone"}, SiteState.DOWN, "its volume is down: gone"),
        ({"volume": VolumeState.UNSTABLE, "volume_reason": "EIO"}, SiteState.DEGRADED, "its volume is unstable: EIO"),
        ({"volume": None}, SiteState.DEGRADED, "the hub does not know its volume yet"),
        ({"wanted": SiteState.DRAINING, "wanted_reason": "new disks"}, SiteState.DRAINING, "new disks"),
        ({"wanted": SiteState.DOWN, "wanted_reason": "a fire"}, SiteState.DOWN, "a fire"),
        (
            {"wanted": SiteState.DRAINING, "volume": VolumeState.DOWN, "volume_reason": "gone"},
            SiteState.DOWN,
            "its volume is down: gone",
        ),
    ],
)
def test_what_is_seen_says_how_it_is(changed: dict[str, object], state: SiteState, reason: str) -> None:
    standing = stand(None, replace(WELL, **changed), NOW, TERMS)  # type: ignore[arg-type]
    assert (standing.state, standing.reason) == (state, reason)


def test_flapping_does_not_reset_since() -> None:
    gone = replace(WELL, attached=False)
    standing = stand(None, WELL, NOW, TERMS)
    first = stand(standing, gone, NOW + 1000, TERMS)
    for at in range(5):
        well = stand(first, replace(WELL, seen_at=NOW + 1100 + at), NOW + 1100 + at, TERMS)
        assert well.since == NOW + 1100 + at
        again = stand(well, gone, NOW + 1110 + at, TERMS)
        assert again.since == first.since == NOW + 1000
        first = again
    well = stand(first, replace(WELL, seen_at=NOW + 2000), NOW + 2000, TERMS)
    assert stand(well, gone, NOW + 2000 + FLAP_S, TERMS).since == NOW + 2000 + FLAP_S


seen = st.builds(
    Seen,
    wanted=st.sampled_from((SiteState.UP, SiteState.DRAINING, SiteState.DOWN)),
    wanted_reason=st.sampled_from(("", "why")),
    attached=st.booleans(),
    seen_at=st.floats(NOW - 100, NOW + 100),
    volume=st.sampled_from((None, *VolumeState)),
    volume_reason=st.just("why"),
)


@settings(max_examples=500)
@given(history=st.lists(st.tuples(seen, st.floats(0, 400)), min_size=1, max_size=20))
def test_it_always_says_why_and_since_when_and_looking_changes_nothing(history: list[tuple[Seen, float]]) -> None:
    now, before = NOW, Standing(state=SiteState.DOWN, reason="it has no agent yet", since=NOW)
    for what, later_s in history:
        now += later_s
        after = stand(before, what, now, TERMS)
        assert after.reason
        assert after.since <= now
        assert stand(after, what, now, TERMS) == after
        if after.state is before.state:
            assert after.since == before.since
        before = after


def test_what_stops_where() -> None:
    for kind in TaskKind:
        assert not stops(kind, wanted=SiteState.DRAINING, volume=VolumeState.UNSTABLE, has_started=False)
        assert stops(kind, wanted=SiteState.DOWN, volume=VolumeState.NORMAL, has_started=True)
        assert stops(kind, wanted=SiteState.UP, volume=VolumeState.DOWN, has_started=False)
    assert not stops(TaskKind.RUN, wanted=SiteState.UP, volume=VolumeState.DOWN, has_started=True)


@pytest.mark.parametrize(
    ("state", "wanted", "volume", "has_downtime", "told"),
    [
        (SiteState.UP, SiteState.UP, VolumeState.NORMAL, False, ""),
        (SiteState.DRAINING, SiteState.DRAINING, VolumeState.NORMAL, False, "forebay sites up dgx"),
        (SiteState.DOWN, SiteState.DOWN, VolumeState.NORMAL, False, "forebay sites up dgx"),
        (SiteState.DOWN, SiteState.UP, VolumeState.NORMAL, False, "forebay agent --site dgx"),
        (SiteState.DOWN, SiteState.UP, VolumeState.DOWN, False, "forebay cache health"),
        (SiteState.DEGRADED, SiteState.UP, VolumeState.UNSTABLE, False, "forebay cache health"),
        (SiteState.DRAINING, SiteState.UP, VolumeState.NORMAL, True, "forebay sites downtime cancel dgx"),
        (SiteState.DEGRADED, SiteState.UP, None, False, "heard of"),
    ],
)
def test_a_site_that_takes_no_work_says_what_would_help(
    state: SiteState, wanted: SiteState, volume: VolumeState | None, has_downtime: bool, told: str
) -> None:
    record = SiteRecord(
        name="dgx",
        volume_id="v",
        state=state,
        reason="so it is",
        since=NOW,
        wanted=wanted,
        labels="",
        gpus=0,
        cpus=1,
        memory_bytes=0,
        engine="process",
        release="",
        agent_token=1,
        seen_at=NOW,
    )
    helps = unblocks(record, volume, has_downtime=has_downtime)
    assert told in helps
    assert bool(helps) is (state is not SiteState.UP)
