"""Exit codes: from the category of an error, in this one place."""

from __future__ import annotations

from typing import Final

from forebay.errors import (
    CapacityError,
    ConflictError,
    DamagedError,
    ForebayError,
    InputError,
    NotAllowedError,
    NotFoundError,
    UnavailableError,
)

OK: Final = 0
ERROR: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
NOT_ALLOWED: Final = 4
CONFLICT: Final = 5
UNAVAILABLE: Final = 6
NO_ROOM: Final = 7
DAMAGED: Final = 8
NOT_READY: Final = 9
CANNOT_RUN: Final = 126
NO_SUCH_COMMAND: Final = 127

MEANINGS: Final = {
    OK: "done",
    ERROR: "an unexpected error: a bug, unless the message says otherwise",
    USAGE: "the request is wrong (usage, a name, bad input), or it was cancelled",
    NOT_FOUND: "what was named does not exist",
    NOT_ALLOWED: "not allowed: credentials or permissions",
    CONFLICT: "the state forbids it, or has moved on: look again before you retry",
    UNAVAILABLE: "something needed is away or slow: try again later",
    NO_ROOM: "there is no room for it",
    DAMAGED: "something is damaged",
    NOT_READY: "it is not ready on this volume (`forebay path` without `--fill`)",
}
"""`forebay exec` and `run` give the command's own code; 126 and 127 mean, as in a shell, that it could not be run."""

_BY_CATEGORY: Final = (
    (NotFoundError, NOT_FOUND),
    (InputError, USAGE),
    (NotAllowedError, NOT_ALLOWED),
    (ConflictError, CONFLICT),
    (UnavailableError, UNAVAILABLE),
    (CapacityError, NO_ROOM),
    (DamagedError, DAMAGED),
)
_BY_KIND: Final = {
    "not-ready": NOT_READY,
    "command-not-found": NO_SUCH_COMMAND,
    "command-not-executable": CANNOT_RUN,
}


def exit_code(error: ForebayError) -> int:
    """The exit code that tells a script what to do about an error."""
    if error.kind in _BY_KIND:
        return _BY_KIND[error.kind]
    return next((code for category, code in _BY_CATEGORY if isinstance(error, category)), ERROR)
