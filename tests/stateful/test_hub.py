"""The hub's stores against a simple model: whoever asks in whatever order, with stale tokens and a jumping clock."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from forebay.cache.machine import Terms, is_held
from forebay.catalog.manifest import Entry, Manifest
from forebay.errors import ConflictError, NotFoundError
from forebay.testing.cached import FakeClock, World
from forebay.testing.cached.world import add_version, holder
from forebay.wire.cache import FillDone, Granted, NoRoom, Progress, Ready, ReplicaState, Reserved, Waiting

HOLD_S, LEASE_S, LIMIT_BYTES = 10.0, 100.0, 1000
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
numbers = st.integers(0, 2)
tokens = st.integers(0, 30)


@dataclass
class Model:
    """One replica as it should be."""

    state: ReplicaState = ReplicaState.ABSENT
    token: int = 0
    held_until: float = 0.0
    fill_id: str = ""
    reserved_bytes: int = 0
    pinned: bool = False
    leases: dict[str, tuple[int, float]] = field(default_factory=dict)
    used_bytes: int = 0

    def live(self, now: float) -> int:
        return sum(until > now for _, until in self.leases.values())


class HubMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="forebay-hub-", dir=MEMORY))
        self.clock = FakeClock()
        self.world = World(self.folder, clock=self.clock, terms=Terms(hold_seconds=HOLD_S, lease_seconds=LEASE_S))
        self.hub = self.world.hub
        self.hub.volumes.add("v", str(self.folder / "volume"), LIMIT_BYTES)
        manifests = [Manifest.registered([Entry(path=f"p{at}", size_bytes=100)]) for at in range(3)]
        self.versions = [add_version(self.hub, f"d{at}", made, "file:///lake") for at, made in enumerate(manifests)]
        self.models = [Model() for _ in self.versions]
        self.last_token = 0
        self.left_bytes = 0

    def teardown(self) -> None:
        self.hub.close()
        shutil.rmtree(self.folder)

    @rule(at=numbers)
    def claim(self, at: int) -> None:
        model, now = self.models[at], self.clock.now()
        claim = self.hub.fills.claim("v", self.versions[at], holder())
        if model.state is ReplicaState.READY:
            assert isinstance(claim, Ready)
        elif model.state is ReplicaState.EVICTING or (
            model.state is ReplicaState.FILLING and is_held(model.held_until, now, HOLD_S)
        ):
            assert isinstance(claim, Waiting), "ONE-FILL"
        else:
            assert isinstance(claim, Granted)
            assert claim.token > self.last_token, "tokens only grow"
            assert claim.takeover == (model.state is ReplicaState.FILLING)
            assert model.fill_id in ("", claim.fill_id), "a fill keeps its folder over takeovers"
            self.last_token = claim.token
            model.state, model.token, model.held_until = ReplicaState.FILLING, claim.token, now + HOLD_S
            model.fill_id = claim.fill_id

    @rule(at=numbers)
    def look(self, at: int) -> None:
        model, seen = self.models[at], self.hub.fills.look("v", self.versions[at])
        held = is_held(model.held_until, self.clock.now(), HOLD_S)
        busy = model.state in (ReplicaState.FILLING, ReplicaState.EVICTING) and held
        assert isinstance(seen, Ready if model.state is ReplicaState.READY else Waiting if busy else type(None))

    @rule(at=numbers, token=tokens | st.none())
    def renew(self, at: int, token: int | None) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.FILLING, token):
            self.hub.fills.renew(model.fill_id, token, Progress(moved_bytes=5))
            model.held_until = self.clock.now() + HOLD_S

    @rule(at=numbers, token=tokens | st.none(), added=st.integers(0, 200))
    def finish(self, at: int, token: int | None, added: int) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.FILLING, token):
            done = FillDone(added_bytes=added, moved_bytes=added, present_bytes=0, seconds=1.0, seal_digest="")
            self.hub.fills.finish(model.fill_id, token, done)
            model.state, model.fill_id, model.reserved_bytes = ReplicaState.READY, "", 0
            model.used_bytes += added

    @rule(at=numbers, token=tokens | st.none(), kept=st.sampled_from((0, 40)), damaged=st.booleans())
    def fail(self, at: int, token: int | None, kept: int, damaged: bool) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.FILLING, token):
            self.hub.fills.fail(model.fill_id, token, "why", kept, damaged=damaged)
            model.state = ReplicaState.DAMAGED if damaged else ReplicaState.ABSENT
            model.fill_id, model.reserved_bytes = model.fill_id if kept else "", kept

    @rule(at=numbers)
    def abandon(self, at: int) -> None:
        """What a dead fill left stays in the account until somebody has really deleted it."""
        model = self.models[at]
        filling = model.state is ReplicaState.FILLING
        if filling and is_held(model.held_until, self.clock.now(), HOLD_S):
            with pytest.raises(ConflictError, match="under way"):
                self.hub.fills.abandon(model.fill_id)
            return
        assert self.hub.fills.abandon(model.fill_id or "no-such-fill") == model.reserved_bytes
        self.left_bytes += model.reserved_bytes
        model.state = ReplicaState.ABSENT if filling else model.state
        model.fill_id, model.reserved_bytes = "", 0

    @rule()
    def free_what_was_left(self) -> None:
        self.hub.volumes.free_bytes("v", self.left_bytes)
        self.left_bytes = 0

    @rule(at=numbers, need=st.integers(0, 700), free=st.integers(0, 2000))
    def reserve(self, at: int, need: int, free: int) -> None:
        model = self.models[at]
        with self.maybe_fenced(model, ReplicaState.FILLING, model.token):
            answer = self.hub.fills.reserve(model.fill_id, model.token, need, free)
            if isinstance(answer, NoRoom):
                assert answer.never == (need > LIMIT_BYTES)
            else:
                assert answer == Reserved(reserved_bytes=need)
                model.reserved_bytes = need

    @rule(at=numbers)
    def take(self, at: int) -> None:
        model = self.models[at]
        if model.state is not ReplicaState.READY:
            with pytest.raises(ConflictError):
                self.hub.leases.take("v", self.versions[at], holder())
            return
        lease = self.hub.leases.take("v", self.versions[at], holder())
        model.leases[lease.lease_id] = (model.token, lease.expires_at)

    @rule(at=numbers, pick=st.integers(0, 5))
    def renew_lease(self, at: int, pick: int) -> None:
        model = self.models[at]
        if not model.leases:
            return
        lease_id = sorted(model.leases)[pick % len(model.leases)]
        token = model.leases[lease_id][0]
        if model.state in (ReplicaState.READY, ReplicaState.DAMAGED) and token == model.token:
            lease = self.hub.leases.renew(lease_id)
            model.leases[lease_id] = (token, lease.expires_at)
        else:
            with pytest.raises(ConflictError, match="ended"):
                self.hub.leases.renew(lease_id)

    @rule(at=numbers, pick=st.integers(0, 5))
    def release(self, at: int, pick: int) -> None:
        model = self.models[at]
        if model.leases:
            lease_id = sorted(model.leases)[pick % len(model.leases)]
            self.hub.leases.release(lease_id)
            del model.leases[lease_id]
            self.hub.leases.release(lease_id)

    @rule(at=numbers, pinned=st.booleans())
    def pin(self, at: int, pinned: bool) -> None:
        model, version = self.models[at], self.versions[at]
        change = self.hub.replicas.pin if pinned else self.hub.replicas.unpin
        given = ("me", "why", 0.0) if pinned else ()
        if model.state in (ReplicaState.ABSENT, ReplicaState.EVICTING):
            with pytest.raises(NotFoundError if model.state is ReplicaState.ABSENT else ConflictError):
                change("v", version, *given)
        else:
            change("v", version, *given)
            model.pinned = pinned

    @rule(at=numbers)
    def begin_evict(self, at: int) -> None:
        model, now = self.models[at], self.clock.now()
        evictable = model.state in (ReplicaState.READY, ReplicaState.DAMAGED)
        evictable |= model.state is ReplicaState.EVICTING and not is_held(model.held_until, now, HOLD_S)
        if model.live(now) or model.pinned or not evictable:
            with pytest.raises(ConflictError):
                self.hub.replicas.begin_evict("v", self.versions[at], "why")
            return
        grant = self.hub.replicas.begin_evict("v", self.versions[at], "why")
        assert grant.token > self.last_token, "tokens only grow"
        self.last_token = model.token = grant.token
        model.state, model.held_until = ReplicaState.EVICTING, now + HOLD_S

    @rule(at=numbers, token=tokens | st.none())
    def renew_evict(self, at: int, token: int | None) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.EVICTING, token):
            self.hub.replicas.renew_evict("v", self.versions[at], token)
            model.held_until = self.clock.now() + HOLD_S

    @rule(at=numbers, token=tokens | st.none())
    def abandon_evict(self, at: int, token: int | None) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.EVICTING, token):
            self.hub.replicas.abandon_evict("v", self.versions[at], token)
            model.held_until = self.clock.now()

    @rule(at=numbers, token=tokens | st.none(), damaged=st.booleans())
    def cancel_evict(self, at: int, token: int | None, damaged: bool) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.EVICTING, token):
            self.hub.replicas.cancel_evict("v", self.versions[at], token, "why", damaged=damaged)
            model.state = ReplicaState.DAMAGED if damaged else ReplicaState.READY

    @rule(at=numbers, token=tokens | st.none())
    def finish_evict(self, at: int, token: int | None) -> None:
        model = self.models[at]
        token = model.token if token is None else token
        with self.maybe_fenced(model, ReplicaState.EVICTING, token):
            self.hub.replicas.finish_evict("v", self.versions[at], token, model.used_bytes)
            self.models[at] = Model(fill_id=model.fill_id, reserved_bytes=model.reserved_bytes)

    @rule(at=numbers, token=tokens | st.just(0))
    def find_damage(self, at: int, token: int) -> None:
        model = self.models[at]
        if model.state is ReplicaState.READY and token in (0, model.token):
            self.hub.replicas.mark_damaged("v", self.versions[at], "why", token=token)
            model.state = ReplicaState.DAMAGED
        else:
            with pytest.raises(ConflictError):
                self.hub.replicas.mark_damaged("v", self.versions[at], "why", token=token)

    @rule(seconds=st.floats(0.0, 150.0))
    def time_passes(self, seconds: float) -> None:
        self.clock.pass_by(seconds)

    @rule(seconds=st.floats(-200.0, 200.0))
    def clock_jumps(self, seconds: float) -> None:
        self.clock.jump(seconds)

    def maybe_fenced(self, model: Model, state: ReplicaState, token: int) -> _MaybeFenced:
        return _MaybeFenced(fenced=model.state is not state or token != model.token)

    @invariant()
    def ONE_FILL(self) -> None:
        """No more than one holder, and the records agree with the model on who and what."""
        seen = {replica.ref: replica for replica in self.hub.replicas.all("v")}
        for model, version in zip(self.models, self.versions, strict=True):
            if model.state is ReplicaState.ABSENT:
                assert version.ref not in seen
            else:
                assert (seen[version.ref].state, seen[version.ref].token) == (model.state, model.token)

    @invariant()
    def IN_USE(self) -> None:
        now = self.clock.now()
        for replica in self.hub.replicas.all("v"):
            model = next(m for m, v in zip(self.models, self.versions, strict=True) if v.ref == replica.ref)
            assert replica.leases == model.live(now)
            assert bool(replica.pinned_by) == model.pinned
            assert not (replica.state is ReplicaState.EVICTING and replica.pinned_by), "IN-USE"

    @invariant()
    def FITS(self) -> None:
        volume = self.hub.volumes.get("v")
        assert volume.used_bytes == sum(model.used_bytes for model in self.models) + self.left_bytes
        fills = {fill.fill_id: fill.reserved_bytes for fill in self.hub.fills.open_fills("v")}
        assert volume.reserved_bytes == sum(fills.values())
        assert fills == {model.fill_id: model.reserved_bytes for model in self.models if model.fill_id}


class _MaybeFenced:
    """The block must raise `fenced` exactly when it should."""

    def __init__(self, *, fenced: bool) -> None:
        self._fenced = fenced

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not self._fenced:
            return False
        assert isinstance(error, ConflictError), "a stale token was believed"
        assert error.kind == "fenced"
        return True


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=settings.default.max_examples * 2 // 5, stateful_step_count=50)  # type: ignore[union-attr]


def test_the_steps_are_two_thousand() -> None:
    """What every commit takes against the model, the cache's own machine aside."""
    taken = TestHub.settings
    assert taken.max_examples * taken.stateful_step_count >= 2000


@pytest.mark.soak
@pytest.mark.timeout(3600)
class TestHubNightly(HubMachine.TestCase):  # type: ignore[valid-type, misc]
    """The same for as long as the profile says: make soak takes the nightly one."""

    settings = settings(max_examples=settings.default.max_examples, stateful_step_count=100)  # type: ignore[union-attr]
