"""The application: all resources under one roof, whoever its callers are and wherever its records lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, Request, Response

from forebay.errors import ForebayError
from forebay.hub.answers import Answers
from forebay.hub.api import (
    audit,
    bundles,
    datasets,
    downtimes,
    files,
    fills,
    history,
    info,
    keepsakes,
    leases,
    links,
    policies,
    previews,
    progress,
    replicas,
    retention,
    rules,
    run_logs,
    run_streams,
    runs,
    sign_in,
    sites,
    tags,
    tasks,
    teams,
    tokens,
    users,
    versions,
    volumes,
)
from forebay.hub.api.acting import HubFor, KnownCallers
from forebay.hub.api.errors import add_error_handlers, failure_schemas
from forebay.hub.api.info import VERSION
from forebay.hub.api.limits import Bounded, Limits
from forebay.hub.api.measured import Measured, Metrics
from forebay.hub.api.measured import router as metrics_router
from forebay.hub.api.rates import Paced
from forebay.hub.api.requests import Traced
from forebay.hub.api.watching import Watchers
from forebay.hub.door import Door
from forebay.hub.lakes import PublicLakes
from forebay.wire.http import API

CheckLake = Callable[[str], object]


class Pages(Protocol):
    """The dashboard."""

    def add_to(self, app: FastAPI) -> None:
        """Its routes come, and errors are told to people as pages."""

    def refusal(self, error: ForebayError, request: Request) -> Response | None:
        """An error as a page, which needs nothing looked at; None where a program asked."""


_ROUTERS: tuple[APIRouter, ...] = (
    *(part.router for part in (sites, leases, versions, datasets, fills, runs, run_logs, info)),
    *(part.router for part in (tags, files, volumes, history, progress, replicas, links, tasks, run_streams, bundles)),
    *(part.router for part in (keepsakes, downtimes, previews, rules, retention, users, teams, tokens)),
    *(part.router for part in (policies, audit, sign_in)),
    *(files.uploads, links.unkept, info.health),
)
"""Routes are tried one after another: those of what comes most often are first."""


class _HubApi(FastAPI):
    """Has no pages of FastAPI's own: they would bring scripts from elsewhere."""

    def openapi(self) -> dict[str, Any]:
        """The description, made when first asked for."""
        if self.openapi_schema is None:
            super().openapi()["components"]["schemas"].update(failure_schemas())
        return super().openapi()


def create_app(
    hub_for: HubFor,
    *,
    answers: Answers,
    check: Callable[[], object],
    limits: Limits | None = None,
    check_lake: CheckLake | None = None,
    door: Door | None = None,
    is_stopping: Callable[[], bool] = bool,
    metrics: Metrics | None = None,
    site: Pages | None = None,
) -> FastAPI:
    """The hub's API.

    `hub_for` gives the hub that a bearer token may act through; `answers` keeps what writes with an idempotency key
    were answered; `check` raises while the hub is not ready; `check_lake` raises for lakes that no version may be in,
    by default all that are not public; a `door` lets people with a browser in; streams and waits end when it
    `is_stopping`. Where there are `metrics`, they count the requests and are told under /metrics. A `site` has
    the pages.
    """
    app = _HubApi(
        title="Forebay hub", version=VERSION, openapi_url=f"{API}/openapi.json", docs_url=None, redoc_url=None
    )
    app.state.hub_for = hub_for
    app.state.known_callers = KnownCallers()
    app.state.answers = answers
    app.state.check = check
    app.state.door = door
    app.state.site = None
    app.state.check_lake = check_lake or PublicLakes()
    app.state.is_stopping = is_stopping
    app.state.watchers = Watchers(is_stopping)
    app.router.routes.extend(route for router in _ROUTERS for route in router.routes)
    add_error_handlers(app)
    if site is not None:
        site.add_to(app)
    app.add_middleware(Bounded, limits=limits or Limits())
    app.add_middleware(Paced, limits=limits or Limits())
    app.add_middleware(Traced)
    if metrics is not None:
        app.state.metrics = metrics
        app.router.routes.extend(metrics_router.routes)
        app.add_middleware(Measured, metrics=metrics)
    return app
