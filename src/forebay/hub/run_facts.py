"""What placement is told of the world, read from the database: sites, what is on their volumes, links, policies, queue.

Reads only, inside the caller's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from forebay.cache.machine import Terms, is_held
from forebay.catalog import schema as t
from forebay.hub import run_links, run_rooms, run_rows, run_versions, site_rows, task_rows
from forebay.hub.access import submitters
from forebay.hub.run_rooms import Room
from forebay.hub.run_rows import Kept
from forebay.hub.run_versions import WantedVersion
from forebay.hub.shared_bytes import Content, SharedBytes
from forebay.runs.backlog import Queued, turn_of
from forebay.runs.machine import is_due
from forebay.runs.plan import Waiting
from forebay.runs.request import SITE, estimate_of, request_of, resources_of, weights_of
from forebay.runs.world import Failed, Presence, Wanted, World
from forebay.sites import tasks
from forebay.sites.labels import parse_labels
from forebay.sites.site import Resources, Site, Working
from forebay.sites.state import SiteTerms
from forebay.sites.tasks import Errand
from forebay.wire.cache import ReplicaState
from forebay.wire.runs import NewRun, Run
from forebay.wire.sites import TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`queue` are the runs that may be placed, filled for or started now; `waiting` all that have no attempt under way.

    `gone` tells of waiting runs the versions that are no more, `refused` why some may not begin any more. `fills` are
    those that are wanted, by site and ref. `beside` are the contents of wanted versions that are neither there nor
    being brought, by site and ref, each with those of the dataset's versions that are there.
    """

    now: float
    number: int
    world: World
    queue: tuple[Queued, ...] = ()
    waiting: Mapping[str, Kept] = field(default_factory=dict)
    gone: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    agents: Mapping[str, int] = field(default_factory=dict)
    fills: Mapping[tuple[str, str], Errand] = field(default_factory=dict)
    versions: Mapping[str, Wanted] = field(default_factory=dict)
    beside: Mapping[tuple[str, str], tuple[Content, tuple[Content, ...]]] = field(default_factory=dict)

    @property
    def before(self) -> Waiting:
        """What a pass is planned by."""
        return Waiting(
            now=self.now,
            courses={run_id: kept.course for run_id, kept in self.waiting.items()},
            gone=self.gone,
            refused=self.refused,
            agents=self.agents,
            fills=self.fills,
        )


def load(
    connection: Connection, number: int, now: float, terms: SiteTerms, cache_terms: Terms, new: NewRun | None = None
) -> Facts:
    """All that a pass needs. Where nothing waits, nothing is asked of sites.

    With `new`, which nobody submits, what is needed to say where that would go, of the versions that it reads as well.
    """
    kept = run_rows.load(connection, run_rows.active())
    waiting = {item.course.run.run_id: item for item in kept if item.course.is_waiting}
    rows = site_rows.every(connection) if waiting or new else []
    if new is not None:
        waiting = _may_take_something(waiting, {_capacity(row) for row in rows}, turn_of(now, estimate_of(new)))
    fills = {
        (errand.task.site, errand.task.ref): errand
        for errand in task_rows.opened(connection)
        if errand.task.kind is TaskKind.FILL
    }
    if not waiting and new is None:
        return Facts(now=now, number=number, world=World(sites=()), fills=fills)
    refs = {use.ref for item in waiting.values() for use in item.course.run.new.data}
    refs |= {use.ref for use in new.data} if new else set()
    versions = run_versions.load(connection, refs)
    gone = _gone(waiting.values(), versions)
    asked = [item.course.run for run_id, item in waiting.items() if run_id not in gone]
    refused = submitters.refused(connection, asked)
    never = {**gone, **refused}
    wanted = {ref: item.wanted for ref, item in versions.items()}
    placed = _placed_refs(item for item in waiting.values() if item.course.run.run_id not in never)
    rooms = run_rooms.load(connection, {item.key: item.wanted for item in versions.values()}, now)
    working = _working_by_site(kept, now)
    sites = [_site(row, rooms.get(row["volume_id"]), working, placed, now, terms) for row in rows]
    keys = [item.key for item in versions.values()]
    ways = run_links.load(connection, _lakes(wanted.values()), keys, [site.name for site in sites], now)
    at = {row["volume_id"]: row["name"] for row in rows}
    known = _known_there(connection, at, versions, now, cache_terms)
    world = World(
        sites=tuple(sites),
        links=ways.links,
        own_links=ways.own_links,
        presence=_with_ordered(known, fills, wanted, now),
        failed=_failed(connection, known, wanted, now),
        residency=_residency(connection, {item.dataset for item in wanted.values()}),
    )
    return Facts(
        now=now,
        number=number,
        world=world,
        queue=tuple(_queue(waiting.values(), never, wanted, now)),
        waiting=waiting,
        gone=gone,
        refused=refused,
        agents={row["name"]: row["agent_token"] for row in rows if row["attached"]},
        fills=fills,
        versions=wanted,
        beside=run_versions.beside(connection, at, versions, known),
    )


def with_shared(facts: Facts, shared: SharedBytes) -> Facts:
    """With what of other versions is at the sites counted as there. Outside of any transaction."""
    keys = list(facts.beside)
    presence = dict(facts.world.presence)
    for key, shared_bytes in zip(keys, shared.of(facts.beside[key] for key in keys), strict=True):
        missing_bytes = max(1, facts.versions[key[1]].size_bytes - shared_bytes)
        presence[key] = replace(presence.get(key) or Presence(missing_bytes=0), missing_bytes=missing_bytes)
    return replace(facts, world=replace(facts.world, presence=presence))


def _lakes(wanted: Iterable[Wanted]) -> dict[str, set[str]]:
    """By lake, the datasets that are wanted from there."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in wanted:
        found[item.lake].add(item.dataset)
    return found


def _gone(waiting: Iterable[Kept], versions: Collection[str]) -> dict[str, str]:
    """By run, a version that it reads and that was forgotten since."""
    gone = {}
    for item in waiting:
        missing = [use.ref for use in item.course.run.new.data if use.ref not in versions]
        if missing:
            gone[item.course.run.run_id] = missing[0]
    return gone


def _queue(
    waiting: Iterable[Kept], never: Collection[str], wanted: Mapping[str, Wanted], now: float
) -> Iterable[Queued]:
    for item in waiting:
        run = item.course.run
        if run.run_id not in never and is_due(run, now):
            request = request_of(run.run_id, run.new, run.submitted_at, wanted)
            yield Queued(request=request, site=run.site or None, weights=weights_of(run.new))


def _placed_refs(waiting: Iterable[Kept]) -> dict[str, set[str]]:
    """By site, the versions that runs which are placed there are going to read."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in waiting:
        found[item.course.run.site].update(use.ref for use in item.course.run.new.data)
    return found


def _site(
    row: site_rows.Row,
    room: Room | None,
    working: Mapping[str, list[Working]],
    placed: Mapping[str, set[str]],
    now: float,
    terms: SiteTerms,
) -> Site:
    stands = site_rows.stands(row, now, terms)
    return Site(
        name=row["name"],
        capacity=_capacity(row),
        labels={**parse_labels(row["labels"]), SITE: row["name"]},
        state=stands.state,
        state_reason=stands.reason,
        working=tuple(working.get(row["name"], ())),
        volume_bytes=room.limit_bytes if room else None,
        free_bytes=room.free_bytes if room else None,
        room_bytes=room.bytes_for_fill(placed.get(row["name"], ())) if room else None,
        gpu_hour_price=row["gpu_hour_price"],
        cpu_hour_price=row["cpu_hour_price"],
        windows=row["windows"],
    )


def _capacity(row: site_rows.Row) -> Resources:
    return Resources(gpus=row["gpus"], cpus=row["cpus"], memory_bytes=row["memory_bytes"])


def _may_take_something(waiting: Mapping[str, Kept], capacities: Collection[Resources], turn: float) -> dict[str, Kept]:
    """Without runs that are placed nowhere and whose turn is later than that one, or that no site is large enough for:
    whose turn it is then finds no less because of them.
    """

    def may(run: Run) -> bool:
        return turn_of(run.submitted_at, estimate_of(run.new)) <= turn and any(
            map(resources_of(run.new).fits, capacities)
        )

    return {run_id: item for run_id, item in waiting.items() if item.course.run.site or may(item.course.run)}


def _working_by_site(kept: Iterable[Kept], now: float) -> dict[str, list[Working]]:
    found: dict[str, list[Working]] = defaultdict(list)
    for item in kept:
        if item.course.under_way is not None:
            found[item.course.under_way.site].append(_working(item, now))
    return found


def _working(item: Kept, now: float) -> Working:
    attempt = item.course.under_way
    assert attempt is not None
    new = item.course.run.new
    elapsed_s = max(0.0, now - attempt.started_at) if attempt.started_at else 0.0
    return Working(resources=resources_of(new), estimate_s=estimate_of(new), elapsed_s=elapsed_s)


def _known_there(
    connection: Connection, at: Mapping[str, str], versions: Mapping[str, WantedVersion], now: float, terms: Terms
) -> dict[tuple[str, str], Presence]:
    """Of versions that are ready, or that a fill has begun to bring, by site and ref; `at` are the sites by volume."""
    by_key = {item.key: item.wanted for item in versions.values()}
    found: dict[tuple[str, str], Presence] = {}
    fills = sa.select(t.fill).where(t.fill.c.volume_id.in_(sorted(at)), t.fill.c.version_id.in_(sorted(by_key)))
    for fill in connection.execute(fills):
        wanted = by_key[fill.version_id]
        live = is_held(fill.expires_at, now, terms.hold_seconds)
        found[at[fill.volume_id], wanted.ref] = _of_fill(fill, wanted, now, live=live)
    replicas = sa.select(t.replica.c.volume_id, t.replica.c.version_id).where(
        t.replica.c.state == ReplicaState.READY.value,
        t.replica.c.volume_id.in_(sorted(at)),
        t.replica.c.version_id.in_(sorted(by_key)),
    )
    for volume_id, key in connection.execute(replicas):
        found[at[volume_id], by_key[key].ref] = Presence(missing_bytes=0)
    return found


def _with_ordered(
    known: Mapping[tuple[str, str], Presence],
    fills: Mapping[tuple[str, str], Errand],
    versions: Mapping[str, Wanted],
    now: float,
) -> dict[tuple[str, str], Presence]:
    """With what sites were told to bring, and have not begun."""
    found = dict(known)
    for (site, ref), errand in fills.items():
        before = known.get((site, ref))
        if ref in versions and not errand.stopping and (before is None or before.missing_bytes):
            before = before or Presence(missing_bytes=versions[ref].size_bytes)
            rate = before.fill_bytes_s if before.filling else 0.0
            found[site, ref] = replace(before, filling=True, fill_bytes_s=rate, retry_s=_retry_s(errand, now))
    return found


def _retry_s(errand: Errand, now: float) -> float | None:
    """How long a fill that fails again and again waits for its next try."""
    if errand.is_ordered or tasks.failure(errand, now) is None:
        return None
    return min(max(0.0, errand.task.next_try_at - now), tasks.LONGEST_BACKOFF_S)


def _failed(
    connection: Connection, known: Mapping[tuple[str, str], Presence], refs: Collection[str], now: float
) -> dict[tuple[str, str], Failed]:
    """What came of the newest fill at each site, where that is nothing and the version is not there by now."""
    errands = task_rows.fills_since(connection, refs, now - tasks.REMEMBERED_S)
    newest = {(errand.task.site, errand.task.ref): errand for errand in errands}
    found = {}
    for key, errand in newest.items():
        failure = tasks.failure(errand, now)
        if failure is not None and (key not in known or known[key].missing_bytes):
            found[key] = Failed(
                reason=tasks.first_line(errand.task.last_error or errand.task.reason),
                unblock=errand.task.unblock or tasks.TRIED_AGAIN,
                at=errand.task.since,
                final=failure is tasks.Failure.FINAL,
            )
    return found


def _of_fill(fill: Any, wanted: Wanted, now: float, *, live: bool) -> Presence:
    """What a fill still lacks: at least a byte, since it is not ready."""
    missing_bytes = max(1, wanted.size_bytes - fill.present_bytes - fill.moved_bytes)
    seconds = max(1.0, now - fill.started_at)
    return Presence(missing_bytes=missing_bytes, filling=live, fill_bytes_s=fill.moved_bytes / seconds if live else 0.0)


def _residency(connection: Connection, datasets: Collection[str]) -> dict[str, frozenset[str]]:
    query = (
        sa.select(t.dataset.c.name, t.dataset_policy.c.sites)
        .join(t.dataset_policy, t.dataset_policy.c.dataset_id == t.dataset.c.dataset_id)
        .where(t.dataset.c.name.in_(sorted(datasets)), t.dataset_policy.c.sites != "")
    )
    return {row.name: frozenset(row.sites.split()) for row in connection.execute(query)}
