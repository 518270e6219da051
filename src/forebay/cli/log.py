"""How a server begins: its log is for who runs it, on stderr, one line an event."""

from __future__ import annotations

import sys

from forebay.cli.call import Call


def log_to_stderr() -> None:
    """What is no fault is told, too."""
    import logging

    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("forebay").setLevel(logging.INFO)


def begin_serving() -> None:
    """For one that looks after a volume: before it imports what is heavy, without what it never needs of that."""
    log_to_stderr()
    if Call.lean:
        from forebay.cli.lean import import_arrow_alone

        import_arrow_alone()
