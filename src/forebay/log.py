"""Where the shells say what happened: structured events on Python's standard logging, under the name `forebay`.

A program that uses forebay decides with `logging` where they go; where it decides nothing, warnings come to stderr.
Never a secret, a token, a signed URL or local variables.
"""

from __future__ import annotations

import logging
from typing import Any

import structlog


def get_logger(name: str) -> Any:
    """A structlog logger that writes `event key=value ...` to the standard logger `forebay.<name>`."""
    return structlog.wrap_logger(
        logging.getLogger(f"forebay.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.LogfmtRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
