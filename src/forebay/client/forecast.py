"""What a fill would do: bytes to move, time by what past fills took, and what would have to go. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebay import fsio
from forebay.cache import salvage
from forebay.cache.account import reserve
from forebay.cache.contents import Contents, load_contents
from forebay.cache.listing import Listing
from forebay.cache.place import most_described_bytes
from forebay.cache.plan import FillPlan, plan_fill
from forebay.cache.policy import Decision
from forebay.cache.shared import learn
from forebay.client.price import cost_of_reading
from forebay.client.session import Session
from forebay.wire.cache import NoRoom, OpenFill, Replica, ReplicaState
from forebay.wire.catalog import Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`left_bytes` an earlier try left behind; `missing_bytes` would still lack after `evicts` had gone (0: it fits).

    So would `over_quota_bytes` within the quota of the dataset's team.

    `estimated_seconds` is None while no fill here has shown how fast the lake is; `cost` while no price is set for
    reading it (`read_price`), else it is in `currency`.
    """

    ref: str
    state: ReplicaState
    move_files: int
    move_bytes: int
    present_bytes: int
    left_bytes: int
    estimated_seconds: float | None
    cost: float | None
    currency: str
    evicts: tuple[Decision, ...]
    missing_bytes: int
    over_quota_bytes: int


def forecast(session: Session, version: Version, contents: Contents | None = None) -> Forecast:
    """What warming this version now would do; with its `contents`, of a subset that nobody has declared."""
    hub, cache = session.hub, session.cache
    replica = hub.replicas.get(cache.volume_id, version) if contents is None else None
    state = replica.state if replica is not None else ReplicaState.ABSENT
    if state is ReplicaState.READY:
        return _nothing_to_do(version, state)
    contents = contents or load_contents(hub.catalog, version)
    plan = _plan(session, version, contents)
    fills = hub.fills.open_fills(cache.volume_id)
    paid, over_quota_bytes = _quota(session, version, fills)
    evicts, missing_bytes = _room(session, version, contents, plan.need_bytes, fills)
    evicts = tuple({item.candidate.replica.ref: item for item in (*paid, *evicts)}.values())
    rate, price = _bytes_per_second(session, version), session.settings.price
    return Forecast(
        ref=version.ref,
        state=state,
        move_files=len(plan.missing),
        move_bytes=plan.move_bytes,
        present_bytes=version.size_bytes - plan.move_bytes,
        left_bytes=sum(fill.reserved_bytes for fill in fills if fill.ref == version.ref and not fill.live),
        estimated_seconds=None if rate is None else plan.move_bytes / rate,
        cost=cost_of_reading(session.settings, version, plan.move_bytes),
        currency=price.currency if price is not None else "",
        evicts=evicts,
        missing_bytes=missing_bytes,
        over_quota_bytes=over_quota_bytes,
    )


def _nothing_to_do(version: Version, state: ReplicaState) -> Forecast:
    return Forecast(
        ref=version.ref,
        state=state,
        move_files=0,
        move_bytes=0,
        present_bytes=version.size_bytes,
        left_bytes=0,
        estimated_seconds=0.0,
        cost=0.0,
        currency="",
        evicts=(),
        missing_bytes=0,
        over_quota_bytes=0,
    )


def _plan(session: Session, version: Version, contents: Contents) -> FillPlan:
    """The fill's own plan, without what an earlier try left: that is verified only by the fill itself."""
    cache, layout = session.cache, session.cache.layout
    listing = Listing.of(learn(session.hub, layout, cache.volume_id, version, contents))
    count = len(listing.sizes)
    there = bytearray(count)
    for index in listing.digests.known():
        first = listing.firsts[index]
        known = first < index
        there[index] = there[first] if known else layout.blob(version.group, listing.name(index)).exists()
    plan = plan_fill(listing.sizes, listing.firsts, there, bytes(count), {})
    replicas = session.cache.replicas()
    found = salvage.find(layout, version, replicas, contents.manifest, contents.cuts, plan.missing)
    ranges = {index: item.ranges for index, item in found.items()}
    return plan_fill(listing.sizes, listing.firsts, there, bytes(count), ranges) if found else plan


def _quota(session: Session, version: Version, fills: Sequence[OpenFill]) -> tuple[tuple[Decision, ...], int]:
    """What its team would have to give up for its quota, and how many bytes that would lack all the same."""
    cache = session.cache
    teams = {item.name: item.team for item in session.hub.catalog.datasets()}
    team = teams[version.dataset]
    quota = next((item for item in session.hub.volumes.quotas(cache.volume_id) if item.team == team), None)
    if quota is None:
        return (), 0
    others = [fill for fill in fills if fill.ref != version.ref and teams.get(fill.ref.partition("@")[0]) == team]
    held_bytes = cache.evictor.team_bytes(version, team) + sum(fill.reserved_bytes for fill in others)
    over_bytes = held_bytes - quota.limit_bytes
    if over_bytes <= 0:
        return (), 0
    decisions = cache.evictor.decisions(team=team, team_missing_bytes=over_bytes)
    if decisions.team_freed_bytes(team) < over_bytes:
        return (), over_bytes - decisions.team_freed_bytes(team)
    return tuple(item for item in decisions.going if item.candidate.replica.team == team), 0


def _room(
    session: Session, version: Version, contents: Contents, need_bytes: int, fills: Sequence[OpenFill]
) -> tuple[tuple[Decision, ...], int]:
    """What would have to go for it, and how many bytes would be missing all the same."""
    volume = session.cache.volume()
    others = [fill for fill in fills if fill.ref != version.ref]
    answer = reserve(
        limit_bytes=volume.limit_bytes,
        used_bytes=volume.used_bytes,
        reserved_bytes=sum(fill.reserved_bytes for fill in others),
        unwritten_bytes=sum(max(0, fill.reserved_bytes - fill.progress.moved_bytes) for fill in others),
        free_bytes=fsio.free_bytes(session.cache.layout.root),
        need_bytes=need_bytes + most_described_bytes(contents.file.stat().st_size, version.files),
    )
    if not isinstance(answer, NoRoom):
        return (), 0
    going: list[Decision] = []
    missing_bytes = answer.missing_bytes
    for decision in session.cache.evictor.decisions(missing_bytes).going:
        if missing_bytes > 0 and not answer.never:
            going.append(decision)
            missing_bytes -= decision.frees_bytes
    return tuple(going), max(0, missing_bytes)


def _bytes_per_second(session: Session, version: Version) -> float | None:
    """How fast versions came here: those from the same lake where there are any, or else all."""
    filled = [item for item in session.cache.replicas() if item.fill_seconds > 0 and item.size_bytes]
    same = [item for item in filled if session.hub.catalog.resolve(item.ref).lake_url == version.lake_url]
    return _rate(same) or _rate(filled)


def _rate(replicas: Sequence[Replica]) -> float | None:
    seconds = sum(item.fill_seconds for item in replicas)
    return sum(item.size_bytes for item in replicas) / seconds if seconds else None
