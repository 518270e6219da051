"""Where a run should go, pure: a row for every site, with the reason for each that will not do, and the choice.

A run fills before it claims compute, so waiting for data and for compute overlap: it starts in the first hole for it
that begins when its data are there or later, which is never before the later of the two. What the overlap hides still
keeps links and volumes busy: that is the burden, and it is why a run goes to where most of its bytes are. Bytes that
push others out of a volume count twice, for those come again.

score = time to start + burden x seconds of new transfers + wait_s_per_money x (egress + compute); the least is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from forebay.cache.bandwidth import seconds_for
from forebay.runs.eligible import Need, Refusal, cut_short, refusals
from forebay.runs.outlook import Outlook
from forebay.runs.world import Presence, Request, Wanted, Weights, World
from forebay.sites.links import Link, nearest
from forebay.sites.site import Site
from forebay.wire.runs import Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A version that must come to a site, and from where; `under_way`: a fill is bringing it already; `retried`: it
    failed, and waits for its next try.

    `link` is the one that a new fill would take, as it is `at` a moment.
    """

    ref: str
    source: str
    missing_bytes: int
    seconds: float
    money: float = 0.0
    under_way: bool = False
    retried: bool = False
    link: Link | None = None
    at: float = 0.0

    @property
    def way(self) -> Way | None:
        """As it is told: reckoned only for a table that somebody reads."""
        return None if self.link is None else _way(self.link, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A site, for one run. Seconds from now: `data_s` until its data are there, `queue_s` until compute alone is free.

    Of a site that is refused, only `refusals` and `missing_bytes` say something. `failures` tell of fills that did not
    work and are tried again.
    """

    site: str
    missing_bytes: int
    refusals: tuple[Refusal, ...] = ()
    failures: tuple[str, ...] = ()
    fetches: tuple[Fetch, ...] = ()
    data_s: float = 0.0
    queue_s: float = 0.0
    start_s: float = 0.0
    egress_money: float = 0.0
    compute_money: float = 0.0
    score: float = 0.0

    @property
    def eligible(self) -> bool:
        return not self.refusals

    @property
    def money(self) -> float:
        return self.egress_money + self.compute_money


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Every site, the best first, those that will not do last; the choice is the first, if it will do."""

    run_id: str
    rows: tuple[Row, ...]

    @property
    def choice(self) -> Row | None:
        return self.rows[0] if self.rows and self.rows[0].eligible else None


def place(request: Request, world: World, weights: Weights, now: float) -> Placement:
    """Where it would go with nobody waiting before it (`backlog.step` looks at the whole queue)."""
    return rank(request, Outlook(world, now), weights)


def rank(request: Request, outlook: Outlook, weights: Weights, *, without_room: bool = False) -> Placement:
    """The table, with what those before it in this pass have taken. The order of the sites does not matter.

    Where a fill failed is a site's last choice: only when no other will do, and another try there may help.
    """

    def ranked(*, again: bool) -> Placement:
        rows = [
            judge(request, site, outlook, weights, without_room=without_room, again=again)
            for site in outlook.world.sites
        ]
        return Placement(run_id=request.run_id, rows=tuple(sorted(rows, key=_worth)))

    placement = ranked(again=False)
    return placement if placement.choice or not outlook.world.failed else ranked(again=True)


def judge(
    request: Request,
    site: Site,
    outlook: Outlook,
    weights: Weights,
    *,
    without_room: bool = False,
    again: bool = False,
) -> Row:
    """One site's row. `without_room`: also where its data would wait for room; who comes after it gets none then.

    `again`: also where a fill failed, if another try may help.
    """
    lacking = _lacking(request.data, site.name, outlook)
    missing_bytes = sum(presence.missing_bytes for _, presence in lacking)
    wanted_anew = [(wanted, presence) for wanted, presence in lacking if not presence.filling]
    new_bytes = sum(presence.missing_bytes for _, presence in wanted_anew)
    sourceless = next((item.ref for item, _ in reversed(wanted_anew) if not outlook.has_link(site.name, item)), "")
    room_bytes = None if without_room else outlook.room_bytes(site)
    need = Need(new_bytes=new_bytes, room_bytes=room_bytes, sourceless=sourceless, again=again)
    refused = refusals(request, site, outlook.world, need)
    if refused:
        return Row(site=site.name, missing_bytes=missing_bytes, refusals=refused)
    fetches = _fetches(lacking, site.name, outlook, weights)
    new = [fetch for fetch in fetches if not fetch.under_way]
    data_s = max((fetch.seconds for fetch in fetches), default=0.0)
    queue_s = outlook.start_s(site, request, after=0.0)
    start_s = outlook.start_s(site, request, after=data_s) if data_s else queue_s
    short = cut_short(request, site, outlook.now + start_s)
    if short is not None:
        return Row(site=site.name, missing_bytes=missing_bytes, refusals=(short,))
    egress = sum(fetch.money for fetch in new)
    compute = site.price_of(request.resources, request.estimate_s)
    displaced = outlook.displaced_bytes(site, new_bytes) / new_bytes if new_bytes else 0.0
    burden_s = (1 + displaced) * sum({fetch.source: fetch.seconds for fetch in new}.values())
    return Row(
        site=site.name,
        missing_bytes=missing_bytes,
        failures=_failures(request, site.name, outlook.world),
        fetches=fetches,
        data_s=data_s,
        queue_s=queue_s,
        start_s=start_s,
        egress_money=egress,
        compute_money=compute,
        score=start_s + weights.burden * burden_s + weights.wait_s_per_money * (egress + compute),
    )


def _worth(row: Row) -> tuple[bool, float, int, str]:
    return bool(row.refusals), row.score, row.missing_bytes, row.site


def _lacking(data: Iterable[Wanted], site: str, outlook: Outlook) -> list[tuple[Wanted, Presence]]:
    """The versions of which something is not there."""
    found = ((wanted, outlook.presence_of(site, wanted)) for wanted in data)
    return [(wanted, presence) for wanted, presence in found if presence.missing_bytes]


def _fetches(
    lacking: Iterable[tuple[Wanted, Presence]], site: str, outlook: Outlook, weights: Weights
) -> tuple[Fetch, ...]:
    """What must come. Versions on one link come one beside the other, each when all are."""
    found: list[Fetch] = []
    by_source: dict[str, tuple[Link, list[tuple[str, int]]]] = {}
    for wanted, presence in lacking:
        link = nearest(outlook.links_for(site, wanted), outlook.now, wait_s_per_money=weights.wait_s_per_money)
        if presence.filling:
            found.append(_rest(wanted.ref, presence, link, outlook.now))
        elif link is not None:
            by_source.setdefault(link.source, (link, []))[1].append((wanted.ref, presence.missing_bytes))
    for source, (link, parts) in by_source.items():
        seconds = link.seconds_for(sum(missing for _, missing in parts), outlook.now)
        found.extend(
            Fetch(
                ref=ref,
                source=source,
                missing_bytes=missing,
                seconds=seconds,
                money=missing * link.price_byte,
                link=link,
                at=outlook.now,
            )
            for ref, missing in parts
        )
    return tuple(found)


def _way(link: Link, now: float) -> Way:
    return Way(
        source=link.source,
        bandwidth_bytes_s=link.bandwidth_bytes_s(now),
        latency_s=link.latency_s(now),
        price_byte=link.price_byte,
        measured=link.measured_at > 0,
    )


def _rest(ref: str, presence: Presence, link: Link | None, now: float) -> Fetch:
    """What a fill under way still has to bring costs only its time, and that until its next try."""
    bytes_s = presence.fill_bytes_s or (link.bandwidth_bytes_s(now) if link else 0.0)
    return Fetch(
        ref=ref,
        source=link.source if link else "",
        missing_bytes=presence.missing_bytes,
        seconds=(presence.retry_s or 0.0) + seconds_for(presence.missing_bytes, bytes_s),
        under_way=True,
        retried=presence.retry_s is not None,
    )


def _failures(request: Request, site: str, world: World) -> tuple[str, ...]:
    failed = ((wanted.ref, world.failed.get((site, wanted.ref))) for wanted in request.data)
    return tuple(f"{ref} failed to come here: {item.reason}; it is tried again" for ref, item in failed if item)
