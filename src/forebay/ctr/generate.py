"""Write generated click logs: `day_0`, `day_1`, ... in Criteo's format, and `truth.json` beside them.

Streams in chunks: memory does not depend on the number of rows. The bytes depend on the options alone, not on the
chunks. Nothing is ever replaced unless `overwrite` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np

from forebay.ctr.files import new_file
from forebay.ctr.law import LAW_VERSION, Law, LawOptions, build_law, draw
from forebay.ctr.render import MAX_ROW_BYTES, render
from forebay.ctr.stages import Stages
from forebay.ctr.truth import TRUTH_FILE, Truth, TruthDay, TruthTally, read_truth, write_truth
from forebay.errors import InputError

CHUNK_ROWS: Final = 1 << 15
OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateReport:
    """What was written; `truth` is also in `truth.json`."""

    truth: Truth
    rows: int
    size_bytes: int
    seconds: float


def generate(
    out: Path,
    *,
    days: int = 2,
    rows_per_day: int = 500_000,
    options: LawOptions | None = None,
    keep_probabilities: bool = False,
    overwrite: bool = False,
    chunk_rows: int = CHUNK_ROWS,
    on_progress: OnProgress | None = None,
) -> GenerateReport:
    """Write `days` files of `rows_per_day` rows each into `out` (made if absent).

    `keep_probabilities` also writes `truth/day_N.npy`, (rows,) float32. `on_progress(rows_done)` is called after each
    chunk with the rows of all days so far. InputError where `out` holds day files and `overwrite` is not given.
    """
    if days < 1 or rows_per_day < 1 or chunk_rows < 1:
        raise InputError("bad-option", "days, rows_per_day and chunk_rows must be at least 1")
    stages = Stages()
    with stages.stage("generate"):
        _clear(out, overwrite=overwrite)
        writer = _Writer(out, build_law(options or LawOptions()), rows_per_day, chunk_rows, on_progress)
        written = tuple(writer.write_day(day, keep_probabilities=keep_probabilities) for day in range(days))
        truth = Truth(
            law_version=LAW_VERSION,
            options=writer.law.options,
            rows_per_day=rows_per_day,
            keep_probabilities=keep_probabilities,
            days=written,
        )
        write_truth(out, truth)
    return GenerateReport(
        truth=truth,
        rows=days * rows_per_day,
        size_bytes=sum(day.size_bytes for day in written),
        seconds=stages.seconds["generate"],
    )


def find_generated(
    out: Path, *, days: int = 2, rows_per_day: int = 500_000, options: LawOptions | None = None
) -> Truth | None:
    """The truth in `out` if just these days are there, complete, as this version would write them; else None."""
    if not (out / TRUTH_FILE).is_file():
        return None
    truth = read_truth(out)
    asked = (LAW_VERSION, options or LawOptions(), rows_per_day, days)
    if (truth.law_version, truth.options, truth.rows_per_day, len(truth.days)) != asked:
        return None
    there = {path.name: path.stat().st_size for path in out.glob("day_*")}
    return truth if there == {day.file: day.size_bytes for day in truth.days} else None


def _clear(out: Path, *, overwrite: bool) -> None:
    """Make room: no day file and no truth of an earlier run may stay beside the new ones."""
    out.mkdir(parents=True, exist_ok=True)
    old = [*out.glob("day_*"), *out.glob(TRUTH_FILE), *out.glob("truth/day_*.npy")]
    if old and not overwrite:
        raise InputError(
            "target-not-empty", f"{out} already holds {old[0].name}", todo="choose another directory, or overwrite it"
        )
    for path in old:
        path.unlink()


class _Writer:
    """Writes days one after the other through one buffer."""

    def __init__(self, out: Path, law: Law, rows_per_day: int, chunk_rows: int, on_progress: OnProgress | None) -> None:
        self.law = law
        self._out = out
        self._rows_per_day = rows_per_day
        self._chunk_rows = min(chunk_rows, rows_per_day)
        self._on_progress = on_progress or (lambda rows_done: None)
        self._buffer = np.empty(self._chunk_rows * MAX_ROW_BYTES, np.uint8)

    def write_day(self, day: int, *, keep_probabilities: bool) -> TruthDay:
        if not keep_probabilities:
            return self._write_log(day, None)
        (self._out / "truth").mkdir(exist_ok=True)
        with new_file(self._out / "truth" / f"day_{day}.npy") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": (self._rows_per_day,)}
            np.lib.format.write_array_header_1_0(file, header)
            return self._write_log(day, file)

    def _write_log(self, day: int, probabilities: IO[bytes] | None) -> TruthDay:
        tally = TruthTally()
        name = f"day_{day}"
        with new_file(self._out / name) as file:
            for first in range(0, self._rows_per_day, self._chunk_rows):
                drawn = draw(self.law, day, first, min(self._chunk_rows, self._rows_per_day - first))
                tally.add(drawn.label, drawn.probability)
                file.write(render(drawn, self._buffer))
                if probabilities is not None:
                    probabilities.write(drawn.probability.astype("<f4").tobytes())
                self._on_progress(day * self._rows_per_day + first + drawn.label.size)
            size = file.tell()
        return tally.day(day, name, size)
