"""What a features directory holds, as its `features.json` says; every later step reads it first.

Layout: `day_N/part-00000.parquet` ... (label uint8, one float32 column per feature, the raw categories uint32 with
nulls), `encoder/` (what the test day was encoded with), `features.json`. No time and no absolute path is in it: the
same input and options give the same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from forebay.ctr.files import read_json, sha256, write_json
from forebay.ctr.parse import BadRows
from forebay.ctr.schema import CATEGORIES, LABEL
from forebay.ctr.split import Split
from forebay.errors import DamagedError, InputError

FEATURES_FILE: Final = "features.json"
ENCODER_FOLDER: Final = "encoder"
FEATURES_FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePart:
    """One Parquet file; `path` is relative to the features directory."""

    path: str
    rows: int
    clicks: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDay:
    """One day, its parts in the order of the log's rows."""

    day: int
    source_bytes: int
    bad_rows: BadRows
    parts: tuple[FeaturePart, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def clicks(self) -> int:
        return sum(part.clicks for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """A prepared features directory; its days ascend, and each has its part in `split`."""

    directory: Path
    digest: str
    """sha256 of `features.json`, which names every part by digest"""
    features: tuple[str, ...]
    parents: tuple[str, ...]
    encoder_options: dict[str, Any]
    split: Split
    days: tuple[FeatureDay, ...]

    @property
    def train_days(self) -> tuple[FeatureDay, ...]:
        return tuple(day for day in self.days if day.day in self.split.train)

    @property
    def validation_day(self) -> FeatureDay | None:
        """For early stopping and calibration; None where there are too few days."""
        return next((day for day in self.days if day.day == self.split.validate), None)

    @property
    def evaluation_day(self) -> FeatureDay:
        """The test day."""
        return next(day for day in self.days if day.day == self.split.test)


def write_feature_set(
    directory: Path,
    *,
    features: Sequence[str],
    parents: Sequence[str],
    encoder_options: dict[str, Any],
    split: Split,
    days: Sequence[FeatureDay],
) -> None:
    """Write `features.json`; the parts must already be there."""
    description = {
        "format": FEATURES_FORMAT,
        "label": LABEL,
        "features": list(features),
        "categories": list(CATEGORIES),
        "parents": list(parents),
        "encoder_options": encoder_options,
        "split": dataclasses.asdict(split),
        "days": [dataclasses.asdict(day) | {"rows": day.rows, "clicks": day.clicks} for day in days],
    }
    write_json(directory / FEATURES_FILE, description)


def read_feature_set(directory: Path) -> FeatureSet:
    """NotFoundError where `directory` holds no features; DamagedError where it is not what this version writes."""
    path = directory / FEATURES_FILE
    value = read_json(path, todo="make features with `forebay ctr prepare`")
    try:
        if value["format"] != FEATURES_FORMAT:
            raise DamagedError(
                "unknown-format",
                f"{path} has format {value['format']}, not {FEATURES_FORMAT}",
                todo="make the features again with `forebay ctr prepare`",
            )
        split = value["split"]
        return FeatureSet(
            directory=directory,
            digest=sha256(path),
            features=tuple(value["features"]),
            parents=tuple(value["parents"]),
            encoder_options=value["encoder_options"],
            split=Split(train=tuple(split["train"]), validate=split["validate"], test=split["test"]),
            days=tuple(_day(each) for each in value["days"]),
        )
    except (KeyError, TypeError) as error:
        raise DamagedError("bad-features", f"{path} lacks or has unknown fields: {error}") from error


def check_parts(feature_set: FeatureSet, days: Sequence[FeatureDay]) -> None:
    """DamagedError where a part of these days is not there: before a cluster is started for them."""
    for path in (feature_set.directory / part.path for day in days for part in day.parts):
        if not path.is_file():
            raise DamagedError("missing-part", f"{path} is not there", todo="prepare the features again")


def read_part(path: Path, features: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """(n, features) matrix and (n,) labels of one part."""
    table = _read(path, (LABEL, *features))
    matrix = np.empty((table.num_rows, len(features)), np.float32)
    for place, feature in enumerate(features):
        matrix[:, place] = table[feature].to_numpy()
    return matrix, table[LABEL].to_numpy()


def read_categories(path: Path) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """(26, n) raw categories of one part, 0 where blank, and (26, n) validity: 0 is a legal category."""
    table = _read(path, CATEGORIES)
    shape = (len(CATEGORIES), table.num_rows)
    categories, valid = np.empty(shape, np.uint32), np.empty(shape, np.bool_)
    for place, column in enumerate(table.columns):
        categories[place] = column.fill_null(0).to_numpy()
        valid[place] = column.is_valid().to_numpy()
    return categories, valid


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read(columns=list(columns), use_threads=False)
    except (OSError, pa.ArrowInvalid) as error:
        raise DamagedError("bad-part", f"{path} cannot be read: {error}", todo="prepare the features again") from error
    missing = set(columns) - set(table.column_names)
    if missing:
        raise InputError("features-mismatch", f"{path} lacks the columns {', '.join(sorted(missing))}")
    return table.select(list(columns))


def _day(value: dict[str, Any]) -> FeatureDay:
    return FeatureDay(
        day=value["day"],
        source_bytes=value["source_bytes"],
        bad_rows=BadRows(**value["bad_rows"]),
        parts=tuple(FeaturePart(**part) for part in value["parts"]),
    )
