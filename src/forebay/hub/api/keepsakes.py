"""What runs leave to be looked at: put by their agents, listed and read by whoever may read their logs.

What a run wrote is nothing that a browser may believe: it goes out as a file to be saved.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request, Response

from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.uploads import received
from forebay.hub.api.values import Count
from forebay.wire.http import BYTES
from forebay.wire.runs import Keepsake

router = resource("runs", "/runs/{run_id}/keepsakes", once=False)

_Attempt = Annotated[int, Path(ge=1, le=2**31 - 1)]
_Name = Annotated[str, Path(max_length=120, description="A plain file name.")]
_FILE: dict[str, Any] = {"content": {BYTES: {"schema": {"type": "string", "format": "binary"}}}}
_COMES: dict[str, Any] = {"requestBody": {**_FILE, "required": True}}
_GOES: dict[int | str, dict[str, Any]] = {200: {**_FILE, "description": "The file."}}
_HEADERS = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


@router.get("")
def list_keepsakes(hub: Acting, run_id: str) -> list[Keepsake]:
    """What its attempts left, the newest attempt's first."""
    return list(hub.runs.keepsakes(run_id))


@router.get("/{attempt}/{name}", response_class=Response, responses=_GOES)
def get_keepsake(hub: Acting, run_id: str, attempt: _Attempt, name: _Name) -> Response:
    """One of them."""
    return Response(hub.runs.keepsake(run_id, attempt, name), media_type=BYTES, headers=_HEADERS)


@router.put("/{attempt}/{name}", openapi_extra=_COMES)
async def put_keepsake(
    hub: Acting, run_id: str, attempt: _Attempt, name: _Name, token: Annotated[Count, Query()], request: Request
) -> Keepsake:
    """For an agent: a file that the attempt left; one of that name is replaced."""
    return await received(
        request, lambda file: hub.runs.keep(run_id, attempt, token, name, file.read_bytes()), name="keepsake"
    )
