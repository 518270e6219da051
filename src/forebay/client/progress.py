"""One progress bar for a fill, in notebooks and terminals; nothing where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forebay.cache.engine import OnProgress
    from forebay.wire.cache import Progress


@contextmanager
def fill_progress(label: str, *, quiet: bool = False) -> Iterator[OnProgress]:
    """A callback that draws total progress in bytes, what was there before included."""
    bar: Any = None

    def show(progress: Progress, holder: str) -> None:
        nonlocal bar
        if not progress.total_bytes or quiet:
            return
        if bar is None:
            bar = _bar(label, progress)
        bar.total = progress.total_bytes
        bar.set_description_str(f"{label}: waiting for {holder}" if holder else label, refresh=False)
        bar.update(progress.done_bytes - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()


def _bar(label: str, progress: Progress) -> Any:
    from tqdm.auto import tqdm

    return tqdm(
        total=progress.total_bytes,
        initial=progress.present_bytes,
        desc=label,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=None if "ipykernel" not in sys.modules else False,
        mininterval=0.2,
    )
