"""How a server begins: its log is for who runs it, on stderr, one line an event."""

from __future__ import annotations

import gc
import sys

from forebay.cli.call import Call


def log_to_stderr() -> None:
    """What is no fault is told, too."""
    import logging

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("forebay").setLevel(logging.INFO)


def begin_calmly() -> None:
    """For one that somebody looks at: to a terminal, no line for every request that was answered."""
    import logging

    if sys.stderr.isatty():
        logging.getLogger("forebay.hub.api").setLevel(logging.WARNING)


def begin_serving() -> None:
    """For one that looks after a volume: before it imports what is heavy, without what it never needs of that."""
    log_to_stderr()
    if Call.lean:
        from forebay.cli.lean import import_arrow_alone

        import_arrow_alone()


def begin_hub() -> None:
    """For one that serves a hub: before it imports any of it."""
    if Call.lean:
        from forebay.cli.lean import import_hub_alone

        gc.disable()
        import_hub_alone()


def has_begun() -> None:
    """What is there now stays to the end: nobody looks through it for garbage again."""
    if Call.lean:
        gc.freeze()
        gc.enable()
