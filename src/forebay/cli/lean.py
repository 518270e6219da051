"""Keeps what is of no use there out of a process that is forebay's own program, which starts in half the time so.

pyarrow imports numpy with itself, and pandas as soon as it is given a number, to ask whether that is one of theirs;
structlog imports rich, for pages of errors that nobody asked for; FastAPI looks for models of an old pydantic.
Only for processes that end with one command of ours: never where somebody else's code will run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def import_arrow_alone() -> None:
    """Import pyarrow so that for it, in this process, these two do not exist; everybody else can still import them.

    Arrow's `to_numpy` and `to_pandas` do not work afterwards. Nothing happens where one of all three is there already.
    """
    asked_for = ("numpy", "pandas")
    if any(name in sys.modules for name in ("pyarrow", *asked_for)):
        return
    with _without(*asked_for):
        import pyarrow.parquet  # noqa: F401
        from pyarrow import compute

        # It looks for pandas once, at the first plain number.
        compute.call_function("equal", [0, 0])


def import_hub_alone() -> None:
    """Import what a served hub is made of: its log without rich, its routes without a look at pydantic's past."""
    with _without("rich", "pydantic.v1"):
        import structlog  # noqa: F401

        import forebay.hub.serve  # noqa: F401


@contextmanager
def _without(*names: str) -> Iterator[None]:
    """For the block, these do not exist; those that are there already stay."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
