"""Code bundles: what runs run. A bundle is kept by its digest, however often it comes."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from fastapi.responses import FileResponse

from forebay.hub.api.acting import Acting
from forebay.hub.api.files import Stored
from forebay.hub.api.resource import resource
from forebay.hub.api.uploads import received
from forebay.hub.api.values import Digest
from forebay.wire.http import GZIP

router = resource("runs", "/bundles", once=False)

_FILE: dict[str, Any] = {"content": {GZIP: {"schema": {"type": "string", "format": "binary"}}}}
_COMES: dict[str, Any] = {"requestBody": {**_FILE, "required": True}}
_GOES: dict[int | str, dict[str, Any]] = {200: {**_FILE, "description": "The file."}}


@router.post("", status_code=201, openapi_extra=_COMES)
async def store_bundle(hub: Acting, request: Request) -> Stored:
    """Keep a code bundle (.tar.gz). Idempotent."""
    return Stored(digest=await received(request, hub.runs.store_code, name="bundle.tar.gz"))


@router.get("/{digest}", response_class=Response, responses=_GOES)
def get_bundle(hub: Acting, digest: Digest) -> FileResponse:
    """A code bundle."""
    return FileResponse(hub.runs.code_path(digest), media_type=GZIP)
