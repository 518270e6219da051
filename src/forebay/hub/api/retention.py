"""Retention: what is kept of a dataset's versions, what goes, and what is brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query
from pydantic import Field

from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Number
from forebay.wire.catalog import Version
from forebay.wire.retention import RetentionPlan, RetentionPolicy

router = resource("retention", "/datasets/{name}")

_MOST_NUMBER = 2**31 - 1
KeptCount = Annotated[int, Field(ge=1, le=_MOST_NUMBER)]
Name = Annotated[str, Field(max_length=200)]
KeptDays = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Keep the newest so many, and what was made or used within so many days; null and null keep all."""

    keep_last: KeptCount | None = None
    keep_days: KeptDays | None = None
    by: Name = ""


@dataclass(frozen=True, kw_only=True)
class Why:
    """Why a version is retired."""

    reason: Annotated[str, Field(max_length=1000)] = ""
    by: Name = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks."""

    by: Name = ""


@router.get("/retention")
def get_retention(hub: Acting, name: str) -> RetentionPolicy:
    """What is kept of a dataset: all, where nothing was set."""
    return hub.retention.policy(name)


@router.put("/retention")
def set_retention(hub: Acting, name: str, kept: Kept) -> RetentionPolicy:
    """Declare what is kept from now on."""
    return hub.retention.set_policy(
        RetentionPolicy(dataset=name, keep_last=kept.keep_last, keep_days=kept.keep_days), kept.by
    )


@router.get("/retention/plan")
def plan_retention(
    hub: Acting,
    name: str,
    keep_last: Annotated[int | None, Query(ge=1, le=_MOST_NUMBER)] = None,
    keep_days: Annotated[float | None, Query(gt=0, allow_inf_nan=False)] = None,
    proposed: Annotated[bool, Query(description="Of the policy in this query, not of the one that is set.")] = False,
) -> RetentionPlan:
    """What becomes of every version that is not retired, and why."""
    of = RetentionPolicy(dataset=name, keep_last=keep_last, keep_days=keep_days) if proposed else None
    return hub.retention.plan(name, of)


@router.post("/retention/application")
def apply_retention(hub: Acting, name: str, asked: Asked) -> RetentionPlan:
    """Retire now what the policy does not keep, however much that is."""
    return hub.retention.apply(name, asked.by)


@router.put("/versions/{number}/retirement")
def retire_version(hub: Acting, name: str, number: Number, why: Why) -> Version:
    """Retire a version: nobody opens, fills, tags or runs on it any more, until it is restored."""
    return hub.retention.retire(name, number, why.reason, why.by)


@router.delete("/versions/{number}/retirement")
def restore_retired_version(
    hub: Acting, name: str, number: Number, by: Annotated[str, Query(max_length=200)] = ""
) -> Version:
    """Bring a retired version back."""
    return hub.retention.restore(name, number, by)
