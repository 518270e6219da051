"""Where the shells say what happened: structured events on Python's standard logging, under the name `forebay`.

A program that uses forebay decides with `logging` where they go; where it decides nothing, warnings come to stderr.
Never a secret, a token, a signed URL or local variables.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any


def get_logger(name: str) -> Logger:
    """What writes `event key=value ...` to the standard logger `forebay.<name>`."""
    return Logger(name)


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
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
