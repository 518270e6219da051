"""Manifests, seals and recipes as files: they stream both ways, and what comes is bounded and checked by the hub."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.responses import FileResponse

from forebay.errors import NotFoundError
from forebay.hub.api.acting import Acting
from forebay.hub.api.resource import resource
from forebay.hub.api.uploads import received
from forebay.hub.api.values import Digest
from forebay.wire.http import PARQUET
from forebay.wire.hub import Hub

router = resource("files")
uploads = resource("files", once=False)

_FILE: dict[str, Any] = {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}
_COMES: dict[str, Any] = {"requestBody": {**_FILE, "required": True}}
_GOES: dict[int | str, dict[str, Any]] = {200: {**_FILE, "description": "The file."}}
_received = partial(received, name="upload.parquet")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """The digest under which a file is kept."""

    digest: Digest


@dataclass(frozen=True, kw_only=True)
class RecordedSeal:
    """The seal whose digests are known from now on."""

    seal_digest: Digest


@uploads.post("/manifests", status_code=201, openapi_extra=_COMES)
async def store_manifest(hub: Acting, request: Request) -> Stored:
    """Keep a manifest file. Idempotent."""
    return Stored(digest=await _received(request, hub.catalog.store_manifest))


@router.get("/manifests/{digest}", response_class=Response, responses=_GOES)
def get_manifest(hub: Acting, digest: Digest) -> FileResponse:
    """A manifest file."""
    return FileResponse(hub.catalog.manifest_path(digest), media_type=PARQUET)


@uploads.post("/seals", status_code=201, openapi_extra=_COMES)
async def store_seal(hub: Acting, request: Request) -> Stored:
    """Keep a seal file. Idempotent."""
    return Stored(digest=await _received(request, hub.catalog.store_seal))


@router.get("/manifests/{digest}/seal")
def get_seal(hub: Acting, digest: Digest) -> RecordedSeal:
    """The seal with the digests learned so far; 404 `nothing-learned` while there are none."""
    return RecordedSeal(seal_digest=_learned(hub, digest).stem)


@router.get("/manifests/{digest}/seal/file", response_class=Response, responses=_GOES)
def get_seal_file(hub: Acting, digest: Digest) -> FileResponse:
    """The file of that seal."""
    return FileResponse(_learned(hub, digest), media_type=PARQUET)


@router.put("/manifests/{digest}/seal", status_code=204)
def record_seal(hub: Acting, digest: Digest, recorded: RecordedSeal) -> None:
    """Record the digests of a seal that was stored before. Known ones never change."""
    hub.catalog.seal(digest, recorded.seal_digest)


@uploads.put("/manifests/{digest}/recipe", status_code=204, openapi_extra=_COMES)
async def store_recipe(hub: Acting, digest: Digest, request: Request) -> None:
    """Keep what the cut files of a subset are made of. The first one stays."""
    await _received(request, lambda file: hub.catalog.store_recipe(digest, file))


@router.get("/manifests/{digest}/recipe", response_class=Response, responses=_GOES)
def get_recipe(hub: Acting, digest: Digest) -> FileResponse:
    """That file."""
    return FileResponse(hub.catalog.recipe_path(digest), media_type=PARQUET)


def _learned(hub: Hub, digest: str) -> Path:
    """A seal's file, which is named by its digest."""
    path = hub.catalog.seal_path(digest)
    if path is None:
        raise NotFoundError("nothing-learned", f"No digest was learned for the manifest {digest}.")
    return path
