"""The audit: in pages, and as one stream for who keeps it elsewhere. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse

from forebay.hub.api.acting import Acting
from forebay.hub.api.paging import Page, Paging, cursor_of
from forebay.hub.api.resource import resource
from forebay.hub.api.values import Count
from forebay.wire.access import Access, AuditPage, AuditQuery, AuditRecord, Outcome
from forebay.wire.audit_lines import csv_lines, json_lines

router = resource("audit", "/audit")

_EXPORT_PAGE = 1000


class Format(StrEnum):
    """How lines are written down."""

    NDJSON = "ndjson"
    CSV = "csv"


_TYPES = {Format.NDJSON: "application/x-ndjson", Format.CSV: "text/csv"}
_GOES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {kind: {"schema": {"type": "string"}} for kind in _TYPES.values()},
        "description": "A line for each record, newest first; of CSV the first one has the names of the fields.",
    }
}


def _chosen(
    user: Annotated[str, Query(max_length=1000, description="Only what this one did.")] = "",
    dataset: Annotated[str, Query(max_length=1000, description="Only what was to be done to this one.")] = "",
    action: Annotated[str, Query(max_length=1000, description="Only what the rules call so.")] = "",
    outcome: Annotated[Outcome | None, Query()] = None,
    since: Annotated[float, Query(allow_inf_nan=False, description="Not before.")] = 0.0,
    until: Annotated[float, Query(allow_inf_nan=False, description="Only before; 0: until now.")] = 0.0,
    before: Annotated[Count, Query(description="Only what is older than the line of this number; 0: all.")] = 0,
) -> AuditQuery:
    return AuditQuery(
        user=user, dataset=dataset, action=action, outcome=outcome, since=since, until=until, before=before
    )


Chosen = Annotated[AuditQuery, Depends(_chosen)]


@router.get("")
def list_audit(hub: Acting, chosen: Chosen, paging: Paging) -> Page[AuditRecord]:
    """Who did what to which dataset, and who was refused; newest first."""
    before = chosen.before
    if paging.after is not None:
        match paging.after:
            case (int(number),) if 0 < number < 2**63:
                before = min(number, before or number)
            case _:
                raise paging.refused()
    found = hub.access.audit(replace(chosen, before=before, limit=paging.limit))
    return Page(items=list(found.records), next=cursor_of((found.next_before,)) if found.next_before else None)


@router.get("/export", response_class=Response, responses=_GOES)
def export_audit(
    hub: Acting, chosen: Chosen, format_: Annotated[Format, Query(alias="format")] = Format.NDJSON
) -> StreamingResponse:
    """All of it as one stream. A connection that breaks was not the end: that is a whole last line."""
    query = replace(chosen, limit=_EXPORT_PAGE)
    # The first page is read before the answer begins: a refusal has a status of its own.
    records = _records(hub.access, query, hub.access.audit(query))
    lines = json_lines(records) if format_ is Format.NDJSON else csv_lines(records)
    return StreamingResponse(lines, media_type=_TYPES[format_])


def _records(access: Access, query: AuditQuery, page: AuditPage) -> Iterator[AuditRecord]:
    yield from page.records
    while page.next_before:
        page = access.audit(replace(query, before=page.next_before))
        yield from page.records
