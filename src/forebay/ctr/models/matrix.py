"""Rows of a features directory in the workers' memory, as XGBoost on Dask takes them.

Parts are dealt to the workers by position, so the same workers see the same rows in the same order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import dask.array as da
import numpy as np
from dask.delayed import delayed
from distributed import Client, as_completed, futures_of, wait
from numpy.typing import NDArray

from forebay.ctr.engines.watch import worker_addresses
from forebay.ctr.feature_set import FeatureDay, FeatureSet, read_part

Part = tuple[NDArray[np.float32], NDArray[np.uint8]]


ReadPart = Callable[..., Part]
"""`read(path, *given)`: (n, features) matrix and (n,) labels of one part; runs on a worker."""


class Reader(Protocol):
    """Which matrix is made of a part."""

    @property
    def features(self) -> tuple[str, ...]:
        """The columns of the matrix."""
        ...

    def of(self, client: Client, day: FeatureDay) -> tuple[ReadPart, tuple[Any, ...]]:
        """How a part of this day is read, and what is given beside its path: values or futures."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns as they are in the part; `blank` in place of NaN where it is not None."""

    features: tuple[str, ...]
    blank: float | None = None

    def of(self, client: Client, day: FeatureDay) -> tuple[ReadPart, tuple[Any, ...]]:
        return partial(read_columns, self.features, self.blank), ()


def read_columns(features: tuple[str, ...], blank: float | None, path: Path) -> Part:
    """Runs on a worker."""
    matrix, label = read_part(path, features)
    if blank is not None:
        np.nan_to_num(matrix, copy=False, nan=blank)
    return matrix, label


def load(
    client: Client, features: FeatureSet, days: Sequence[FeatureDay], reader: Reader, told: Callable[[int], object]
) -> tuple[da.Array, da.Array]:
    """(rows, features) float32 and (rows,) uint8, one chunk a part, already in the workers' memory.

    `told` is given the rows of each part that is there.
    """
    addresses = itertools.cycle(worker_addresses(client))
    loaded = []
    rows_of = dict[Any, int]()
    for day in days:
        read, given = reader.of(client, day)
        for part, address in zip(day.parts, addresses, strict=False):
            pair = delayed(read, nout=2, pure=False)(features.directory.resolve() / part.path, *given)
            matrix = da.from_delayed(pair[0], (part.rows, len(reader.features)), np.float32)  # type: ignore[no-untyped-call]
            label = da.from_delayed(pair[1], (part.rows,), np.uint8)  # type: ignore[no-untyped-call]
            kept: tuple[da.Array, da.Array] = client.persist((matrix, label), workers=[address])  # type: ignore[no-untyped-call]
            loaded.append(kept)
            rows_of |= dict.fromkeys(futures_of(kept[1]), part.rows)  # type: ignore[no-untyped-call]
    arrays = [array for pair in loaded for array in pair]
    for future in as_completed(list(rows_of)):  # type: ignore[no-untyped-call]
        told(rows_of[future])
    wait(arrays)  # type: ignore[no-untyped-call]
    for failed in (future for future in futures_of(arrays) if future.status == "error"):  # type: ignore[no-untyped-call]
        failed.result()  # raises what the worker raised
    matrices, labels = zip(*loaded, strict=True)
    return da.concatenate(matrices), da.concatenate(labels)  # type: ignore[no-untyped-call]
