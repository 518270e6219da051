"""One resource's routes, whole from the start: where they are in the API, and how they fail.

FastAPI builds each route anew, validators and all, for every router that includes it: half the time that a hub took
to start. So nothing includes these: the application takes the routes as they are.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from forebay.hub.api.errors import FAILED
from forebay.hub.api.once import OnceRoute
from forebay.wire.http import API


def resource(tag: str, prefix: str = "", *, once: bool = True) -> APIRouter:
    """Routes under the API's prefix. `once`: their writes take idempotency keys."""
    failures: dict[int | str, dict[str, Any]] = {"4XX": FAILED, "5XX": FAILED}
    return APIRouter(
        prefix=f"{API}{prefix}", tags=[tag], responses=failures, route_class=OnceRoute if once else APIRoute
    )
