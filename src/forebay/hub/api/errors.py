"""Every failure in the one shape, `{"error": {"kind", "message", "todo"}}`, with the status of its category.

Nothing of the inside gets out: a bug shows the request's id, under which the log has the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.types import Scope

from forebay.errors import ForebayError, InputError, InternalError, NotFoundError
from forebay.log import get_logger
from forebay.wire.http import API, INTERNAL, error_to_json, status_of

_log = get_logger("hub.api")

_PASSING = {"database-busy", "database-away", "request-under-way"}
"""Kinds that are over in a moment: whoever gets one may ask again by itself."""

_RETRY_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What failed, on which object, and what to do next. A `kind` never changes its meaning."""

    kind: str
    message: str
    todo: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The answer to every request that failed."""

    error: Problem


FAILED: dict[str, Any] = {
    "description": "It failed: what, and what to do.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}},
}
"""How a route describes its failures. Not by the class: each route would build a validator, which none of them uses."""


def failure_schemas() -> dict[str, Any]:
    """What `FAILED` refers to."""
    schema = TypeAdapter(Failure).json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Failure": schema}


def add_error_handlers(app: FastAPI) -> None:
    """Tell errors of ours, of FastAPI's and of Starlette's in the one shape."""
    app.add_exception_handler(ForebayError, _forebay_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


def error_response(error: ForebayError, request_id: str) -> JSONResponse:
    """The answer that tells an error; one of the inside is logged instead."""
    if isinstance(error, InternalError):
        _log.warning("bug", kind=error.kind, message=error.message)
        error = internal(request_id)
    headers = {}
    status = status_of(error)
    if error.kind in _PASSING:
        headers["Retry-After"] = str(_RETRY_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(error_to_json(error), status, headers)


def refusal(error: ForebayError, scope: Scope) -> Response:
    """What a middleware answers in place of the application: as a page, where a person asked a hub that has pages."""
    request = Request(scope)
    site = getattr(getattr(scope.get("app"), "state", None), "site", None)
    shown: Response | None = site.refusal(error, request) if site is not None else None
    return shown or error_response(error, scope["state"]["request_id"])


def internal(request_id: str) -> InternalError:
    """What is told of a bug."""
    return InternalError(
        INTERNAL,
        f"The hub failed on the request {request_id}.",
        todo="Whoever runs the hub finds the reason under this id in its log; please report it.",
    )


async def _forebay_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ForebayError)
    return error_response(error, request.state.request_id)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = "; ".join(_wrong(item) for item in error.errors()[:3])
    bad = InputError("bad-request", f"The request is wrong: {told}.", todo=f"See {API}/openapi.json.")
    return error_response(bad, request.state.request_id)


def _wrong(item: Any) -> str:
    """One wrong value; never the value itself, which may be a secret."""
    place = ".".join(str(part) for part in item["loc"])
    told = str(item["msg"]).encode(errors="backslashreplace").decode()
    return f"{place}: {told}"


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    """What Starlette refuses; and an error of ours that FastAPI met while it read a body."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ForebayError):
        return error_response(error.__cause__, request.state.request_id)
    found = _refusal(request, error)
    response = error_response(found, request.state.request_id)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def _refusal(request: Request, error: HTTPException) -> ForebayError:
    todo = f"See {API}/openapi.json."
    if error.status_code == 404:
        return NotFoundError("route-not-found", f"There is nothing at {request.url.path}.", todo=todo)
    if error.status_code == 405:
        told = f"{request.method} is not for {request.url.path}."
        return InputError("method-not-allowed", told, todo=todo)
    return InputError("bad-request", f"The request is wrong: {error.detail}.", todo=todo)
