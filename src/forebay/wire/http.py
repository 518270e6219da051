"""What both ends of the HTTP face agree on: the API's place, its headers, and how an error crosses.

An error's category is its status, so that it comes out as the same class; `kind`, `message` and `todo` go as they are.
"""

from __future__ import annotations

from typing import Any, Final

from forebay.errors import (
    CapacityError,
    ConflictError,
    DamagedError,
    ForebayError,
    InputError,
    InternalError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)

API: Final = "/api/v1"
PARQUET: Final = "application/vnd.apache.parquet"
GZIP: Final = "application/gzip"
BYTES: Final = "application/octet-stream"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
REQUEST_ID: Final = "X-Request-ID"

LONGEST_WAIT_S: Final = 25.0
"""A hub holds a question back no longer than this: many proxies cut what is silent for a minute."""

INTERNAL: Final = "internal"
"""The only kind that an InternalError has over HTTP: what went wrong inside is for the hub's log."""


class DamagedUploadError(DamagedError):
    """What was sent is damaged, not what the hub has: for whom to blame, that is another status."""


_STATUSES: Final = (
    (DamagedUploadError, 422),
    (NotFoundError, 404),
    (InputError, 400),
    (NotAllowedError, 403),
    (ConflictError, 409),
    (UnavailableError, 503),
    (CapacityError, 507),
)
_STATUSES_BY_KIND: Final = {
    "not-signed-in": 401,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "body-too-large": 413,
    "bad-request": 422,
    "too-many-requests": 429,
    "too-many-failed-sign-ins": 429,
}
_CATEGORIES: Final = {
    **{status: category for category, status in _STATUSES},
    401: NotAllowedError,
    408: UnavailableError,
    422: DamagedError,
    429: UnavailableError,
}


def status_of(error: ForebayError) -> int:
    """The HTTP status of an error."""
    if error.kind in _STATUSES_BY_KIND:
        return _STATUSES_BY_KIND[error.kind]
    return next((status for category, status in _STATUSES if isinstance(error, category)), 500)


def error_to_json(error: ForebayError) -> dict[str, Any]:
    """The one error shape."""
    return {"error": {"kind": error.kind, "message": error.message, "todo": error.todo}}


def error_from_json(status: int, data: Any) -> ForebayError | None:
    """The error that a hub told; None when this is no hub's answer."""
    found = data.get("error") if isinstance(data, dict) else None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("kind", "message")):
        return None
    category = _category(status, found["kind"])
    return category(found["kind"], found["message"], todo=str(found.get("todo", "")))


def _category(status: int, kind: str) -> type[ForebayError]:
    if status == 422 and kind in _STATUSES_BY_KIND:
        return InputError
    if status in _CATEGORIES:
        return _CATEGORIES[status]
    if status < 500:
        return InputError
    return InternalError if kind == INTERNAL else DamagedError
