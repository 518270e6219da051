"""The arithmetic of NetApp's report TR-4904, as printed and with counted rows. Pure.

The report's times, its rows and its 262.39 are from its page "Training time comparison"; the counted rows are those of
the file `day_15` of Criteo's 1 TB click logs. `docs/ctr-compare.md` goes through it step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SKLEARN_ROWS: Final = 50_000_000
SKLEARN_S: Final = 47 * 60 + 21
"""on 50 million rows"""
DASK_S: Final = 3600 + 12 * 60 + 11
"""on the whole of day 15"""
ASSUMED_ROWS: Final = 20_000_000_000
COUNTED_ROWS: Final = 187_154_596
PRINTED_SKLEARN_S: Final = 13 * 86_400 + 3 * 3600 + 40 * 60 + 11
"""the report's own product, 11 s above what its factors give"""
PRINTED_TIMES: Final = 262.39


@dataclass(frozen=True, slots=True, kw_only=True)
class Extrapolation:
    """How long scikit-learn would take for `rows`, if its time grew as the rows do, against the measured Dask time."""

    rows: int
    factor: float
    """rows / the rows that scikit-learn had"""
    sklearn_s: float
    times: float
    """sklearn_s / the seconds of Dask, which had all rows of the day however many those are"""
    sklearn_rows_s: float
    """rows a second of scikit-learn, measured"""
    dask_rows_s: float
    """rows a second of Dask, for so many rows in the day"""


def extrapolate(rows: int) -> Extrapolation:
    """The report's arithmetic for a day of so many rows."""
    factor = rows / SKLEARN_ROWS
    return Extrapolation(
        rows=rows,
        factor=factor,
        sklearn_s=SKLEARN_S * factor,
        times=SKLEARN_S * factor / DASK_S,
        sklearn_rows_s=SKLEARN_ROWS / SKLEARN_S,
        dask_rows_s=rows / DASK_S,
    )
