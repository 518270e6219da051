"""A fill takes what a nearer site has, and whatever that site does, gets exactly the rest from the lake."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from forebay.cache import transfer
from forebay.cache.engine import Cache
from forebay.errors import NotAllowedError
from forebay.hub.local import LocalHub
from forebay.hub.metrics.collector import HubMetrics
from forebay.testing.awkward import Status
from forebay.testing.cached.invariants import assert_all
from forebay.testing.cached.world import holder
from forebay.wire.cache import ReplicaState
from forebay.wire.catalog import Version
from tests.integration.cache.stage import contents
from tests.integration.sites.pair import MANNERS, Pair, TellingDisk

pytestmark = pytest.mark.integration

BIG = random.Random(7).randbytes(24 << 20)
HOOK_BYTES = 6 << 20
FILES = {"big": BIG, "a/small": b"small", "b/other": b"other" * 1000, "empty": b""}


def fill(cache: Cache, version: Version) -> None:
    cache.warm(version, holder())


def assert_filled(pair: Pair, cache: Cache, version: Version, files: dict[str, bytes]) -> None:
    """VERIFIED, and the account is exact."""
    assert contents(cache.path(version)) == files
    assert_all(pair.far_session.hub, cache)


def test_a_second_site_s_fill_takes_nothing_from_the_lake(pair: Pair) -> None:
    version = pair.filled(FILES)
    before = pair.sent()
    pair.serve()
    cache = pair.far_cache()
    fill(cache, version)
    assert_filled(pair, cache, version, FILES)
    size = sum(map(len, FILES.values()))
    assert pair.sent() - before == 0
    ledger = pair.far_ledger()
    assert (ledger.moved_bytes, ledger.peer_bytes) == (0, size)
    assert _moved(pair, cache.volume_id) == {"lake": 0, "peer": size}
    near = pair.near_session.cache.volume_id
    assert pair.links()[near].moved_bytes == size, "the link to the peer was measured"
    (filled,) = [item for item in cache.replicas() if item.ref == version.ref]
    assert (filled.state, filled.fill_bytes) == (ReplicaState.READY, 0)


def _moved(pair: Pair, volume_id: str) -> dict[str, float]:
    """What the hub's metrics tell of a volume's fills, by source."""
    hub = pair.far_session.hub
    assert isinstance(hub, LocalHub)
    told = text_string_to_metric_families(HubMetrics(hub, pair.far_session.clock).text().decode())
    moved = [item for family in told for item in family.samples if item.name == "forebay_hub_moved_bytes_total"]
    return {item.labels["source"]: item.value for item in moved if item.labels["volume"] == volume_id}


def test_the_lake_s_link_is_measured_and_named_by_its_place(pair: Pair) -> None:
    version = pair.filled(FILES)
    fill(pair.far_cache(), version)
    assert pair.origin is not None
    lake = f"s3://{pair.origin.url.removeprefix('http://')}/lake"
    assert pair.links()[lake].moved_bytes == sum(map(len, FILES.values()))
    assert pair.far_ledger().peer_bytes == 0


def test_a_fill_that_fails_tells_what_it_moved_before(pair: Pair) -> None:
    version = pair.filled({"big": BIG, "gone": b"gone" * 1000})
    assert pair.origin is not None
    pair.origin.misbehave("/lake/clicks/gone", always=Status(403))
    with pytest.raises(NotAllowedError):
        fill(pair.far_cache(streams=1), version)
    (measured,) = pair.links().values()
    assert measured.moved_bytes == len(BIG)


def test_a_version_whose_digests_nobody_knows_comes_from_the_lake(pair: Pair) -> None:
    version = pair.add("clicks", FILES)
    pair.serve()
    fill(pair.far_cache(), version)
    assert pair.far_ledger().moved_bytes == sum(map(len, FILES.values()))


def test_a_dear_peer_is_not_asked(pair: Pair) -> None:
    version = pair.filled(FILES)
    pair.serve()
    pair.far_session.hub.links.declare(pair.near_session.cache.volume_id, pair.far_cache().volume_id, price_byte=1e-9)
    fill(pair.far_cache(manners=replace(MANNERS, wait_s_per_money=3600.0)), version)
    assert pair.far_ledger().peer_bytes == 0


def stop(pair: Pair, version: Version) -> None:
    del version
    pair.serving.send_signal(signal.SIGSTOP)


def kill(pair: Pair, version: Version) -> None:
    del version
    pair.serving.kill()


def evict(pair: Pair, version: Version) -> None:
    near = pair.near_session.cache
    (replica,) = [item for item in near.replicas() if item.ref == version.ref]
    evicted = near.evictor.evict(replica, "asked")
    assert evicted.error is None


@pytest.mark.parametrize("harm", [kill, stop])
def test_a_peer_that_dies_in_the_middle_of_a_file_costs_exactly_the_rest(
    pair: Pair, harm: Callable[[Pair, Version], None]
) -> None:
    version = pair.filled({"big": BIG})
    before = pair.sent()
    pair.serve()
    cache = pair.far_cache(TellingDisk(HOOK_BYTES, lambda: harm(pair, version)))
    fill(cache, version)
    assert_filled(pair, cache, version, {"big": BIG})
    ledger, from_lake = pair.far_ledger(), pair.sent() - before
    assert ledger.peer_bytes >= HOOK_BYTES
    assert 0 < from_lake == ledger.moved_bytes == len(BIG) - ledger.peer_bytes
    (last,) = [seen for seen in pair.sightings("big") if seen.range][-1:]
    assert last.range == f"bytes={ledger.peer_bytes}-{len(BIG) - 1}", "one range, from where the peer broke off"


def test_a_dead_peer_is_not_asked_again(pair: Pair) -> None:
    version, other = pair.filled({"big": BIG}), pair.filled({"more": b"more" * 9999}, "views")
    pair.serve()
    cache = pair.far_cache(TellingDisk(HOOK_BYTES, lambda: kill(pair, version)))
    fill(cache, version)
    before = pair.sent("views")
    fill(cache, other)
    assert pair.sent("views") - before == 4 * 9999


def test_what_a_peer_evicts_meanwhile_stays_readable_once_it_is_open(pair: Pair) -> None:
    files = {"big": BIG, "later": b"later" * 1000}
    version = pair.filled(files)
    before = pair.sent(name="big")
    pair.serve()
    cache = pair.far_cache(TellingDisk(HOOK_BYTES, lambda: evict(pair, version)), streams=1)
    fill(cache, version)
    assert_filled(pair, cache, version, files)
    assert pair.sent(name="big") == before
    assert pair.far_ledger().moved_bytes == len(files["later"])


def test_a_flipped_bit_comes_again_from_the_lake_and_is_told(pair: Pair) -> None:
    version = pair.filled(FILES)
    before = pair.sent()
    blob = pair.near_blob(version, "big")
    blob.chmod(0o644)
    with blob.open("r+b") as file:
        file.seek(12345)
        flipped = bytes([BIG[12345] ^ 1])
        file.write(flipped)
    pair.serve()
    cache = pair.far_cache()
    fill(cache, version)
    assert_filled(pair, cache, version, FILES)
    assert pair.sent(name="big") - len(BIG) == len(BIG), "all of it once more, from the lake"
    assert pair.sent() - before >= len(BIG)
    near = pair.near_session
    assert [event.event for event in near.hub.volumes.events(near.cache.volume_id, 1)] == ["blob-suspect"]
    suspected = near.hub.replicas.get(near.cache.volume_id, version)
    assert suspected is not None
    assert suspected.verified_at == 0.0
    ledger = pair.far_ledger()
    assert (ledger.moved_bytes, ledger.peer_bytes) == (pair.sent() - before, sum(map(len, FILES.values())))


class _InterruptedError(Exception):
    pass


def test_a_fill_goes_on_from_what_a_peer_gave(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has a peer's bytes as it has the lake's: the next holder fetches neither again."""
    monkeypatch.setattr(transfer, "CHECKPOINT_BYTES", 1 << 20)
    version = pair.filled({"big": BIG})
    before = pair.sent()
    pair.serve()

    def interrupt() -> None:
        raise _InterruptedError

    with pytest.raises(_InterruptedError):
        fill(pair.far_cache(TellingDisk(HOOK_BYTES, interrupt)), version)
    pair.serving.kill()
    cache = pair.far_cache()
    fill(cache, version)
    assert_filled(pair, cache, version, {"big": BIG})
    kept = len(BIG) - (pair.sent() - before)
    assert HOOK_BYTES - (2 << 20) <= kept <= HOOK_BYTES
    assert pair.far_ledger().moved_bytes == len(BIG) - kept


def test_two_fills_at_once_take_each_file_once(pair: Pair) -> None:
    """ONE-FILL: the second waits for the first, whoever the bytes come from."""
    version = pair.filled(FILES)
    before = pair.sent()
    pair.serve()
    threads = [threading.Thread(target=fill, args=(pair.far_cache(), version)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pair.sent() == before
    assert pair.far_ledger().peer_bytes == sum(map(len, FILES.values()))
