"""Links, lake -> site and site -> site: how fast, how far, how dear, and which one a fill should take. Pure.

Bandwidth and latency are learned from transfers; prices are declared, never learned. For a choice, a link is taken to
be slower than its mean by so many standard deviations (`SIGMAS`): what nobody has tried must not look better than it
is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from forebay.cache.bandwidth import ASSUMED_BYTES_S
from forebay.sites.estimate import Estimate, Prior, told
from forebay.wire.links import LinkRecord

SIGMAS = 0.5
"""Standard deviations by which a link is taken to be slower than its mean."""

TIME_CONSTANT_S = 2 * 86400.0
"""After so long without a transfer, what was measured counts 1/e of what it did."""

ASSUMED_LATENCY_S = 0.05
SLOW_SHARE = 0.2
"""A source that brings less than this share of what was expected of it is given up, where another is expected to be
faster."""

SLOW_AFTER_S = 3.0
"""Shorter waits say little."""

_SHORT_S = 1.0
_MOST_WAITED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMeasured:
    """A transfer over a link has ended.

    `concurrency` fills shared the link meanwhile, itself counted. `first_byte_s` is what a request waited for its first
    byte, of `objects` requests on `streams` streams; 0: not measured.
    """

    at: float
    moved_bytes: int
    seconds: float
    concurrency: float = 1.0
    objects: int = 1
    streams: int = 1
    first_byte_s: float = 0.0

    @property
    def waited(self) -> float:
        """The share of the time in which requests waited for first bytes."""
        if self.seconds <= 0:
            return 0.0
        return min(1.0, max(0.0, self.objects * self.first_byte_s / max(1, self.streams) / self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What is known of the way from `source` (a lake or a site) to the site `target`.

    `under_way_bytes` is what each fill that uses it now still has to move. `price_byte` is in the team's currency.
    `measured_at` 0: no fill has told of it, it is as declared or assumed.
    """

    source: str
    target: str
    bandwidth: Estimate
    latency: Estimate
    price_byte: float = 0.0
    under_way_bytes: tuple[int, ...] = ()
    measured_at: float = 0.0

    def bandwidth_bytes_s(self, now: float, *, sigmas: float = 0.0) -> float:
        """Of the whole link, `sigmas` below its mean."""
        return self.bandwidth.value(now, sigmas=-sigmas)

    def latency_s(self, now: float, *, sigmas: float = 0.0) -> float:
        """Until a request's first byte, `sigmas` above its mean."""
        return self.latency.value(now, sigmas=sigmas)

    def seconds_for(self, moving_bytes: int, now: float, *, sigmas: float = SIGMAS) -> float:
        """Until a fill of so many bytes that starts now is done, with the fills under way taking equal shares.

        By then each of those has had as much as this one, or all it lacked: b + sum(min(r, b)) bytes went over.
        """
        if moving_bytes <= 0:
            return 0.0
        others_bytes = sum(min(rest_bytes, moving_bytes) for rest_bytes in self.under_way_bytes)
        bandwidth_bytes_s = self.bandwidth_bytes_s(now, sigmas=sigmas)
        return self.latency_s(now, sigmas=sigmas) + (moving_bytes + others_bytes) / bandwidth_bytes_s

    def busy_with(self, moving_bytes: int) -> Link:
        """With one more fill under way."""
        return replace(self, under_way_bytes=(*self.under_way_bytes, moving_bytes))


def declared(
    source: str,
    target: str,
    *,
    bandwidth_bytes_s: float = ASSUMED_BYTES_S,
    latency_s: float = ASSUMED_LATENCY_S,
    price_byte: float = 0.0,
    time_constant_s: float = TIME_CONSTANT_S,
) -> Link:
    """A link before any transfer, with what somebody said of it or the assumption that nobody relies on for long."""
    return Link(
        source=source,
        target=target,
        bandwidth=Estimate(prior=Prior(value=bandwidth_bytes_s), time_constant_s=time_constant_s),
        latency=Estimate(prior=Prior(value=latency_s), time_constant_s=time_constant_s),
        price_byte=price_byte,
    )


def recorded(record: LinkRecord) -> Link:
    """A link as the hub told it."""
    return Link(
        source=record.source,
        target=record.target,
        bandwidth=told(record.bandwidth_bytes_s, record.bandwidth_spread, time_constant_s=TIME_CONSTANT_S),
        latency=told(record.latency_s, record.latency_spread, time_constant_s=TIME_CONSTANT_S),
        price_byte=record.price_byte,
        measured_at=record.measured_at,
    )


def learn(link: Link, event: TransferMeasured) -> Link:
    """With one more transfer. One that moved nothing, in no time, or before time was kept tells nothing.

    The link's own bandwidth is the transfer's times the fills that shared it, while bytes moved. A transfer of a second
    counts half of a long one, one that mostly waited for first bytes counts for the rest of its time, and one that did
    little else tells only the latency.
    """
    if event.moved_bytes <= 0 or event.seconds <= 0:
        return link
    link = replace(link, latency=link.latency.measured(event.first_byte_s, weight=1.0, at=event.at))
    if event.waited > _MOST_WAITED:
        return link
    moving_s = event.seconds * (1 - event.waited)
    sample_bytes_s = event.moved_bytes * max(1.0, event.concurrency) / moving_s
    weight = moving_s / (event.seconds + _SHORT_S)
    return replace(link, bandwidth=link.bandwidth.measured(sample_bytes_s, weight=weight, at=event.at))


def cost_byte(link: Link, now: float, *, wait_s_per_money: float = 0.0) -> float:
    """What a byte over this link costs one more fill: seconds, and money turned into seconds."""
    fills = 1 + len(link.under_way_bytes)
    return fills / link.bandwidth_bytes_s(now, sigmas=SIGMAS) + wait_s_per_money * link.price_byte


def nearest(links: Iterable[Link], now: float, *, wait_s_per_money: float = 0.0) -> Link | None:
    """The way that costs least a byte; None where there is none.

    It does not depend on how many bytes are missing, so that a fill that is further on never takes a worse way.
    """

    def cost(link: Link) -> tuple[float, str]:
        return cost_byte(link, now, wait_s_per_money=wait_s_per_money), link.source

    return min(links, key=cost, default=None)


def nearer_than(lake: Link, peers: Iterable[Link], now: float, *, wait_s_per_money: float = 0.0) -> Link | None:
    """The nearest peer, where it is no farther than the lake (as when nothing is known of either); else None."""
    best = nearest(peers, now, wait_s_per_money=wait_s_per_money)
    if best is None:
        return None
    costs = [cost_byte(link, now, wait_s_per_money=wait_s_per_money) for link in (best, lake)]
    return best if costs[0] <= costs[1] else None


def is_slow(moved_bytes: int, waited_s: float, *, streams: int, link: Link, instead: Link, now: float) -> bool:
    """Whether one of a source's streams, which waited so long for so many bytes, had better ask another source.

    Only what is far below both what was expected of this link and what is expected of the other: a link that is slow
    for everybody is not left for one that is no faster.
    """
    if waited_s < SLOW_AFTER_S:
        return False
    expected_bytes_s = min(way.bandwidth_bytes_s(now, sigmas=SIGMAS) for way in (link, instead)) / max(1, streams)
    return moved_bytes < SLOW_SHARE * expected_bytes_s * waited_s
