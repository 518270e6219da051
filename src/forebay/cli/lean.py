"""Keeps numpy and pandas out of a process that is forebay's own program, which starts in half the time without them.

pyarrow imports numpy with itself, and pandas as soon as it is given a number, to ask whether that is one of theirs.
Only for processes that end with one command of ours: never where somebody else's code will run.
"""

from __future__ import annotations

import sys

_ASKED_FOR = ("numpy", "pandas")


def import_arrow_alone() -> None:
    """Import pyarrow so that for it, in this process, these two do not exist; everybody else can still import them.

    Arrow's `to_numpy` and `to_pandas` do not work afterwards. Nothing happens where one of all three is there already.
    """
    if any(name in sys.modules for name in ("pyarrow", *_ASKED_FOR)):
        return
    for name in _ASKED_FOR:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import pyarrow.parquet  # noqa: F401
        from pyarrow import compute

        # It looks for pandas once, at the first plain number.
        compute.call_function("equal", [0, 0])
    finally:
        for name in _ASKED_FOR:
            del sys.modules[name]
