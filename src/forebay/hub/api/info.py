"""What the hub is, and whether it is well."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from forebay.hub.api.acting import Acting

router = APIRouter(tags=["hub"])
health = APIRouter(tags=["health"])

VERSION = version("forebay")


@dataclass(frozen=True, kw_only=True)
class HubInfo:
    """The hub's own id, with which it marks volumes, and its version."""

    owner: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """How it is."""

    status: str


@router.get("/hub")
def hub_info(hub: Acting) -> HubInfo:
    """What this hub is."""
    return HubInfo(owner=hub.owner, version=VERSION)


@health.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="alive")


@health.get("/readyz")
async def readyz(request: Request) -> Health:
    """The database answers, too; 503 while it does not."""
    await run_in_threadpool(request.app.state.check)
    return Health(status="ready")
