"""Every error forebay raises on purpose: one base class, categories by what the caller does about it.

`kind` is a stable, append-only word that programs may match on; `message` says what failed and on which object;
`todo` says what to do next. Exit codes and HTTP statuses are chosen at the faces, from the category, not here.
"""

from __future__ import annotations


class ForebayError(Exception):
    """Base of all expected failures. `str()` gives the message and, on a second line, what to do next.

    `besides` has a line for each other object that failed in the same piece of work.
    """

    def __init__(self, kind: str, message: str, *, todo: str = "") -> None:
        super().__init__(kind, message, todo)
        self.kind = kind
        self.message = message
        self.todo = todo
        self.besides: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process borders (Dask, pools) whole."""
        return _remade, (type(self), self.kind, self.message, self.todo, self.besides)

    def __str__(self) -> str:
        return f"{self.message}\n{self.todo}" if self.todo else self.message


def _remade(
    category: type[ForebayError], kind: str, message: str, todo: str, besides: tuple[str, ...] = ()
) -> ForebayError:
    error = category(kind, message, todo=todo)
    error.besides = besides
    return error


class InputError(ForebayError):
    """The request itself is wrong: fix it and ask again."""


class NotFoundError(InputError):
    """The named thing does not exist (or may not be seen by the caller)."""


class ConflictError(ForebayError):
    """The state has moved on or forbids this: look at it again before you retry (stale token, changed object)."""


class UnavailableError(ForebayError):
    """Something needed is away or slow; the same request may work later."""


class CapacityError(ForebayError):
    """There is no room: free some, raise a limit, or ask for less."""


class NotAllowedError(ForebayError):
    """The caller's identity or the file permissions do not allow this."""


class DamagedError(ForebayError):
    """Bytes are not what their digest says, or a structure on disk cannot be trusted."""


class InternalError(ForebayError):
    """A bug in forebay: an invariant does not hold. Please report it."""
