"""Writes that happen once: with an `Idempotency-Key`, the same request again gets the first one's answer.

A key belongs to the bearer of one token; refusals are not kept, since they wrote nothing. An answer with a secret is
not kept, either: in its place is the error that says so. Uploads need no key: a file is kept by its digest, however
often it comes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from forebay.errors import ForebayError, InputError
from forebay.hub.answers import Answer, Answers, Key
from forebay.hub.api.acting import caller_of, came_from, hub_for, token_of
from forebay.log import get_logger
from forebay.wire.http import IDEMPOTENCY_KEY, error_to_json, status_of

_log = get_logger("hub.api")
_WRITES = {"POST", "PUT", "DELETE"}
_LONGEST_KEY = 128
_REPLAYED = "Idempotency-Replayed"

Handle = Callable[[Request], Awaitable[Response]]


class OnceRoute(APIRoute):
    """A route whose writes take idempotency keys."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        if set(more.get("methods") or ()) & _WRITES:
            more["openapi_extra"] = {"parameters": [_PARAMETER]}
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Any:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            key = request.headers.get(IDEMPOTENCY_KEY)
            if key is None or request.method not in _WRITES:
                return await handle(request)
            return await _once(request, Key(caller=caller_of(request), text=_checked(key)), handle)

        return answered


def tell_once(request: Request, response: Response, instead: ForebayError) -> None:
    """Nothing shall keep this answer, since it has a secret; whoever asks again with its key is told `instead`."""
    request.state.instead = instead
    response.headers["Cache-Control"] = "no-store"


_PARAMETER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": "Any text of your own; the same request with the same key within 24 h happens once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": _LONGEST_KEY, "pattern": "^[!-~]+$"},
}


async def _once(request: Request, key: Key, handle: Handle) -> Response:
    answers: Answers = request.app.state.answers
    asked = _digest(request.method, request.url.path, request.url.query, await request.body())
    known = await run_in_threadpool(answers.begin, key, asked)
    if known is not None:
        # Whoever may no longer come in gets no old answer, either.
        await run_in_threadpool(hub_for(request), token_of(request), came_from(request))
        return _replayed(known)
    try:
        response = await handle(request)
    except Exception:
        await run_in_threadpool(answers.forget, key)
        raise
    await _keep(answers, key, _to_be_kept(request, response))
    return response


def _to_be_kept(request: Request, response: Response) -> Answer:
    instead: ForebayError | None = getattr(request.state, "instead", None)
    if instead is None:
        return Answer(status=response.status_code, body=bytes(response.body))
    return Answer(status=status_of(instead), body=json.dumps(error_to_json(instead)).encode())


async def _keep(answers: Answers, key: Key, answer: Answer) -> None:
    """The write is done and shall be told, also where its answer can't be kept."""
    try:
        await run_in_threadpool(answers.keep, key, answer)
    except ForebayError as error:
        _log.warning("answer-not-kept", kind=error.kind)


def _replayed(known: Answer) -> Response:
    kind = "application/json" if known.body else None
    return Response(known.body, known.status, {_REPLAYED: "true"}, kind)


def _checked(key: str) -> str:
    if not 0 < len(key) <= _LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise InputError(
            "bad-idempotency-key", f"An idempotency key is 1 to {_LONGEST_KEY} printable characters without a blank."
        )
    return key


def _digest(*parts: str | bytes) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        hasher.update(len(data).to_bytes(8))
        hasher.update(data)
    return hasher.hexdigest()
