"""What a source gave is counted over the time in which anything was asked of it."""

from __future__ import annotations

import pytest

from forebay.cache.tally import Tally
from forebay.testing.cached import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_the_time_between_requests_does_not_count(clock: FakeClock) -> None:
    tally = Tally("dgx", clock)
    for _ in range(3):
        request = tally.begin()
        clock.pass_by(0.5)
        tally.came(request, 60)
        clock.pass_by(1.5)
        tally.came(request, 40)
        tally.end(request)
        clock.pass_by(100.0)
    report = tally.report("clicks", 2.0)
    assert report is not None
    assert (report.moved_bytes, report.seconds, report.requests, report.streams) == (300, 6.0, 3, 1)
    assert (report.first_byte_s, report.concurrency, report.dataset) == (0.5, 2.0, "clicks")


def test_streams_are_counted_on_average(clock: FakeClock) -> None:
    tally = Tally("dgx", clock)
    requests = [tally.begin() for _ in range(4)]
    assert tally.streams == 4
    clock.pass_by(2.0)
    for request in requests:
        tally.came(request, 1)
        tally.end(request)
    report = tally.report("clicks", 1.0)
    assert report is not None
    assert (report.seconds, report.streams, tally.streams) == (2.0, 4, 0)


def test_what_gave_nothing_tells_nothing(clock: FakeClock) -> None:
    tally = Tally("dgx", clock)
    request = tally.begin()
    clock.pass_by(5.0)
    tally.end(request)
    assert tally.report("clicks", 1.0) is None
