"""One way to compile with numba: no GIL, no fast-math, cached on disk.

The cache lies in `__pycache__` beside the module; where that is not writable numba takes `NUMBA_CACHE_DIR` or the
user's cache folder; where none is writable the function is compiled anew in each process. Numba's cache does not see
changes in other files: a compiled function must call only compiled functions of its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Array = NDArray[Any]
"""An array inside a kernel, where numba infers the element type from the call."""
Bytes = NDArray[np.uint8]


def compiled(function: Function) -> Function:
    """Compile `function` at its first call; the same numbers on every call, so that seeds reproduce."""
    try:
        return cast(Function, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # numba found no writable place for a cache
        return cast(Function, numba.njit(nogil=True)(function))
