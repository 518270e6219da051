"""How a preview goes on, one decision at a time; the whole is in tests/contract/hub/test_previews.py."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from forebay.sites.previews import PATIENCE_S, Errand, done, nowhere, ordered, wants_a_site
from forebay.wire.previews import PreviewDone, PreviewState

ORDERED = ordered(Errand(), ["dgx"], 100.0)


def told(*, kind: str = "", retryable: bool = True, token: int = 1) -> PreviewDone:
    return PreviewDone(preview_id="p", token=token, kind=kind, detail="why", todo="what", retryable=retryable)


def test_pauses_grow_and_end() -> None:
    errand, pauses = ORDERED, []
    for _ in range(12):
        errand = done(errand, told(kind="x", token=errand.token), 1000.0)
        pauses.append(errand.next_try_at - 1000.0)
        errand = ordered(errand, ["dgx"], 1000.0)
    assert pauses[:3] == [30.0, 60.0, 120.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 3600.0


def test_what_can_not_go_well_waits_for_a_day() -> None:
    failed = done(ORDERED, told(kind="x", retryable=False), 1000.0)
    assert failed.state is PreviewState.FAILED
    assert not wants_a_site(failed, ["dgx"], 1000.0 + 86000.0)
    assert wants_a_site(failed, ["dgx"], 1000.0 + 86400.0)
    assert wants_a_site(failed, ["dgx"], 1000.0, again=True)


def test_after_a_failure_another_site_is_tried_first() -> None:
    failed = done(ORDERED, told(kind="x"), 1000.0)
    assert ordered(failed, ["dgx", "aks"], 2000.0).site == "aks"
    assert ordered(failed, ["dgx"], 2000.0).site == "dgx"


def test_a_clock_that_was_set_back_holds_up_nothing() -> None:
    assert wants_a_site(ORDERED, ["dgx"], ORDERED.since - 60.0)
    failed = done(ORDERED, told(kind="x", retryable=False), 1e9)
    assert wants_a_site(failed, ["dgx"], 100.0)


def test_what_is_ready_is_never_made_again() -> None:
    ready = done(ORDERED, told(), 110.0)
    assert ready.state is PreviewState.READY
    assert not wants_a_site(ready, ["dgx"], 1e9, again=True)


def test_nowhere_keeps_since_when() -> None:
    once = nowhere(Errand(), "d@v1", 100.0)
    assert nowhere(once, "d@v1", 200.0).since == 100.0
    assert wants_a_site(once, ["dgx"], 100.0)


@given(st.integers(-3, 3), st.sampled_from([state for state in PreviewState if state is not PreviewState.ORDERED]))
def test_a_late_word_changes_nothing(token: int, state: PreviewState) -> None:
    if token != ORDERED.token:
        assert done(ORDERED, told(token=token), 110.0) is ORDERED
    over = replace(ORDERED, state=state)
    assert done(over, told(token=over.token), 110.0) is over


def test_patience_ends() -> None:
    assert not wants_a_site(ORDERED, ["dgx"], 100.0 + PATIENCE_S)
    assert wants_a_site(ORDERED, ["dgx"], 101.0 + PATIENCE_S)
    assert wants_a_site(ORDERED, ["aks"], 101.0)
