"""Volumes: where they are, their accounts, health and quotas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Signed
from forebay.wire.cache import HealthReport, Quota, Volume

router = resource("volumes", "/volumes")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A host has a volume at a path; the most that it may hold."""

    path: str
    limit_bytes: Count
    host: str = ""


@dataclass(frozen=True, kw_only=True)
class Used:
    """What was counted on a volume, and its `added_bytes` from before."""

    used_bytes: Count
    added_bytes: Count | None = None


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What was deleted of what the account counted; a negative number counts from now on.

    `counts` is the volume's from before the first of it was deleted: nothing happens when it was counted since.
    """

    freed_bytes: Signed
    counts: Count | None = None


@dataclass(frozen=True, kw_only=True)
class QuotaLimit:
    """The most that a team's replicas may hold."""

    limit_bytes: Signed


@router.get("")
def find_volumes(
    hub: Acting,
    path: Annotated[str, Query(max_length=4096, description="Where a host has it.")],
    host: Annotated[str, Query(max_length=255)] = "",
) -> Page[Volume]:
    """The volume that this host has seen at this path, if there is one."""
    found = hub.volumes.at(path, host)
    return Page(items=[] if found is None else [found], next=None)


@router.get("/{volume_id}")
def get_volume(hub: Acting, volume_id: str) -> Volume:
    """One volume with its account."""
    return hub.volumes.get(volume_id)


@router.put("/{volume_id}")
def add_volume(hub: Acting, volume_id: str, seen: Seen) -> Volume:
    """Make a volume known, its limit, and where this host has it."""
    return hub.volumes.add(volume_id, seen.path, seen.limit_bytes, seen.host)


@router.put("/{volume_id}/used-bytes", status_code=204)
def set_used_bytes(hub: Acting, volume_id: str, used: Used) -> None:
    """Recover: replace the account by what was counted, and what came onto it meanwhile."""
    hub.volumes.set_used_bytes(volume_id, used.used_bytes, used.added_bytes)


@router.post("/{volume_id}/freed", status_code=204)
def free_bytes(hub: Acting, volume_id: str, freed: Freed) -> None:
    """Something that the account counted was deleted."""
    hub.volumes.free_bytes(volume_id, freed.freed_bytes, freed.counts)


@router.post("/{volume_id}/health")
def report_health(hub: Acting, volume_id: str, report: HealthReport) -> Volume:
    """A sign of the volume's health was seen."""
    return hub.volumes.report_health(volume_id, report)


@router.get("/{volume_id}/quotas")
def list_quotas(hub: Acting, volume_id: str, paging: Paging) -> Page[Quota]:
    """The teams' quotas, by team."""
    return page(hub.volumes.quotas(volume_id), lambda item: (item.team,), paging)


@router.put("/{volume_id}/quotas/{team}")
def set_quota(hub: Acting, volume_id: str, team: str, quota: QuotaLimit) -> Quota:
    """Give a team a quota, or another one."""
    return hub.volumes.set_quota(volume_id, team, quota.limit_bytes)


@router.delete("/{volume_id}/quotas/{team}", status_code=204)
def remove_quota(hub: Acting, volume_id: str, team: str) -> None:
    """Take a team's quota away."""
    hub.volumes.remove_quota(volume_id, team)
