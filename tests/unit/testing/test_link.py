"""The slow link's own rules, with the clock in the test's hand: no packet early, none faster than the rate."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from forebay.testing.link import FAR, _Pipe

PACKET = bytes(50_000)
PACKET_S = len(PACKET) * 8 / FAR.rate_bits_s


Ends = tuple[_Pipe, socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A pipe between two sockets that keep packets apart, as TUN devices do; what goes in, and what comes out."""
    with ExitStack() as stack:
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        (sender, source), (target, receiver) = pairs
        for end in (sender, source, target, receiver):
            stack.enter_context(end).setblocking(False)
        yield _Pipe(source.fileno(), target.fileno(), FAR), sender, receiver


def _received(receiver: socket.socket) -> int:
    count = 0
    while True:
        try:
            receiver.recv(1 << 16)
        except BlockingIOError:
            return count
        count += 1


def test_a_packet_comes_half_a_round_trip_after_it_left_and_not_before(ends: Ends) -> None:
    pipe, sender, receiver = ends
    sender.send(PACKET)
    pipe.take(10.0)
    due = 10.0 + PACKET_S + FAR.round_trip_s / 2
    assert abs(pipe.next_at(10.0) - due) < 1e-9
    pipe.give(due - 1e-6)
    assert _received(receiver) == 0
    pipe.give(due + 1e-6)
    assert _received(receiver) == 1


def test_packets_leave_no_faster_than_the_rate(ends: Ends) -> None:
    pipe, sender, receiver = ends
    for _ in range(3):
        sender.send(PACKET)
    pipe.take(0.0)
    pipe.give(FAR.round_trip_s / 2 + 2 * PACKET_S + 1e-6)
    assert _received(receiver) == 2
    pipe.give(FAR.round_trip_s / 2 + 3 * PACKET_S + 1e-6)
    assert _received(receiver) == 1


def test_what_waits_at_the_entrance_is_bounded_and_goes_on_when_it_is_clear(ends: Ends) -> None:
    pipe, sender, _ = ends
    sent = 0
    for _ in range(200):
        try:
            sender.send(PACKET)
            sent += 1
        except BlockingIOError:
            pipe.take(0.0)
            if not pipe.has_room(0.0):
                break
    assert not pipe.has_room(0.0)
    later = pipe.next_at(0.0)
    assert 0 < later <= 0.015
    assert pipe.has_room(later + PACKET_S)
