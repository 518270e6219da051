"""Each request has an id, in its answer's header and in all its lines of the log; what nobody caught ends here.

ASGI, the outermost. The log has the path, not the query: never a token, a header or a body.
"""

from __future__ import annotations

import re
import time
import traceback
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forebay.errors import ForebayError
from forebay.hub.api.errors import error_response, internal
from forebay.log import bound, get_logger
from forebay.wire.http import REQUEST_ID

_log = get_logger("hub.api")
_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Traced:
    """Gives ids, logs requests, answers for bugs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        with bound(request=request_id):
            await self._traced(scope, receive, send, request_id)

    async def _traced(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began = time.perf_counter()
        status = 0

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, tell)
        except Exception as error:
            if not isinstance(error, ForebayError):
                _log.warning("bug", trace="".join(traceback.format_exception(error)))
                error = internal(request_id)
            if status:
                raise
            await error_response(error, request_id)(scope, receive, tell)
        finally:
            took = round(time.perf_counter() - began, 4)
            facts = {"method": scope["method"], "path": scope["path"], "status": status, "seconds": took}
            _log.info("request", **facts)


def _request_id(scope: Scope) -> str:
    """The client's own id where it sent a harmless one."""
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _GIVEN.fullmatch(given) else uuid.uuid4().hex
