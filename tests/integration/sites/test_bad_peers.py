"""Whatever a peer answers, what reaches the sink is the beginning of what was asked, and the peer rests."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from forebay.cache.nearby import Asked
from forebay.clock import Clock, SystemClock
from forebay.digest import digest_bytes
from forebay.sites.nearby import PeerManners, Resting
from forebay.sites.peers import Peers
from forebay.testing.awkward import (
    AwkwardOrigin,
    Fault,
    Hold,
    IgnoreRange,
    Lengthen,
    Reset,
    Shorten,
    Status,
    Truncate,
)
from forebay.testing.cached import FakeClock
from forebay.wire.links import LinkRecord, PeerHolder, Sources

pytestmark = pytest.mark.integration

BLOB = random.Random(3).randbytes(2 << 20)
DIGEST = digest_bytes(BLOB)
PATH = f"/blobs/0/{DIGEST.hex()}"
START = 1000
ASKED = Asked(index=0, digest=DIGEST, start=START, end=len(BLOB))
MANNERS = PeerManners(read_s=0.5)


def link(source: str, bandwidth_bytes_s: float) -> LinkRecord:
    return LinkRecord(
        source=source,
        target="here",
        bandwidth_bytes_s=bandwidth_bytes_s,
        bandwidth_spread=0.5,
        latency_s=0.01,
        latency_spread=0.5,
    )


def holder(url: str, name: str = "v1", bandwidth_bytes_s: float = 1e9) -> PeerHolder:
    return PeerHolder(volume_id=name, site=name, url=url, ticket="fbt_x", link=link(name, bandwidth_bytes_s))


@contextmanager
def peers(
    *holders: PeerHolder, clock: Clock | None = None, told: list[tuple[str, bytes]] | None = None
) -> Iterator[Peers]:
    clock = clock or SystemClock()
    sources = Sources(lake=link("s3://lake", 1e7), peers=holders, tickets_last_s=900.0)

    def suspect(name: str, digest: bytes) -> None:
        if told is not None:
            told.append((name, digest))

    made = Peers(sources, lambda: sources, suspect, Resting(clock), clock, MANNERS)
    try:
        yield made
    finally:
        made.close()


def fetched(made: Peers, asked: Asked = ASKED) -> tuple[bytes, int, set[str]]:
    got, given_by = bytearray(), set[str]()
    reached = made.fetch(asked, got.extend, bool, given_by)
    assert reached == asked.start + len(got)
    return bytes(got), reached, given_by


@pytest.fixture
def peer(awkward_origin: AwkwardOrigin) -> AwkwardOrigin:
    awkward_origin.put(PATH, BLOB)
    return awkward_origin


def test_a_good_peer_gives_exactly_what_was_asked(peer: AwkwardOrigin) -> None:
    with peers(holder(peer.url)) as made:
        assert fetched(made) == (BLOB[START:], len(BLOB), {"v1"})
        inside = replace(ASKED, start=5, end=6)
        assert fetched(made, inside)[0] == BLOB[5:6]
        (tally,) = made.tallies()
        assert tally.moved_bytes == len(BLOB) - START + 1
        report = tally.report("clicks", 1.0)
    assert report is not None
    assert (report.requests, report.streams, report.source) == (2, 1, "v1")
    assert [seen.range for seen in peer.seen(PATH)] == [f"bytes={START}-{len(BLOB) - 1}", "bytes=5-5"]


@pytest.mark.parametrize(
    "fault",
    [
        Status(401),
        Status(500),
        Status(503),
        Status(302),
        IgnoreRange(),
        Shorten(missing_bytes=10),
        Lengthen(extra_bytes=10),
        Truncate(after_bytes=700_000),
        Reset(after_bytes=700_000),
        Reset(),
        Hold(),
        Hold(after_bytes=700_000),
    ],
    ids=str,
)
def test_a_bad_answer_ends_with_a_prefix_and_the_peer_rests(peer: AwkwardOrigin, fault: Fault) -> None:
    peer.misbehave(PATH, always=fault)
    with peers(holder(peer.url)) as made:
        got, reached, _ = fetched(made)
        assert got == BLOB[START:reached]
        if not isinstance(fault, Lengthen):
            assert reached < len(BLOB)
        asked = len(peer.seen(PATH)) + isinstance(fault, Hold)
        assert fetched(made, replace(ASKED, start=reached))[0] == b""
        if isinstance(fault, Hold):
            fault.gate.set()
        assert len(peer.seen(PATH)) <= asked


def test_a_blob_that_is_missing_is_not_the_peer_s_end_but_many_are(peer: AwkwardOrigin) -> None:
    with peers(holder(peer.url)) as made:
        for index in (7, 8):
            assert fetched(made, replace(ASKED, index=index))[0] == b""
        assert fetched(made)[1] == len(BLOB), "a good answer in between"
        for index in (9, 10, 11):
            assert fetched(made, replace(ASKED, index=index))[0] == b""
        assert fetched(made) == (b"", START, set())


def test_a_blob_that_a_peer_lacks_is_asked_of_it_once_in_however_many_ranges(peer: AwkwardOrigin) -> None:
    missing = replace(ASKED, index=7)
    with peers(holder(peer.url)) as made:
        for start in range(START, START + 5):
            assert fetched(made, replace(missing, start=start)) == (b"", start, set())
        assert len(peer.seen(PATH.replace("/0/", "/7/"))) == 1
        assert fetched(made)[1] == len(BLOB), "it has others"


def test_the_next_peer_goes_on_where_the_nearest_broke_off(peer: AwkwardOrigin) -> None:
    peer.misbehave(PATH, Truncate(after_bytes=700_000))
    with peers(holder(peer.url, "near", 2e9), holder(peer.url, "farther", 1e9)) as made:
        assert fetched(made) == (BLOB[START:], len(BLOB), {"near", "farther"})
        first, second = peer.seen(PATH)
    assert (first.range, second.range) == (
        f"bytes={START}-{len(BLOB) - 1}",
        f"bytes={START + 700_000}-{len(BLOB) - 1}",
    )


def test_nobody_listens(peer: AwkwardOrigin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with peers(holder(f"http://127.0.0.1:{port}")) as made:
        assert fetched(made) == (b"", START, set())


def test_a_connection_that_was_closed_meanwhile_is_made_anew(peer: AwkwardOrigin) -> None:
    with peers(holder(peer.url)) as made:
        assert fetched(made)[1] == len(BLOB)
        peer.end_connections()
        assert fetched(made)[1] == len(BLOB), "that is no failure of the peer's"


class _Slow(SystemClock):
    """Each look at it takes a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds


def test_a_slow_peer_is_given_up_in_the_middle(peer: AwkwardOrigin) -> None:
    with peers(holder(peer.url), clock=_Slow()) as made:
        got, reached, _ = fetched(made)
    assert got == BLOB[START:reached]
    assert START < reached < len(BLOB)


def test_who_gave_a_wrong_file_is_told_and_rests(peer: AwkwardOrigin) -> None:
    told: list[tuple[str, bytes]] = []
    with peers(holder(peer.url), told=told) as made:
        _, _, given_by = fetched(made)
        made.suspect(DIGEST, given_by)
        assert told == [("v1", DIGEST)]
        assert fetched(made)[0] == b""


def test_what_the_sink_raises_comes_through(peer: AwkwardOrigin) -> None:
    def sink(chunk: bytes) -> None:
        raise KeyError(len(chunk))

    with peers(holder(peer.url)) as made:
        with pytest.raises(KeyError):
            made.fetch(ASKED, sink, bool, set())
        (tally,) = made.tallies()
        assert tally.streams == 0
        assert fetched(made)[1] == len(BLOB), "the peer is not to blame"


def test_tickets_are_renewed_before_they_run_out(peer: AwkwardOrigin) -> None:
    clock, asked = FakeClock(), list[int]()
    sources = Sources(lake=link("s3://lake", 1e7), peers=(holder(peer.url),), tickets_last_s=900.0)

    def ask() -> Sources | None:
        asked.append(1)
        return replace(sources, peers=()) if len(asked) > 1 else sources

    made = Peers(sources, ask, lambda name, digest: None, Resting(clock), clock, MANNERS)
    assert fetched(made)[1] == len(BLOB)
    assert asked == []
    clock.pass_by(450.0)
    assert fetched(made)[1] == len(BLOB)
    assert len(asked) == 1
    clock.pass_by(450.0)
    assert fetched(made)[0] == b"", "nobody has it any more"
    made.close()
