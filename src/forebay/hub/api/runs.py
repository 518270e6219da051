"""Runs: wanted, placed, watched, ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import MOST, Page
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count, Waiting
from forebay.hub.api.watching import run as run_topic
from forebay.hub.api.watching import watcher_for
from forebay.wire.runs import Explanation, NewRun, Run, RunQuery, RunState

router = resource("runs", "/runs")

_Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, kw_only=True)
class WhyCancelled:
    """Why a run shall end. `by` is whoever the token speaks for, where there is one."""

    reason: str = ""
    by: str = ""


class Which:
    """Which runs somebody wants to see; empty texts ask for all."""

    def __init__(
        self,
        state: RunState | None = None,
        user: _Text = "",
        team: _Text = "",
        site: _Text = "",
        dataset: _Text = "",
        active: Annotated[bool, Query(description="Only those that have not ended.")] = False,
        limit: Annotated[int, Query(ge=1, le=MOST, description="At most so many items.")] = 100,
        cursor: Annotated[str, Query(max_length=2000, description="`next` of the page before.")] = "",
    ) -> None:
        self.query = RunQuery(
            state=state, user=user, team=team, site=site, dataset=dataset, active=active, before=cursor, limit=limit
        )


@router.post("", status_code=201)
def submit_run(hub: Acting, new: NewRun) -> Run:
    """Queue a run; its refs and tags are resolved now."""
    return hub.runs.submit(new)


@router.post("/explanation")
def explain_run(hub: Acting, new: NewRun) -> Explanation:
    """Where it would go now, and why not elsewhere. Changes nothing."""
    return hub.runs.explain(new)


@router.get("")
def list_runs(hub: Acting, which: Annotated[Which, Depends()]) -> Page[Run]:
    """Runs, newest first."""
    found = hub.runs.page(which.query)
    return Page(items=list(found.runs), next=found.next_before or None)


@router.get("/{run_id}")
async def get_run(
    hub: Acting, run_id: str, request: Request, after: Annotated[Count, Query()] = 0, wait_s: Waiting = 0.0
) -> Run:
    """One run, as soon as its revision is above `after`; a unique beginning of an id will do."""
    found = await run_in_threadpool(hub.runs.get, run_id)
    if found.revision > after or not wait_s:
        return found
    await watcher_for(request, hub.revisions).news(run_topic(found.run_id), found.revision, wait_s)
    return await run_in_threadpool(hub.runs.get, found.run_id)


@router.post("/{run_id}/cancellation")
def cancel_run(hub: Acting, run_id: str, why: WhyCancelled) -> Run:
    """End it, or do not begin it."""
    return hub.runs.cancel(run_id, why.reason, why.by)


@router.post("/{run_id}/retry")
def retry_run(hub: Acting, run_id: str) -> Run:
    """Queue a failed or cancelled run once more, as it was."""
    return hub.runs.retry(run_id)
