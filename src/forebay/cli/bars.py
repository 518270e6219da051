"""Progress on stderr, where somebody looks on: one bar for all bytes of a command, or a line that counts along.

What was there before counts as done, and does not count in the rate.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from forebay.cli.call import Call
from forebay.cli.words import clean, duration, size

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from forebay.wire.cache import Progress

_WINDOW_SECONDS = 8.0
_LABEL_WIDTH = 28


class ByteBar:
    """One bar for bytes, drawn when the first of them move. A context manager."""

    def __init__(self, call: Call, total_bytes: int) -> None:
        self._watched = call.watched
        self._total_bytes = total_bytes
        self._done: dict[str, int] = {}
        self._moved: dict[str, int] = {}
        self._told: set[str] = set()
        self._samples: deque[tuple[float, int]] = deque()
        self._bars: Bars | None = None
        self._task: Any = None

    def __enter__(self) -> ByteBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def fill(self, ref: str) -> Any:
        """A callback for the fill of one version; thread-safe as rich is."""

        def show(progress: Progress, holder: str) -> None:
            if progress.total_bytes or holder:
                self._begin()
                self._wait_for(ref, holder)
                self._update(ref, progress.done_bytes, progress.moved_bytes)

        return show

    def add(self, label: str, size_bytes: int) -> None:
        """So many more bytes are done."""
        self._begin()
        done = self._done.get(label, 0) + size_bytes
        self._update(label, done, done)

    def finish(self, label: str, size_bytes: int) -> None:
        """All of this is done (also when it was ready from the start)."""
        self._done[label] = size_bytes
        if self._bars is not None:
            self._update(label, size_bytes, self._moved.get(label, 0))

    def _begin(self) -> None:
        if not self._watched or self._bars is not None:
            return
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        told = TextColumn("{task.fields[told]}", markup=False, table_column=Column(no_wrap=True))
        label = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        self._bars = Progress(label, BarColumn(bar_width=None), told, console=_stderr(), expand=True, transient=True)
        self._task = self._bars.add_task("", total=self._total_bytes, told="")
        self._bars.start()

    def _wait_for(self, ref: str, holder: str) -> None:
        if holder and ref not in self._told and self._bars is not None:
            self._told.add(ref)
            self._bars.console.print(clean(f"{ref}: waiting for {holder}, who is filling it"))

    def _update(self, label: str, done_bytes: int, moved_bytes: int) -> None:
        self._done[label], self._moved[label] = done_bytes, moved_bytes
        if self._bars is None:
            return
        done = sum(self._done.values())
        told = f"{size(done)} of {size(self._total_bytes)}{self._rate(self._total_bytes - done)}"
        self._bars.update(self._task, description=_short(label), completed=done, told=told)

    def _rate(self, left_bytes: int) -> str:
        """Over the last seconds, in which nothing but moved bytes counts."""
        now, moved = time.monotonic(), sum(self._moved.values())
        self._samples.append((now, moved))
        while now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        then, before = self._samples[0]
        if now - then < 0.5 or moved <= before:
            return ""
        rate = (moved - before) / (now - then)
        return f"  {size(rate)}/s  {duration(max(1.0, left_bytes / rate))} left" if left_bytes else f"  {size(rate)}/s"


class Counter:
    """A line that says how far something is whose end is not known."""

    def __init__(self, status: Any) -> None:
        self._status = status
        self._shown_at = 0.0

    def show(self, told: str) -> None:
        now = time.monotonic()
        if self._status is not None and now - self._shown_at > 0.1:
            self._shown_at = now
            self._status.update(clean(told))


@contextmanager
def counter(call: Call, told: str) -> Iterator[Counter]:
    """A `Counter` while the block runs; silent where nobody looks on."""
    if not call.watched:
        yield Counter(None)
        return
    with _stderr().status(told) as status:
        yield Counter(status)


@contextmanager
def step_bar(call: Call, units: Mapping[str, str] | str = "") -> Iterator[Any]:
    """A callback `progress(stage, done, total)`: one bar, begun anew with each stage.

    `units` are of what is counted, in all stages or in those that it names: the bar then says how many a second.
    """
    if not call.watched:
        yield lambda stage, done, total: None
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            unit = units if isinstance(units, str) else units.get(task.description, "")
            return Text(f"{task.speed:,.0f} {unit}/s" if unit and task.speed else "")

    label = TextColumn("{task.description}", markup=False)
    columns = (label, BarColumn(), TaskProgressColumn(), Rate(), TimeRemainingColumn())
    bars = Progress(*columns, console=_stderr(), transient=True)
    tasks: dict[str, Any] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            for task in tasks.values():
                bars.update(task, visible=False)
            tasks[stage] = bars.add_task(stage)
        bars.update(tasks[stage], completed=done, total=total or None)

    with bars:
        yield show


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def _short(label: str) -> str:
    return clean(label if len(label) <= _LABEL_WIDTH else f"{label[: _LABEL_WIDTH - 1]}…")
