"""Which files can be looked into, by their names. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from forebay.wire.previews import PreviewKind


class Format(StrEnum):
    """How the rows of a file are written."""

    PARQUET = "parquet"
    COMMAS = "csv"
    TABS = "tsv"


FORMATS = {
    "parquet": Format.PARQUET,
    "pq": Format.PARQUET,
    "csv": Format.COMMAS,
    "tsv": Format.TABS,
    "tab": Format.TABS,
}
COMPRESSIONS = {"gz": "gzip", "zst": "zstd"}
PICTURES = ("png", "jpg", "jpeg")

TABLE_PATTERN = rf"(?i)\.(?:parquet|pq|(?:csv|tsv|tab)(?:\.(?:{'|'.join(COMPRESSIONS)}))?)$"
IMAGES_PATTERN = rf"(?i)\.(?:{'|'.join(PICTURES)})$"
PATTERNS = {
    PreviewKind.TABLE: TABLE_PATTERN,
    PreviewKind.IMAGES: IMAGES_PATTERN,
    PreviewKind.ROWS: TABLE_PATTERN,
}
"""What the paths of a kind match: for Python's regular expressions and for Arrow's."""


def can_be(kind: PreviewKind, path: str) -> bool:
    """Whether a file can be shown so."""
    return kind in PATTERNS and re.search(PATTERNS[kind], path) is not None


def format_of(path: str) -> tuple[Format, str | None]:
    """How a file with rows is written, and how it is compressed as a whole, as Arrow calls it (None: it is not)."""
    parts = path.lower().rsplit("/", 1)[-1].split(".")
    compression = COMPRESSIONS.get(parts[-1])
    return FORMATS[parts[-2] if compression else parts[-1]], compression
