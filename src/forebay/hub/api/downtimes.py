"""Downtimes of sites: when they are looked after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Finite
from forebay.wire.downtimes import Downtime

router = resource("sites")


@dataclass(frozen=True, kw_only=True)
class NewDowntime:
    """From when to when (Unix seconds), and why. `by` as in cancellations of runs."""

    begins_at: Finite
    ends_at: Finite
    reason: str = ""
    by: str = ""


@router.get("/downtimes")
def list_downtimes(hub: Acting, paging: Paging, site: Annotated[str, Query(max_length=200)] = "") -> Page[Downtime]:
    """Those that are planned, under way, or over while their site is not back yet; the earliest first."""
    return page(hub.downtimes.all(site), lambda item: (item.begins_at, item.downtime_id), paging)


@router.post("/sites/{site}/downtimes")
def plan_downtime(hub: Acting, site: str, new: NewDowntime) -> Downtime:
    """Have a site drain for a while."""
    return hub.downtimes.plan(site, new.begins_at, new.ends_at, new.reason, new.by)


@router.delete("/sites/{site}/downtimes/{downtime_id}")
def cancel_downtime(hub: Acting, site: str, downtime_id: str) -> Downtime:
    """Take one back, also while it is under way."""
    return hub.downtimes.cancel(site, downtime_id)
