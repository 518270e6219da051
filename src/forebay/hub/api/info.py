"""What the hub is, and whether it is well."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from forebay.hub.access.rules import Agent, Person
from forebay.hub.api.acting import Acting
from forebay.hub.api.errors import FAILED
from forebay.hub.api.resource import resource

router = resource("hub", once=False)
health = APIRouter(tags=["health"], responses={"5XX": FAILED})

VERSION = version("forebay")


@dataclass(frozen=True, kw_only=True)
class HubInfo:
    """The hub's own id, with which it marks volumes, and its version; and whom the token that asks speaks for.

    `site` is an agent's; `token_until` is 0 for a token that does not end.
    """

    owner: str
    version: str
    user: str = ""
    role: str = ""
    site: str = ""
    token_until: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """How it is."""

    status: str


@router.get("/hub")
def hub_info(hub: Acting) -> HubInfo:
    """What this hub is, and who asks."""
    match getattr(hub, "principal", None):
        case Person() as who:
            return HubInfo(owner=hub.owner, version=VERSION, user=who.user, role=who.role.value, token_until=who.until)
        case Agent() as who:
            return HubInfo(owner=hub.owner, version=VERSION, user=who.user, site=who.site)
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
