"""Where the shells say what happened: structured events on Python's standard logging, under the name `forebay`.

A program that uses forebay decides with `logging` where they go; where it decides nothing, warnings come to stderr.
Fields that are `bound` are in every event that comes meanwhile, whichever layer tells it: the id of a hub's request is.
Never a secret, a token, a signed URL or local variables.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

_NONE: Mapping[str, object] = {}
_bound: ContextVar[Mapping[str, object]] = ContextVar("forebay.log.bound", default=_NONE)


def get_logger(name: str) -> Logger:
    """What writes `event key=value ...` to the standard logger `forebay.<name>`."""
    return Logger(name)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Give these fields to every event of this task, and of threads that work for it, until the block's end."""
    before = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(before)


class Logger:
    """A structlog logger that is made with its first event: most processes never have one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def warning(self, event: str, **fields: object) -> None:
        self._structured.warning(event, **fields)

    def info(self, event: str, **fields: object) -> None:
        """What is no fault; for who runs a server."""
        self._structured.info(event, **fields)

    @cached_property
    def _structured(self) -> Any:
        return _structured(self._name)


def _structured(name: str) -> Any:
    import structlog

    return structlog.wrap_logger(
        logging.getLogger(f"forebay.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            _with_bound,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _with_bound(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {**_bound.get(), **event}
