"""Criteo's click-log format: one label, 13 integers, 26 hashed categories; tab-separated, no header.

The one place that names the columns. Light to import: no numpy here.
"""

from __future__ import annotations

from typing import Final

LABEL: Final = "label"
INTEGERS: Final = tuple(f"I{number}" for number in range(1, 14))
CATEGORIES: Final = tuple(f"C{number}" for number in range(1, 27))
COLUMNS: Final = (LABEL, *INTEGERS, *CATEGORIES)
INTEGER_COUNT: Final = len(INTEGERS)
CATEGORY_COUNT: Final = len(CATEGORIES)
COLUMN_COUNT: Final = len(COLUMNS)
