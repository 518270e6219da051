"""What the hub's database shows a pass over the queue, as `hub.run_facts` reads it from tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.hub.run_facts import Facts
from forebay.runs.backlog import Queued
from forebay.runs.machine import Course, is_due
from forebay.runs.request import SITE, estimate_of, request_of, resources_of, weights_of
from forebay.runs.world import Presence, Wanted, World
from forebay.sites.links import declared
from forebay.sites.site import Resources, Site, Working
from forebay.sites.tasks import Errand
from forebay.wire.cache import ReplicaState
from forebay.wire.sites import TaskKind

if TYPE_CHECKING:
    from forebay.testing.sim.hub import SimHub, SiteRow

LAKE = "s3://lake"


def facts_of(hub: SimHub) -> Facts:
    """All that one pass is decided by."""
    waiting = {name: kept for name, kept in hub.runs.items() if kept.course.is_waiting}
    wanted = {
        ref: Wanted(ref=ref, dataset=item.name, size_bytes=item.size_bytes, lake=LAKE)
        for ref, item in hub.datasets.items()
    }
    fills = {(e.task.site, e.task.ref): e for e in hub.open_errands() if e.task.kind is TaskKind.FILL}
    queue = tuple(
        Queued(
            request=request_of(name, kept.course.run.new, kept.course.run.submitted_at, wanted),
            site=kept.course.run.site or None,
            weights=weights_of(kept.course.run.new),
        )
        for name, kept in waiting.items()
        if is_due(kept.course.run, hub.now)
    )
    world = World(
        sites=tuple(_site(hub, row) for row in hub.sites.values()),
        links={(LAKE, name): declared(LAKE, name) for name in hub.sites},
        presence=_presence(hub, fills),
    )
    return Facts(
        now=hub.now,
        number=hub.ticks,
        world=world,
        queue=queue,
        waiting=waiting,
        agents={row.name: row.agent_token for row in hub.sites.values() if row.attached},
        fills=fills,
        versions=wanted,
    )


def _site(hub: SimHub, row: SiteRow) -> Site:
    return Site(
        name=row.name,
        capacity=Resources(cpus=hub.cpus),
        labels={SITE: row.name},
        state=hub.standing(row).state,
        working=tuple(_working(hub, kept.course) for kept in hub.under_way_at(row.name)),
        volume_bytes=hub.keeper.volumes[row.name].limit_bytes,
    )


def _working(hub: SimHub, course: Course) -> Working:
    attempt, new = course.run.attempts[-1], course.run.new
    elapsed_s = max(0.0, hub.now - attempt.started_at) if attempt.started_at else 0.0
    return Working(resources=resources_of(new), estimate_s=estimate_of(new), elapsed_s=elapsed_s)


def _presence(hub: SimHub, fills: dict[tuple[str, str], Errand]) -> dict[tuple[str, str], Presence]:
    found = {
        (site, ref): Presence(missing_bytes=hub.datasets[ref].size_bytes, filling=True)
        for (site, ref), errand in fills.items()
        if not errand.stopping
    }
    for place, facts in hub.keeper.facts.items():
        if facts.state is ReplicaState.READY:
            found[place] = Presence(missing_bytes=0)
    return found
