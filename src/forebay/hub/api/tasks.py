"""The tasks of sites: what their agents do and shall do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, page
from forebay.hub.api.resource import resource
from forebay.wire.sites import Task, TaskKind

router = resource("tasks")


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """What somebody wants at a site, and why; a scrub without a version is of all. `by` as in cancellations."""

    kind: TaskKind
    ref: str = ""
    reason: str = ""
    by: str = ""


@router.get("/tasks")
def list_tasks(hub: Acting, paging: Paging, site: Annotated[str, Query(max_length=200)] = "") -> Page[Task]:
    """The tasks that are not final, of one site or of all, oldest first."""
    return page(hub.sites.tasks(site), lambda item: (item.since, item.task_id), paging)


@router.post("/sites/{site}/tasks")
def ask_for_task(hub: Acting, site: str, wanted: NewTask) -> Task:
    """Want a fill, an eviction or a scrub; one that is wanted already is found."""
    return hub.sites.ask(site, wanted.kind, wanted.ref, wanted.reason, wanted.by)


@router.delete("/tasks/{task_id}")
def withdraw_task(hub: Acting, task_id: str, reason: Annotated[str, Query(max_length=2000)] = "") -> Task:
    """It is not wanted any more; what is under way is told to stop."""
    return hub.sites.withdraw(task_id, reason)
