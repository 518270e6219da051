"""Removed safeguards: each is switched off in turn, and some seed within a thousand finds that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from forebay.cache import machine as cache_machine
from forebay.runs.machine import Course
from forebay.sites.agent import machine as agent_machine
from forebay.sites.agent.events import Event, OrdersCame
from forebay.testing.sim.agent import SimAgent
from forebay.testing.sim.computer import Machine
from forebay.testing.sim.evict import Eviction
from forebay.testing.sim.fill import FillWork
from forebay.testing.sim.hub import SimHub
from forebay.testing.sim.keeper import Keeper
from forebay.testing.sim.recover import Recovery
from forebay.testing.sim.volume import Volume
from forebay.testing.sim.work import Work
from forebay.testing.sim.world import run_seed

SEEDS = 1000

Off = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Safeguard:
    """`says` are the invariants that find it missing."""

    name: str
    off: Off
    says: tuple[str, ...]


def _nothing(*_given: Any, **_named: Any) -> None:
    """Does nothing."""


def _always(*_given: Any) -> bool:
    return True


def _never(*_given: Any) -> bool:
    return False


def _hold_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents believe in a longer hold than the hub does."""
    real = SimHub.attach
    monkeypatch.setattr(SimHub, "attach", lambda *given: replace(real(*given), hold_s=60.0))


def _two_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Course, "is_waiting", property(lambda self: not self.run.state.is_final))


def _leases_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cache_machine._request_evict
    monkeypatch.setattr(
        cache_machine, "_request_evict", lambda facts, event: real(replace(facts, live_leases=0), event)
    )


def _lapsed_lease_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eviction, "seen_alive", lambda self: set())


def _marker_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Volume, "sync", _nothing)


def _no_reservation(monkeypatch: pytest.MonkeyPatch) -> None:
    def reserve(self: Any, place: Any, size_bytes: int) -> None:
        self.reserved[place] = size_bytes

    monkeypatch.setattr(Keeper, "_reserve", reserve)


def _empty_mount_is_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the two is enough, so both are gone."""
    monkeypatch.setattr(Recovery, "has_mark", _always)
    monkeypatch.setattr(Recovery, "brakes", _never)


def _leash_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead or stopped agent had begun goes on for as long as it likes."""
    monkeypatch.setattr(Machine, "watch", _nothing)


def _runs_outlive_their_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the agent nor the supervisor ends them."""
    monkeypatch.setattr(agent_machine._Turn, "end_runs_out_of_hold", _nothing)
    _leash_is_off(monkeypatch)


def _site_clock_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Work, "now", property(lambda self: self.agent.machine.now))


def _earlier_orders_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SimAgent.feed

    def feed(self: SimAgent, event: Event) -> None:
        if isinstance(event, OrdersCame):
            self.agent = replace(self.agent, revision=min(self.agent.revision, event.orders.revision - 1))
        real(self, event)

    monkeypatch.setattr(SimAgent, "feed", feed)


def _stale_token_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cache_machine._if_held
    monkeypatch.setattr(
        cache_machine, "_if_held", lambda facts, state, _token, then: real(facts, state, facts.token, then)
    )


def _fill_publishes_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the hub nor the marker of what stands there is looked at; either is enough."""
    monkeypatch.setattr(FillWork, "ask_before_publishing", lambda self, then: then())
    monkeypatch.setattr(FillWork, "may_replace", _always)


def _pins_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cache_machine._request_evict
    monkeypatch.setattr(cache_machine, "_request_evict", lambda facts, event: real(replace(facts, pinned=False), event))


def _lake_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Eviction, "is_in_lake", _always)


SAFEGUARDS = [
    Safeguard("the hub waits for as long as the agent believes", _hold_is_not_waited_for, ("ONCE",)),
    Safeguard("no attempt begins while another one is under way", _two_attempts, ("ONCE",)),
    Safeguard("what is leased stays", _leases_are_ignored, ("IN-USE",)),
    Safeguard("a lease that ran out is no proof", _lapsed_lease_is_proof, ("IN-USE",)),
    Safeguard("the data are durable before the marker", _marker_comes_first, ("VERIFIED",)),
    Safeguard("room is set aside before the first byte", _no_reservation, ("FITS",)),
    Safeguard("a supervisor ends its job when the hold is over", _leash_is_off, ("ONCE",)),
    Safeguard("no run outlives its hold", _runs_outlive_their_hold, ("ONCE",)),
    Safeguard("the hub goes by its own clock", _site_clock_is_believed, ("FENCED", "IN-USE")),
    Safeguard("earlier orders change nothing", _earlier_orders_are_followed, ("ONCE",)),
    Safeguard("a stale token is refused", _stale_token_is_accepted, ("FENCED",)),
    Safeguard("a fill asks before it publishes", _fill_publishes_unasked, ("FENCED", "VERIFIED")),
    Safeguard("what is pinned stays", _pins_are_ignored, ("IN-USE",)),
    Safeguard("the lake is asked before an eviction", _lake_is_not_asked, ("RECOVERABLE",)),
    Safeguard("an empty mount is no evidence", _empty_mount_is_evidence, ("BRAKE",)),
]


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda safeguard: safeguard.name)
def test_a_removed_safeguard_is_found(monkeypatch: pytest.MonkeyPatch, safeguard: Safeguard) -> None:
    safeguard.off(monkeypatch)
    for seed in range(SEEDS):
        try:
            run_seed(seed)
        except AssertionError as error:
            if any(f": {name}: " in str(error) for name in safeguard.says):
                print(f"found by seed {seed}: {error}")  # noqa: T201
                return
        except (KeyError, ValueError):
            continue  # what is broken breaks other things, too
    pytest.fail(f"{SEEDS} seeds did not find it")
