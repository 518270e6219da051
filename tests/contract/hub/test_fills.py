"""Who may fill, and the room for it, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from forebay.errors import ConflictError, NotFoundError
from forebay.testing.cached import FakeClock
from forebay.testing.cached.world import holder
from forebay.wire.cache import FillDone, Granted, NoRoom, Progress, Ready, ReplicaState, Reserved, Waiting
from forebay.wire.catalog import Version
from forebay.wire.hub import Hub
from tests.contract.hub.conftest import LIMIT_BYTES, VOLUME, new_version

DONE = FillDone(added_bytes=120, moved_bytes=100, present_bytes=0, seconds=2.0, seal_digest="")


def claim(hub: Hub, version: Version, purpose: str = "test") -> Granted:
    granted = hub.fills.claim(VOLUME, version, holder(purpose))
    assert isinstance(granted, Granted)
    return granted


def test_ONE_FILL_one_holder_and_others_wait_and_see_its_progress(hub: Hub, version: Version) -> None:
    granted = claim(hub, version, "first")
    hub.fills.renew(granted.fill_id, granted.token, Progress(total_bytes=100, moved_bytes=40))
    waiting = hub.fills.claim(VOLUME, version, holder("second"))
    assert isinstance(waiting, Waiting)
    assert (waiting.progress.moved_bytes, waiting.replica.state) == (40, ReplicaState.FILLING)
    assert "first" in waiting.holder
    assert hub.fills.look(VOLUME, version) == waiting


def test_ONE_FILL_of_many_that_claim_at_once_exactly_one_is_granted(hub: Hub) -> None:
    for round_number in range(5):
        version = new_version(hub, f"d{round_number}")
        barrier = Barrier(8)

        def ask(version: Version = version, barrier: Barrier = barrier) -> object:
            barrier.wait()
            return hub.fills.claim(VOLUME, version, holder())

        with ThreadPoolExecutor(8) as pool:
            claims = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
        assert sum(isinstance(item, Granted) for item in claims) == 1
        assert sum(isinstance(item, Waiting) for item in claims) == 7


def test_tokens_grow_over_versions_claimed_at_once(hub: Hub) -> None:
    versions = [new_version(hub, f"d{number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        tokens = [granted.token for granted in pool.map(lambda version: claim(hub, version), versions)]
    assert sorted(tokens) == [1, 2, 3, 4, 5, 6]


def test_a_silent_holder_is_replaced_and_its_reports_are_refused(hub: Hub, version: Version, clock: FakeClock) -> None:
    old = claim(hub, version)
    clock.pass_by(11)
    assert hub.fills.look(VOLUME, version) is None
    new = claim(hub, version)
    assert (new.takeover, new.fill_id) == (True, old.fill_id)
    assert new.token > old.token
    for report in (
        lambda: hub.fills.renew(old.fill_id, old.token, Progress()),
        lambda: hub.fills.reserve(old.fill_id, old.token, 1, 1000),
        lambda: hub.fills.finish(old.fill_id, old.token, DONE),
        lambda: hub.fills.fail(old.fill_id, old.token, "late", 0),
    ):
        with pytest.raises(ConflictError, match="taken over") as refused:
            report()
        assert refused.value.kind == "fenced"
    assert hub.fills.finish(new.fill_id, new.token, DONE).state is ReplicaState.READY


def test_a_holder_seen_dead_is_replaced_at_once_and_no_other(hub: Hub, version: Version) -> None:
    dead = claim(hub, version)
    waiting = hub.fills.look(VOLUME, version)
    assert isinstance(waiting, Waiting)
    assert waiting.process == holder().process != ""
    assert isinstance(hub.fills.claim(VOLUME, version, holder(), dead_token=dead.token - 1), Waiting)
    heir = hub.fills.claim(VOLUME, version, holder(), dead_token=waiting.replica.token)
    assert isinstance(heir, Granted)
    assert (heir.takeover, heir.fill_id) == (True, dead.fill_id)
    assert isinstance(hub.fills.claim(VOLUME, version, holder(), dead_token=dead.token), Waiting), "the heir lives"
    with pytest.raises(ConflictError, match="taken over"):
        hub.fills.renew(dead.fill_id, dead.token, Progress())


def test_a_beating_holder_keeps_its_fill(hub: Hub, version: Version, clock: FakeClock) -> None:
    granted = claim(hub, version)
    for _ in range(5):
        clock.pass_by(8)
        hub.fills.renew(granted.fill_id, granted.token, Progress())
        assert isinstance(hub.fills.claim(VOLUME, version, holder()), Waiting)


def test_finish_makes_it_ready_and_adds_to_the_account(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    assert hub.fills.reserve(granted.fill_id, granted.token, 300, 10_000) == Reserved(reserved_bytes=300)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    ready = hub.fills.claim(VOLUME, version, holder())
    assert isinstance(ready, Ready)
    assert (ready.replica.attempts, ready.replica.fill_seconds) == (0, 2.0)
    volume = hub.volumes.get(VOLUME)
    assert (volume.used_bytes, volume.reserved_bytes) == (120, 0)
    assert hub.fills.open_fills(VOLUME) == []


def test_a_failed_fill_says_why_and_keeps_what_it_left(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    hub.fills.renew(granted.fill_id, granted.token, Progress(moved_bytes=30))
    hub.fills.fail(granted.fill_id, granted.token, "the lake is away", 30)
    (left,) = hub.fills.open_fills(VOLUME)
    assert (left.fill_id, left.live, left.reserved_bytes) == (granted.fill_id, False, 30)
    assert hub.replicas.get(VOLUME, version) is None
    again = claim(hub, version)
    assert again.fill_id == granted.fill_id
    assert again.replica.attempts == 2
    assert hub.volumes.savings(VOLUME)[0].moved_bytes == 30
    assert [event.reason for event in hub.volumes.events(VOLUME, 10)] == ["the lake is away"]


def test_a_failed_repair_stays_damaged(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    hub.fills.finish(granted.fill_id, granted.token, DONE)
    hub.replicas.mark_damaged(VOLUME, version, "a bit flipped")
    again = claim(hub, version)
    hub.fills.fail(again.fill_id, again.token, "away", 0, damaged=True)
    replica = hub.replicas.get(VOLUME, version)
    assert replica is not None
    assert replica.state is ReplicaState.DAMAGED


def test_FITS_the_last_free_bytes_are_promised_once(hub: Hub) -> None:
    grants = [claim(hub, new_version(hub, f"d{number}")) for number in range(6)]
    barrier = Barrier(6)

    def reserve(granted: Granted) -> Reserved | NoRoom:
        barrier.wait()
        return hub.fills.reserve(granted.fill_id, granted.token, 300, 10_000)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(reserve, grants))
    assert sum(isinstance(answer, Reserved) for answer in answers) == LIMIT_BYTES // 300
    assert all(answer.missing_bytes == 200 and not answer.never for answer in answers if isinstance(answer, NoRoom))
    assert hub.volumes.get(VOLUME).reserved_bytes <= LIMIT_BYTES


def test_FITS_the_disk_itself_counts_too(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    assert hub.fills.reserve(granted.fill_id, granted.token, 300, 250) == NoRoom(missing_bytes=50, never=False)
    assert hub.fills.reserve(granted.fill_id, granted.token, 1001, 10_000) == NoRoom(missing_bytes=1, never=True)


def test_reserving_again_replaces_and_a_failed_fill_reserves_no_more(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    for need in (900, 950, 100):
        assert hub.fills.reserve(granted.fill_id, granted.token, need, 10_000) == Reserved(reserved_bytes=need)
    hub.fills.fail(granted.fill_id, granted.token, "why", 100)
    with pytest.raises(ConflictError):
        hub.fills.reserve(granted.fill_id, granted.token, 900, 10_000)


def test_abandon_ends_a_dead_fill_and_no_live_one(hub: Hub, version: Version, clock: FakeClock) -> None:
    granted = claim(hub, version)
    hub.fills.reserve(granted.fill_id, granted.token, 700, 10_000)
    with pytest.raises(ConflictError):
        hub.fills.abandon(granted.fill_id)
    clock.pass_by(11)
    assert hub.fills.abandon(granted.fill_id) == 700
    assert hub.fills.open_fills(VOLUME) == []
    assert hub.replicas.get(VOLUME, version) is None
    volume = hub.volumes.get(VOLUME)
    assert (volume.used_bytes, volume.reserved_bytes) == (700, 0), "until its leftovers are told to be gone"
    assert hub.fills.abandon(granted.fill_id) == 0
    assert claim(hub, version).fill_id != granted.fill_id


def wishes(hub: Hub, granted: Granted, after: int = 0) -> list[int]:
    return [wish.entry for wish in hub.fills.wishes(granted.fill_id, granted.token, after)]


def test_the_holder_hears_what_readers_wait_for_each_wish_once(hub: Hub, version: Version) -> None:
    other, granted = claim(hub, new_version(hub, "other")), claim(hub, version)
    assert wishes(hub, granted) == []
    hub.fills.prefer(VOLUME, version, [7, 2**40])
    hub.fills.prefer(VOLUME, version, [3, 7])
    heard = hub.fills.wishes(granted.fill_id, granted.token, 0)
    assert [wish.entry for wish in heard] == [7, 2**40, 3]
    assert wishes(hub, granted, heard[1].number) == [3]
    assert wishes(hub, granted, heard[2].number) == []
    hub.fills.prefer(VOLUME, version, [4])
    assert wishes(hub, granted, heard[2].number) == [4]
    assert wishes(hub, other) == []


def test_a_waiting_reader_learns_which_fill_it_is(hub: Hub, version: Version) -> None:
    granted = claim(hub, version)
    waiting = hub.fills.look(VOLUME, version)
    assert isinstance(waiting, Waiting)
    assert (waiting.fill_id, waiting.replica.token) == (granted.fill_id, granted.token)


def test_wishes_outlive_a_silent_holder_and_a_stale_one_hears_none(
    hub: Hub, version: Version, clock: FakeClock
) -> None:
    old = claim(hub, version)
    hub.fills.prefer(VOLUME, version, [1])
    clock.pass_by(11)
    hub.fills.prefer(VOLUME, version, [2])
    new = claim(hub, version)
    assert wishes(hub, new) == [1, 2]
    assert wishes(hub, old) == []


@pytest.mark.parametrize("end", ["finish", "fail", "fail with leftovers", "abandon"])
def test_wishes_end_with_their_fill(hub: Hub, version: Version, clock: FakeClock, end: str) -> None:
    hub.fills.prefer(VOLUME, version, [5])
    granted = claim(hub, version)
    assert wishes(hub, granted) == [], "nobody filled it when that was wished for"
    hub.fills.prefer(VOLUME, version, [1])
    match end:
        case "finish":
            hub.fills.finish(granted.fill_id, granted.token, DONE)
            hub.fills.prefer(VOLUME, version, [6])
            hub.replicas.mark_damaged(VOLUME, version, "a bit flipped")
        case "abandon":
            clock.pass_by(11)
            hub.fills.abandon(granted.fill_id)
        case _:
            hub.fills.fail(granted.fill_id, granted.token, "why", 10 if "leftovers" in end else 0)
            hub.fills.prefer(VOLUME, version, [6])
    assert wishes(hub, claim(hub, version)) == []


def test_unknown_volumes_and_versions_are_named(hub: Hub, version: Version) -> None:
    with pytest.raises(NotFoundError, match="no volume"):
        hub.fills.claim("nowhere", version, holder())
    with pytest.raises(NotFoundError, match="no volume"):
        hub.volumes.get("nowhere")
