"""How long the database takes for each statement: listens to an engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event


def listen(engine: Engine, done: Callable[[float], object], failed: Callable[[], object]) -> None:
    """Call `done` with the seconds of each statement, `failed` for each that raised."""
    began = object()

    def before(connection: Any, _cursor: Any, _statement: Any, _given: Any, _context: Any, _many: Any) -> None:
        connection.info[began] = time.perf_counter()

    def after(connection: Any, _cursor: Any, _statement: Any, _given: Any, _context: Any, _many: Any) -> None:
        done(time.perf_counter() - connection.info.pop(began))

    def raised(_context: Any) -> None:
        failed()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", raised)
