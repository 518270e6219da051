"""What went wrong in a conversation with a lake, read from what obstore raised.

obstore's messages hold URLs and response bodies, which may hold secrets. So little of them is passed on: a fault has a
kind, an HTTP status, the lake's own error code (one word) and the host that was away; our errors are made of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from obstore import exceptions as obstore_errors

from forebay.errors import (
    ConflictError,
    DamagedError,
    ForebayError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)

# Everything that obstore raises for a failure; other exceptions are bugs or the caller's own.
OBSTORE_ERRORS = (obstore_errors.BaseError, OSError, ValueError)


class FaultKind(StrEnum):
    """What a failure means for the one who asked."""

    VANISHED = "vanished"
    DENIED = "denied"
    CHANGED = "changed"
    RANGE_IGNORED = "range-ignored"
    TRUNCATED = "truncated"
    TOO_LONG = "too-long"
    LENGTH_UNKNOWN = "length-unknown"
    EXISTS = "exists"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    BAD_KEY = "bad-key"
    AWAY = "away"


RETRIED = frozenset({FaultKind.TRUNCATED, FaultKind.AWAY})
_THROTTLED = frozenset({429, 503})
_RETRIED_STATUSES = frozenset({408, 409, 425, 429})

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_BAD_KEY = re.compile(r'Path ("(?:[^"\\]|\\.)*")', re.DOTALL)
# Host and port alone: before them may stand a password, after them a signature.
_HOST = re.compile(r"https?://(?:[^/@\s]*@)?([\w.:\[\]-]+)")
_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google\.internal|MissingCredential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One failure. `what` is our own wording, safe to show; `status` is 0 where there was no HTTP answer."""

    kind: FaultKind
    what: str
    status: int = 0

    @property
    def retried(self) -> bool:
        return self.kind in RETRIED

    @property
    def throttled(self) -> bool:
        return self.status in _THROTTLED


class LakeFault(Exception):
    """Carries a fault from where it was met to where it is decided upon. Never leaves this package."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def read_fault(error: BaseException) -> Fault:
    """The fault behind an exception that obstore raised."""
    text = str(error)
    found = _STATUS.search(text)
    status = int(found.group(1) or found.group(2)) if found else 0
    code = _CODE.search(text)
    kind, what = _by_type(error) or _by_credentials(text) or _by_status(status) or _by_text(text)
    if status:
        what = f"{what} (status {status}{f', {code.group(1)}' if code else ''})"
    return Fault(kind=kind, what=what, status=status)


_DENIED = FaultKind.DENIED, "the lake denies access"
_CHANGED = FaultKind.CHANGED, "the object is not the registered one any more"


def _by_type(error: BaseException) -> tuple[FaultKind, str] | None:
    if isinstance(error, FileNotFoundError):
        return FaultKind.VANISHED, "there is no such object"
    if isinstance(error, PermissionError | obstore_errors.PermissionDeniedError | obstore_errors.UnauthenticatedError):
        return _DENIED
    if isinstance(error, obstore_errors.PreconditionError | obstore_errors.NotModifiedError):
        return _CHANGED
    if isinstance(error, obstore_errors.AlreadyExistsError):
        return FaultKind.EXISTS, "the object exists already"
    if isinstance(error, ValueError | obstore_errors.InvalidPathError):
        named = _BAD_KEY.search(str(error))
        return FaultKind.BAD_KEY, f"the object key {named.group(1) if named else ''} can't be a path"
    return None


def _by_credentials(text: str) -> tuple[FaultKind, str] | None:
    """Where nothing is configured, obstore asks the cloud's metadata service, which is not there."""
    return (FaultKind.DENIED, "no credentials were found") if _CREDENTIALS.search(text) else None


def _by_status(status: int) -> tuple[FaultKind, str] | None:
    if status in (401, 403):
        return _DENIED
    if status == 404:
        return FaultKind.VANISHED, "the lake has no such bucket or object"
    if status == 412:
        return _CHANGED
    if status == 416:
        return FaultKind.CHANGED, "the object is shorter than registered"
    if status >= 500 or status in _RETRIED_STATUSES:
        return FaultKind.AWAY, "the lake did not answer"
    if status >= 400:
        return FaultKind.REFUSED, "the lake refused the request"
    return None


_UNREACHED = "the lake can't be reached"
_TEXTS: tuple[tuple[tuple[str, ...], FaultKind, str], ...] = (
    (("RangeNotSupported", "NotPartial", "UnexpectedRange"), FaultKind.RANGE_IGNORED, "the lake ignores ranges"),
    (("MissingContentLength",), FaultKind.LENGTH_UNKNOWN, "the lake does not tell the object's size"),
    (("IncompleteBody", "UnexpectedEof", "kind: Interrupted"), FaultKind.TRUNCATED, "the body ended early"),
    (("PermissionDenied", "Permission denied"), FaultKind.DENIED, "the files can't be read by this user"),
    (("TimedOut", "kind: Timeout"), FaultKind.AWAY, "the lake did not answer in time"),
    (("response body error", "response body:"), FaultKind.TRUNCATED, "the connection broke in mid-body"),
    (("kind: Connect",), FaultKind.AWAY, _UNREACHED),
    (("BareRedirect",), FaultKind.REFUSED, "the lake sent a redirect to nowhere, often a wrong region"),
    (("NotImplemented", "NotSupported"), FaultKind.UNSUPPORTED, "the lake does not offer this operation"),
)


def _by_text(text: str) -> tuple[FaultKind, str]:
    for marks, kind, what in _TEXTS:
        if any(mark in text for mark in marks):
            host = _HOST.search(text) if what is _UNREACHED else None
            return kind, f"{what} at {host[1]}" if host else what
    return FaultKind.AWAY, "the connection failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    category: type[ForebayError]
    kind: str
    todo: str


_REGISTER = "The version's bytes are not in the lake any more. Register a new version to use what is there now."
_REPORTS = {
    FaultKind.VANISHED: _Report(category=ConflictError, kind="object-vanished", todo=_REGISTER),
    FaultKind.CHANGED: _Report(category=ConflictError, kind="object-changed", todo=_REGISTER),
    FaultKind.DENIED: _Report(
        category=NotAllowedError,
        kind="lake-denied",
        todo="Check the credentials in the environment or in the profile, and what they may read.",
    ),
    FaultKind.RANGE_IGNORED: _Report(
        category=InputError, kind="range-ignored", todo="Fetch this object whole: do not split it into ranges."
    ),
    FaultKind.TRUNCATED: _Report(
        category=UnavailableError, kind="truncated", todo="Try again later; look at the lake and what is in between."
    ),
    FaultKind.TOO_LONG: _Report(
        category=DamagedError,
        kind="length-mismatch",
        todo="The lake contradicts itself about this object: look at it there before you try again.",
    ),
    FaultKind.LENGTH_UNKNOWN: _Report(
        category=InputError,
        kind="size-unknown",
        todo="Serve the file with a Content-Length, or copy it into an object store.",
    ),
    FaultKind.EXISTS: _Report(category=ConflictError, kind="object-exists", todo="Use another name."),
    FaultKind.UNSUPPORTED: _Report(category=InputError, kind="lake-unsupported", todo="Use another lake."),
    FaultKind.REFUSED: _Report(
        category=InputError, kind="lake-refused", todo="Check the URL, the region and the endpoint."
    ),
    FaultKind.BAD_KEY: _Report(
        category=InputError, kind="bad-key", todo="Rename the object in the lake, or choose a folder without it."
    ),
    FaultKind.AWAY: _Report(
        category=UnavailableError,
        kind="lake-away",
        todo="Check the endpoint and the network, or try again later; what was received is kept.",
    ),
}


def lake_error(fault: Fault, subject: str, *, tries: int = 1) -> ForebayError:
    """Our error for a fault; `subject` names the object or URL."""
    report = _REPORTS[fault.kind]
    after = f", after {tries} tries" if tries > 1 else ""
    return report.category(report.kind, f"{subject}: {fault.what}{after}", todo=report.todo)


def request_error(fault: Fault, root_url: str, key: str, *, tries: int = 1) -> ForebayError:
    """Our error for a listing or a write: where these meet "no such", the bucket itself is missing."""
    if fault.kind is FaultKind.VANISHED:
        return NotFoundError("lake-not-found", f"{root_url}: {fault.what}", todo="Check its name.")
    return lake_error(fault, f"{root_url}/{key}", tries=tries)
